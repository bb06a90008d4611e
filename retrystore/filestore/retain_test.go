package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var onlyDelivered = retrystore.Filter{States: []retrystore.State{retrystore.Delivered}}

// passThrough accepts and delivers one event.
func passThrough(t testing.TB, s *Store, key retrystore.Key, ttl time.Duration, body []byte) (*retrystore.Delivery, error) {
	t.Helper()
	e := benchEvent()
	e.Body = body
	r, err := s.Accept(context.Background(), &retrystore.Submission{
		Key: key, KeyTTL: ttl, Event: e, Targets: []retrystore.Target{{Destination: "app", Lease: time.Hour}},
	})
	if err != nil {
		return nil, err
	}
	err = s.Settle(context.Background(), r.Deliveries[0], retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 200}})
	return r.Deliveries[0], err
}

func kept(t testing.TB, s *Store) (all []*retrystore.Delivery) {
	t.Helper()
	for cursor := ""; ; {
		p, err := s.List(context.Background(), onlyDelivered, cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Deliveries...)
		if cursor = p.Next; cursor == "" {
			return all
		}
	}
}

// keptBuckets says how many entries the buckets of kept events have; -1 if
// they are not there.
func keptBuckets(t *testing.T, s *Store) (retained, order int) {
	t.Helper()
	count := func(b *bbolt.Bucket) int {
		if b == nil {
			return -1
		}
		return b.Stats().KeyN
	}
	if err := s.view(func(tx *bbolt.Tx) error {
		retained, order = count(tx.Bucket(bucketRetained)), count(tx.Bucket(bucketKeptOrder))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return retained, order
}

// Off, the file has no trace of it; switched off, none is left.
func TestRetainLeavesNoTrace(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer s.Close()
	pass := func() {
		t.Helper()
		if _, err := passThrough(t, s, nextKey(), time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Retain(retrystore.Retention{})
	pass()
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if retained, order := keptBuckets(t, s); retained != -1 || order != -1 {
		t.Errorf("off: %d, %d entries, want no buckets", retained, order)
	}
	s.Retain(retrystore.Retention{Count: 10_000})
	const n = 2*trimSlice + 10
	for range n {
		pass()
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if retained, order := keptBuckets(t, s); retained != n || order != n {
		t.Errorf("on: %d, %d entries, want %d", retained, order, n)
	}
	s.mu.Lock()
	inMemory := len(s.index.slots)
	s.mu.Unlock()
	if inMemory != 0 {
		t.Errorf("memory holds %d events, want none", inMemory)
	}
	s.Retain(retrystore.Retention{})
	eventually(t, "all are dropped, and the buckets", func() error {
		if retained, order := keptBuckets(t, s); retained != -1 || order != -1 {
			return fmt.Errorf("%d, %d entries are left", retained, order)
		}
		return nil
	})
}

// What is too old goes even if nothing else happens.
func TestRetainedGrowOld(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer s.Close()
	s.Retain(retrystore.Retention{Age: time.Hour})
	if _, err := passThrough(t, s, nextKey(), time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.trimDue() // as the writer does every minute
	f.clock.Move(time.Hour - time.Second)
	if n := len(kept(t, s)); n != 1 {
		t.Fatalf("%d kept, want 1", n)
	}
	f.clock.Move(time.Second)
	s.trimDue()
	eventually(t, "it is gone", func() error {
		if n := len(kept(t, s)); n != 0 {
			return fmt.Errorf("%d are kept", n)
		}
		return nil
	})
}

// A key that expires between the result and its commit leaves nothing behind.
func TestRetainedKeyExpires(t *testing.T) {
	f := newFixture(t)
	s, err := Open(f.path, Options{Now: f.clock.Now, CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Retain(retrystore.Retention{Count: 10})
	d, err := passThrough(t, s, nextKey(), time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), d.ID); err != nil || got.State != retrystore.Delivered || len(got.History) != 1 {
		t.Fatalf("before the commit: %+v, %v", got, err)
	}
	f.clock.Move(time.Hour)
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats, err := s.Stats(t.Context()); err != nil || stats.Keys != 0 {
		t.Errorf("%d keys are remembered, want none, error %v", stats.Keys, err)
	}
	if got, err := s.Get(t.Context(), d.ID); err != nil || got.State != retrystore.Delivered || len(got.History) != 1 {
		t.Errorf("after the commit: %+v, %v", got, err)
	}
}

// A commit that only seemed to fail is repeated, and keeps each event once.
func TestRetainThroughFailures(t *testing.T) {
	f := newFixture(t)
	var failing atomic.Bool
	s, err := Open(f.path, Options{Now: f.clock.Now, afterCommit: func(err error) error {
		if failing.Load() {
			return errors.New("input/output error")
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Retain(retrystore.Retention{Count: 100})
	var ds []*retrystore.Delivery
	for range 5 {
		d, err := accept(t, s, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, d)
	}
	failing.Store(true)
	for _, d := range ds {
		if err := s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 200}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.flush(t.Context()); err == nil {
		t.Fatal("the commit did not fail")
	}
	if got := kept(t, s); len(got) != 5 { // in memory and in the file
		t.Errorf("%d listed, want each of 5 once", len(got))
	}
	failing.Store(false)
	eventually(t, "commits work again", func() error { return s.flush(context.Background()) })
	if got := kept(t, s); len(got) != 5 {
		t.Errorf("%d kept, want each of 5 once", len(got))
	}
	if retained, order := keptBuckets(t, s); retained != 5 || order != 5 {
		t.Errorf("%d, %d entries, want 5", retained, order)
	}
}

// A damaged record is not shown, and is dropped when its turn comes.
func TestRetainedDamage(t *testing.T) {
	f := newFixture(t)
	s := f.open(t)
	defer s.Close()
	s.Retain(retrystore.Retention{Count: 6})
	var ds []*retrystore.Delivery
	pass := func() {
		t.Helper()
		d, err := passThrough(t, s, nextKey(), time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, d)
	}
	for range 4 {
		pass()
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	damage := func(bucket []byte, key []byte) {
		t.Helper()
		if err := s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			v := bytes.Clone(b.Get(key))
			v[len(v)/2] ^= 1
			return b.Put(key, v)
		}); err != nil {
			t.Fatal(err)
		}
	}
	id, _ := parseID(ds[1].ID)
	damage(bucketRetained, eventKey(id.seq))
	damage(bucketKeptOrder, binary.BigEndian.AppendUint64(nil, 2))
	if n := len(kept(t, s)); n != 3 {
		t.Errorf("%d are listed, want the 3 that are whole", n)
	}
	if _, err := s.Get(t.Context(), ds[1].ID); !errors.Is(err, retrystore.ErrNotFound) {
		t.Errorf("the damaged one: %v", err)
	}
	for range 10 {
		pass()
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := kept(t, s)
	if len(got) != 7 || got[0].ID != ds[13].ID || got[6].ID != ds[2].ID {
		t.Errorf("%d are listed, want the latest 6, and one of which nobody knows when it came", len(got))
	}
	s.Retain(retrystore.Retention{})
	eventually(t, "all are gone", func() error {
		if n := len(kept(t, s)); n != 0 {
			return fmt.Errorf("%d are kept", n)
		}
		return nil
	})
}

// History is the first to go when the file may not grow any more: webhooks are
// taken in as if there were none.
func TestRetainGivesWay(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "s.db"), Options{MaxBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Retain(retrystore.Retention{Count: 1_000_000, Bodies: true})
	body := bytes.Repeat([]byte("x"), 256<<10)
	refused := 0
	for n := range 500 { // four times what fits
		if _, err := passThrough(t, s, nextKey(), time.Hour, body); errors.Is(err, retrystore.ErrFull) {
			refused++
			eventually(t, fmt.Sprintf("event %d is taken", n), func() error {
				_, err := passThrough(t, s, nextKey(), time.Hour, body)
				return err
			})
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of 500 were refused at first, %d are kept", refused, len(kept(t, s)))
	if refused > 0 {
		t.Errorf("%d webhooks were refused because of history", refused)
	}

	// Pending ones need the room that history has.
	for range 20 {
		if _, err := passThrough(t, s, nextKey(), time.Hour, body); err != nil {
			t.Fatal(err)
		}
	}
	pending := 0
	for tries := 0; tries < 50 && pending < 60; tries++ {
		e := benchEvent()
		e.Body = body
		_, err := s.Accept(t.Context(), &retrystore.Submission{Event: e, Targets: []retrystore.Target{{Destination: "app"}}})
		switch {
		case err == nil:
			pending, tries = pending+1, 0
		case errors.Is(err, retrystore.ErrFull):
			time.Sleep(20 * time.Millisecond) // the outage decides when to try again
		default:
			t.Fatal(err)
		}
	}
	if pending < 60 {
		t.Errorf("only %d of 60 events of 256 KiB found room; %d are kept", pending, len(kept(t, s)))
	}
}

// A full disk recovers with history as without.
func TestRetainOnFullFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := Open(path, Options{MaxBytes: 24 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Retain(retrystore.Retention{Count: 1_000_000, Bodies: true})
	fillAndRecover(t, s, path, retrystore.ErrFull, func(stored []*retrystore.Delivery) {
		for _, d := range stored {
			if err := s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
