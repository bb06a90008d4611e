package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// settleMany accepts and delivers n events at once.
func settleMany(t *testing.T, s *Store, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range n / 64 {
				d, err := accept(t, s, time.Hour)
				if err == nil {
					err = s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := s.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func purgeAll(t *testing.T, s *Store) {
	t.Helper()
	for s.purgeSome() {
	}
	if err := s.flush(context.Background()); err != nil { // drops the buckets
		t.Fatal(err)
	}
}

// keyBuckets counts the slots in the file, the values and the keys in them.
func keyBuckets(t *testing.T, s *Store) (slots, values, keys int) {
	t.Helper()
	err := s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketKeys)
		return b.ForEachBucket(func(name []byte) error {
			slots++
			return b.Bucket(name).ForEach(func(_, v []byte) error {
				values++
				return eachSettledKey(v, func(retrystore.Key, uint32) { keys++ })
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return slots, values, keys
}

func TestExpiredKeysAreDropped(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer func() { s.Close() }()
	const n = 6400
	var size int64
	for round := range 4 {
		settleMany(t, s, n)
		slots, values, keys := keyBuckets(t, s)
		if keys != n || slots != 1 || values >= n {
			t.Errorf("%d slots with %d values of %d keys in the file, want 1 slot with %d keys in fewer values", slots, values, keys, n)
		}
		if got := s.index.keys.size(); got != n {
			t.Errorf("%d keys in the index, want %d", got, n)
		}
		f.clock.Move(25 * time.Hour)
		purgeAll(t, s)
		if slots, _, _ := keyBuckets(t, s); slots != 0 || s.index.keys.size() != 0 {
			t.Errorf("%d slots in the file and %d keys in the index after all expired", slots, s.index.keys.size())
		}
		info, err := os.Stat(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			size = info.Size()
		} else if round > 1 && info.Size() > size {
			t.Errorf("round %d: the file grew from %d to %d bytes: pages are not used again", round, size, info.Size())
		}
		s.Close()
		s = f.open(t) // and again after a restart
	}
}

func TestPurgeKeepsWhatIsStillNeeded(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer s.Close()
	ctx := context.Background()
	submit := func(name byte, ttl, lease time.Duration) retrystore.Receipt {
		t.Helper()
		r, err := s.Accept(ctx, &retrystore.Submission{
			Key: retrystore.Key{name}, KeyTTL: ttl, Event: benchEvent(),
			Targets: []retrystore.Target{{Destination: "app", Lease: lease}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	settle := func(r retrystore.Receipt) {
		t.Helper()
		if err := s.Settle(ctx, r.Deliveries[0], retrystore.Settlement{State: retrystore.Delivered}); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	settle(submit(1, time.Hour, time.Hour)) // expires
	settle(submit(2, time.Hour, time.Hour)) // expires, and is used again before the purge
	settle(submit(5, time.Hour, time.Hour))
	settle(submit(3, 9*time.Hour, time.Hour))
	open := submit(4, time.Hour, 9*time.Hour) // expires while it is open
	f.clock.Move(2 * time.Hour)
	again := submit(2, time.Hour, time.Hour)
	settle(submit(5, time.Hour, time.Hour)) // used again, and settled again, before the purge
	purgeAll(t, s)
	for name, want := range map[byte]bool{1: false, 2: true, 3: true, 5: true} {
		s.mu.Lock()
		_, got := s.index.keys.get(retrystore.Key{name})
		s.mu.Unlock()
		if got != want {
			t.Errorf("key %d is remembered: %v, want %v", name, got, want)
		}
	}
	settle(open)
	settle(again)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index.keys.size() != 3 {
		t.Errorf("%d keys are remembered, want 3", s.index.keys.size())
	}
}

func TestMaxKeys(t *testing.T) {
	clock := faketime.At(time.Unix(2_000_000_000, 0))
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{Now: clock.Now, MaxKeys: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	settleMany(t, s, 64)
	if _, err := accept(t, s, 0); !errors.Is(err, retrystore.ErrFull) {
		t.Errorf("key 65: error %v, want ErrFull", err)
	}
	// Without a key there is nothing to remember.
	if _, err := s.Accept(context.Background(), &retrystore.Submission{Event: benchEvent(), Targets: []retrystore.Target{{Destination: "app"}}}); err != nil {
		t.Error(err)
	}
	clock.Move(25 * time.Hour)
	mustAccept(t, s, 0) // the expired ones make room by themselves
}

// A key is remembered for at least its time, to the millisecond, though the
// store counts in seconds.
func TestKeyIsNotForgottenEarly(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer s.Close()
	sub := &retrystore.Submission{Key: retrystore.Key{1}, KeyTTL: time.Second, Event: benchEvent(), Targets: []retrystore.Target{{Destination: "app"}}}
	if _, err := s.Accept(context.Background(), sub); err != nil {
		t.Fatal(err)
	}
	f.clock.Move(999 * time.Millisecond)
	if r, err := s.Accept(context.Background(), sub); err != nil || !r.Duplicate {
		t.Errorf("%+v, %v; want a duplicate", r, err)
	}
}

// After the clock was put back, keys expire in slots that were dropped before.
func TestPurgeAfterClockWasPutBack(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer s.Close()
	for range 2 {
		settleMany(t, s, 64)
		f.clock.Move(25 * time.Hour)
		purgeAll(t, s)
		if slots, _, _ := keyBuckets(t, s); slots != 0 || s.index.keys.size() != 0 {
			t.Errorf("%d slots in the file and %d keys in the index after all expired", slots, s.index.keys.size())
		}
		f.clock.Move(-100 * time.Hour)
	}
}
