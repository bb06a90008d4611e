package filestore

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// accept stores an event with a key of its own, leased if lease is above zero.
func accept(t testing.TB, s *Store, lease time.Duration) (*retrystore.Delivery, error) {
	t.Helper()
	r, err := s.Accept(context.Background(), &retrystore.Submission{
		Key: nextKey(), KeyTTL: 24 * time.Hour, Event: benchEvent(),
		Targets: []retrystore.Target{{Destination: "app", Lease: lease}},
	})
	if err != nil {
		return nil, err
	}
	return r.Deliveries[0], nil
}

func mustAccept(t testing.TB, s *Store, lease time.Duration) *retrystore.Delivery {
	t.Helper()
	d, err := accept(t, s, lease)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// eventually tries f until it works.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still %v", what, err)
		}
	}
}

// flaky is a store whose commits fail when told, after they reached the disk:
// the worst case, as when the last sync reports an error.
type flaky struct {
	*Store
	failing atomic.Bool
	commits atomic.Int32
}

var errDisk = errors.New("input/output error")

func openFlaky(t *testing.T, path string) *flaky {
	f := new(flaky)
	var err error
	f.Store, err = Open(path, Options{afterCommit: func(err error) error {
		f.commits.Add(1)
		if f.failing.Load() {
			return errDisk
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFailedCommitIsUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openFlaky(t, path)
	ctx := context.Background()
	kept := mustAccept(t, s.Store, time.Hour)

	s.failing.Store(true)
	refused := &retrystore.Submission{
		Key: nextKey(), KeyTTL: time.Hour, Event: benchEvent(),
		Targets: []retrystore.Target{{Destination: "app"}},
	}
	if _, err := s.Accept(ctx, refused); !errors.Is(err, retrystore.ErrUnavailable) || !errors.Is(err, errDisk) {
		t.Fatalf("error %v, want ErrUnavailable and the cause", err)
	}
	if n := countEvents(t, s.Store); n != 2 {
		t.Fatalf("%d events in the file, want 2: this test is about a failed commit that reached the disk", n)
	}
	if p, err := s.List(ctx, retrystore.Filter{}, "", 10); err != nil || len(p.Deliveries) != 1 {
		t.Errorf("listed %d (%v), want 1: nothing that failed is visible", len(p.Deliveries), err)
	}
	// A result waits in memory meanwhile.
	if err := s.Settle(ctx, kept, retrystore.Settlement{State: retrystore.Dead, Reason: "test"}); err != nil {
		t.Fatal(err)
	}

	s.failing.Store(false)
	var r retrystore.Receipt
	eventually(t, "accept again", func() (err error) {
		r, err = s.Accept(ctx, refused) // the provider's retry, with the same key
		return err
	})
	if r.Duplicate {
		t.Error("the retry of a refused event is a duplicate: it would be lost")
	}
	if n := countEvents(t, s.Store); n != 2 {
		t.Errorf("%d events in the file, want 2: the refused one must be gone", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	p, err := again.List(ctx, retrystore.Filter{}, "", 10)
	if err != nil || len(p.Deliveries) != 2 || p.Deliveries[0].ID != r.Deliveries[0].ID || p.Deliveries[1].State != retrystore.Dead {
		t.Errorf("after opening again listed %d, %v", len(p.Deliveries), err)
	}
}

func countEvents(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketEvents).ForEach(func(k, v []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A disk that fails for long must neither be hammered nor make memory grow.
func TestOutageIsBounded(t *testing.T) {
	s := openFlaky(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	ctx := context.Background()
	d := mustAccept(t, s.Store, time.Hour)
	s.failing.Store(true)
	before := s.commits.Load()
	start := time.Now()
	const attempts = 100
	for i := range attempts {
		_, _ = accept(t, s.Store, 0)
		if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now(), Attempt: retrystore.Attempt{Status: i}}); err != nil {
			t.Fatal(err)
		}
		c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 1, MaxRetries: 1, Lease: time.Hour})
		if err != nil || len(c.Deliveries) != 1 {
			t.Fatal(c, err)
		}
		d = c.Deliveries[0]
	}
	if tries, most := s.commits.Load()-before, 2+time.Since(start)/minOutage; int64(tries) > int64(most) {
		t.Errorf("%d commits tried in %s, want at most %d", tries, time.Since(start), most)
	}
	s.mu.Lock()
	if n := len(s.index.delivery(d.ID).unsaved.attempts); n > retrystore.MaxHistory || len(s.dirty) > 1 {
		t.Errorf("%d attempts of %d events wait, want at most %d of 1", n, len(s.dirty), retrystore.MaxHistory)
	}
	s.mu.Unlock()
	s.failing.Store(false)
	eventually(t, "flush", func() error { return s.flush(ctx) })
	got, err := s.Get(ctx, d.ID)
	if err != nil || got.Attempts != attempts || len(got.History) != retrystore.MaxHistory || got.History[0].Status != attempts-retrystore.MaxHistory {
		t.Errorf("after the outage: %d attempts, %d in the history, %v", got.Attempts, len(got.History), err)
	}
}

func TestCloseInAnOutage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openFlaky(t, path)
	d := mustAccept(t, s.Store, time.Hour)
	s.failing.Store(true)
	if err := s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); !errors.Is(err, errDisk) {
		t.Errorf("close: %v, want the cause", err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatalf("the file was not given free: %v", err)
	}
	again.Close()
}

func TestFullQueueRefuses(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{queueSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx, err := s.db.Begin(true) // as if the disk did not answer
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	const n = 6
	for range n {
		go func() { _, err := accept(t, s, 0); results <- err }()
	}
	// The writer has taken one or two and one is queued: the others return.
	refused, stored := 0, 0
	count := func() {
		switch err := <-results; {
		case err == nil:
			stored++
		case errors.Is(err, retrystore.ErrUnavailable):
			refused++
		default:
			t.Error(err)
		}
	}
	for range n - 3 {
		count()
	}
	if stored > 0 {
		t.Errorf("%d stored without the disk", stored)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		count()
	}
	stats, err := s.Stats(context.Background())
	if err != nil || stats.Lanes[0].Pending != stored || stats.Keys != stored {
		t.Errorf("stats %+v, %v", stats, err)
	}
	s.mu.Lock()
	for name, l := range s.index.lanes {
		if l.reserved != 0 || s.reservedKeys != 0 {
			t.Errorf("%s: %d deliveries and %d keys are still reserved", name, l.reserved, s.reservedKeys)
		}
	}
	s.mu.Unlock()
}
