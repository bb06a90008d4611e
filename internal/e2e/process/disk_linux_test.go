package process

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/proxy"
	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// TestDiskFull fills the file system under the store: providers are told to come
// back, deliveries go on, and with room again so does everything, without a restart.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "24m")
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, 3)
	app.Behave(oracle.Manner{Kind: oracle.Status, Status: 500})
	s := proxy.Start(t, app, "file "+filepath.Join(disk, "deliveries.db"), "")
	sender := &oracle.Provider{Books: books, URLs: []string{s.Hook}, Run: "disk"}
	defer sender.Close()
	const stored = 200
	for range stored {
		sender.SendOne(t.Context())
	}

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	refused := 0
	for n := range 50_000 { // the store's file may have free pages left: they are used up first
		code, word := sender.Post(t.Context(), fmt.Sprintf("full-%d", n))
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

	app.Behave()
	s.WaitUntilEmpty(t, time.Minute)
	for _, id := range oracle.FindLost(books.Records(), proxy.Destination, nil) {
		t.Errorf("event %s was not delivered while the disk was full", id)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ {
		if code, _ := sender.Post(t.Context(), fmt.Sprintf("room-%d", n)); code == http.StatusAccepted {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("with room again, events are still refused")
		}
		time.Sleep(100 * time.Millisecond) // a provider's own backoff
	}
	s.WaitUntilEmpty(t, time.Minute)
	proxy.Judge(t, books, nil)
	t.Logf("stored before %d, refused while full %d", stored, refused)
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
