package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestDiskFull fills the file system under the store: providers are told to come
// back, deliveries go on, and with room again so does everything, without a restart.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "24m")
	app := startApplication(t, 3)
	app.failAtRandom(1, 0)
	s := newSetup(t, app, "file "+filepath.Join(disk, "deliveries.db"))
	sender := newProvider(s.hook, "disk", 1, 0)
	client := &http.Client{Timeout: 20 * time.Second}
	const stored = 200
	for range stored {
		sender.sendOne(t.Context(), client)
	}

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	refused := 0
	for n := range 50_000 { // the store's file may have free pages left: they are used up first
		code, word := postOnce(t, sender, client, fmt.Sprintf("full-%d", n))
		if code == http.StatusServiceUnavailable && word == "unavailable" {
			if refused++; refused == 3 {
				break
			}
		} else if code != http.StatusAccepted {
			t.Fatalf("answered %d %s", code, word)
		}
	}
	if refused == 0 {
		t.Fatal("the disk is full, yet every event was accepted")
	}

	app.failAtRandom(0, 0)
	s.waitUntilEmpty(t, time.Minute)
	taken, _ := app.snapshot()
	for id := range sender.answersCopy() {
		if len(taken[id]) == 0 {
			t.Errorf("event %s was not delivered while the disk was full", id)
		}
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ {
		if code, _ := postOnce(t, sender, client, fmt.Sprintf("room-%d", n)); code == http.StatusAccepted {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("with room again, events are still refused")
		}
		time.Sleep(100 * time.Millisecond) // a provider's own backoff
	}
	s.waitUntilEmpty(t, time.Minute)
	judge(t, sender, app)
	t.Logf("stored before %d, refused while full %d, delivered %d", stored, refused, app.takenCount())
}

func postOnce(t *testing.T, p *provider, client *http.Client, id string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code, word, err := p.post(ctx, client, id, fmt.Appendf(nil, `{"id":%q,"padding":%q}`, id, padding))
	if err != nil {
		t.Fatal(err)
	}
	if code == http.StatusAccepted {
		p.mu.Lock()
		p.acked[id] = word
		p.mu.Unlock()
	}
	return code, word
}

// smallDisk mounts a file system of that size, which needs root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("mounting a small file system needs root")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := file.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
