package filestore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// fillAndRecover is what has to hold when the disk is full: makeRoom ends that.
func fillAndRecover(t *testing.T, s *Store, path string, want error, makeRoom func(stored []*retrystore.Delivery)) {
	ctx := context.Background()
	first := &retrystore.Submission{
		Key: nextKey(), KeyTTL: time.Hour, Event: benchEvent(),
		Targets: []retrystore.Target{{Destination: "app", Lease: time.Hour}},
	}
	if _, err := s.Accept(ctx, first); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 256<<10)
	var stored []*retrystore.Delivery
	for {
		sub := &retrystore.Submission{Event: benchEvent(), Targets: []retrystore.Target{{Destination: "app", Lease: time.Hour}}}
		sub.Event.Body = large
		r, err := s.Accept(ctx, sub)
		if err != nil {
			if !errors.Is(err, want) {
				t.Fatalf("full disk: error %v, want %v", err, want)
			}
			break
		}
		if stored = append(stored, r.Deliveries[0]); len(stored) > 10_000 {
			t.Fatal("the disk never filled up")
		}
	}
	t.Logf("full after %d events of 256 KiB", len(stored))
	if len(stored) < 10 {
		t.Fatal("too few to test with")
	}

	// Refusals come at once, without another try at the disk.
	start := time.Now()
	for range 1000 {
		sub := &retrystore.Submission{Event: benchEvent(), Targets: []retrystore.Target{{Destination: "app"}}}
		sub.Event.Body = large
		if _, err := s.Accept(ctx, sub); !errors.Is(err, want) {
			t.Fatalf("error %v, want %v", err, want)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("1000 refusals took %s", took)
	}
	// Duplicates are known, deliveries go on.
	if r, err := s.Accept(ctx, first); err != nil || !r.Duplicate {
		t.Errorf("duplicate on a full disk: %+v, %v", r, err)
	}
	half := stored[:len(stored)/2]
	for i, d := range half[:5] {
		if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now(), Attempt: retrystore.Attempt{Status: 500 + i}}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 5, MaxRetries: 5, Lease: time.Hour})
	if err != nil || len(c.Deliveries) != 5 {
		t.Fatalf("claimed %d on a full disk, %v; want 5", len(c.Deliveries), err)
	}
	for _, d := range c.Deliveries {
		if d.LastStatus < 500 || len(d.Event.Body) != 256<<10 {
			t.Errorf("claimed %+v", *d)
		}
	}

	makeRoom(append(c.Deliveries, stored[5:]...))
	var fresh *retrystore.Delivery
	eventually(t, "accept after there was room again", func() (err error) {
		fresh, err = accept(t, s, time.Hour)
		return err
	})
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	leased := stats.Lanes[0].Leased + stats.Lanes[0].Pending
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if stats, err = s.Stats(ctx); err != nil || stats.Lanes[0].Pending != leased {
		t.Errorf("%d deliveries after opening again (%v), want %d: what was refused must not be there", stats.Lanes[0].Pending, err, leased)
	}
	if _, err := s.Get(ctx, fresh.ID); err != nil {
		t.Error(err)
	}
}

func TestSizeLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(path, Options{MaxBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	fillAndRecover(t, s, path, retrystore.ErrFull, func(stored []*retrystore.Delivery) {
		// Deliveries make room by being delivered.
		for _, d := range stored[:len(stored)/2] {
			if err := s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// drainAndRecover fills the disk to the brim with small events and delivers them
// all. That has to make room in the file, because there is no more room on the disk.
func drainAndRecover(t *testing.T, s *Store, want error) {
	ctx := context.Background()
	var mu sync.Mutex
	var stored []*retrystore.Delivery
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for refusals := 0; refusals < 20; { // keep nibbling
				d, err := accept(t, s, time.Hour)
				if err != nil {
					if !errors.Is(err, want) {
						t.Errorf("error %v, want %v", err, want)
					}
					refusals++
					time.Sleep(10 * time.Millisecond) // let the outage end, to try again
					continue
				}
				mu.Lock()
				stored = append(stored, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("full after %d events", len(stored))
	for i := range stored { // not in order, so that many pages change
		d := stored[i*7919%len(stored)]
		if len(stored)%7919 == 0 {
			d = stored[i]
		}
		if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the deletion of all events", func() error {
		if n := countEvents(t, s); n > 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
	eventually(t, "accept after all was delivered", func() error { _, err := accept(t, s, 0); return err })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestFullStoreDrains(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store.db"), Options{MaxBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	drainAndRecover(t, s, retrystore.ErrFull)
}
