package filestore

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/modeltest"
)

// TestModel explores the store in a directory in memory, where there is one: a
// sync that reaches a disk takes a hundred times as long as all the rest.
func TestModel(t *testing.T) {
	modeltest.Run(t, newModelHarness, 0)
}

// memory is a file system without a disk, if there is one here.
const memory = "/dev/shm"

// modelFile is a store file that a crash moves from one of two places to the other.
type modelFile struct {
	dir     string
	path    [2]string
	current int
	clock   *faketime.Clock
}

func newModelHarness(t testing.TB) modeltest.Harness {
	parent := memory
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		parent = t.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "filestore-model-")
	if err != nil {
		t.Fatal(err)
	}
	remove := func() { _ = os.RemoveAll(dir) }
	t.Cleanup(remove)
	f := &modelFile{
		dir: dir, path: [2]string{filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")},
		clock: faketime.At(time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)),
	}
	return modeltest.Harness{
		Open: f.open, Crash: f.crash, Flush: func(s retrystore.Store) error { return s.(*Store).flush(t.Context()) },
		Now: f.clock.Now, Advance: f.clock.Move, Unit: time.Hour,
		Rules: modeltest.Rules{Forgets: true, CountsKeys: true},
		Close: remove,
	}
}

// open opens the file with a commit interval that never ends, so that what is
// durable depends on nothing but the operations.
func (f *modelFile) open() (retrystore.Store, error) {
	s, err := Open(f.path[f.current], Options{Now: f.clock.Now, CommitInterval: 1000 * time.Hour})
	if err != nil {
		return nil, err
	}
	// Taking disk space in advance would take most of the time here.
	s.room.allocated = math.MaxInt64
	return s, nil
}

// crash leaves what kill -9 would: what was written is there, what is in memory
// is not.
func (f *modelFile) crash(store retrystore.Store) error {
	s := store.(*Store)
	tx, err := s.db.Begin(true) // waits for a commit under way
	if err != nil {
		return err
	}
	to := f.path[1-f.current]
	err = errors.Join(copyStart(f.path[f.current], to, tx.Size()), tx.Rollback())
	f.current = 1 - f.current
	return errors.Join(err, s.Close()) // what Close still writes nobody reads
}

// copyStart copies the first n bytes of a file over those of another.
func copyStart(from, to string, n int64) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(dst, src, n)
	return errors.Join(err, dst.Close())
}

// TestModelCatches proves that TestModel would find bugs.
func TestModelCatches(t *testing.T) {
	modeltest.CatchFlaws(t, newModelHarness, 0)
}
