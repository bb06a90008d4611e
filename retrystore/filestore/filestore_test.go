package filestore

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		childMain()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		f := newFixture(t)
		return storetest.Harness{
			Open:    func(t *testing.T) retrystore.Store { return f.open(t) },
			Crash:   func(t *testing.T, s retrystore.Store) { f.crash(t, s.(*Store)) },
			Now:     f.clock.Now,
			Advance: func(_ *testing.T, d time.Duration) { f.clock.Move(d) },
			Jump:    func(_ *testing.T, d time.Duration) { f.clock.Move(d) },
			Unit:    time.Hour,
		}
	})
}

// fixture is a store file that survives crashes.
type fixture struct {
	dir     string
	path    string
	clock   *faketime.Clock
	crashes int
	crashed *atomic.Bool // of the open store
}

func newFixture(t *testing.T) *fixture {
	dir := t.TempDir()
	return &fixture{
		dir: dir, path: filepath.Join(dir, "store.db"),
		clock: faketime.At(time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)),
	}
}

var errCrashed = errors.New("the process has crashed")

func (f *fixture) open(t *testing.T) *Store {
	t.Helper()
	crashed := new(atomic.Bool)
	f.crashed = crashed
	s, err := Open(f.path, Options{Now: f.clock.Now, afterCommit: func(err error) error {
		if crashed.Load() {
			return errCrashed
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crash continues with a copy of the file as kill -9 would leave it: what was
// written is there, synced or not, what is in memory is not.
func (f *fixture) crash(t *testing.T, s *Store) {
	t.Helper()
	tx, err := s.db.Begin(true) // waits for the commit under way, and keeps the next off
	if err != nil {
		t.Fatal(err)
	}
	f.crashed.Store(true)
	f.crashes++
	to := filepath.Join(f.dir, "after-crash-"+string(rune('a'+f.crashes)))
	copyFile(t, f.path, to)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	_ = s.Close() // nobody hears of what it still does
	f.path = to
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		t.Fatal(err)
	}
}
