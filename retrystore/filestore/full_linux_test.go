package filestore

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// smallDisk mounts a file system of 24 MiB.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("cannot mount a small tmpfs, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The tests of a size limit need no root.

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "store.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fillAndRecover(t, s, path, retrystore.ErrUnavailable, func([]*retrystore.Delivery) {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFullDiskDrains(t *testing.T) {
	s, err := Open(filepath.Join(smallDisk(t), "store.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	drainAndRecover(t, s, retrystore.ErrUnavailable)
}
