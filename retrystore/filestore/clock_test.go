package filestore

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// stepped is a clock whose wall time can be stepped, while the time that passes
// goes on as it was.
type stepped struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stepped) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stepped) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// step moves the wall clock only: what the store counts time from moves along.
func (c *stepped) step(s *Store, d time.Duration) {
	c.pass(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = s.opened.Add(d)
}

// TestClockSteps has the wall clock stepped while a retry waits and a lease lasts:
// both come when they should, and Next says when.
func TestClockSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"forward": time.Hour, "back": -time.Hour, "a little forward": 100 * time.Millisecond, "a little back": -100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			clock := &stepped{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
			s, err := Open(filepath.Join(t.TempDir(), "deliveries.db"), Options{Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			lane := retrystore.Lane{Endpoint: "e", Destination: "d"}
			claim := func() retrystore.Claim {
				t.Helper()
				c, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: lane, Max: 9, MaxRetries: 9, Lease: 40 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			for range 2 { // one becomes a retry, the other stays leased
				_, err := s.Accept(t.Context(), &retrystore.Submission{
					Event: &retrystore.Event{Endpoint: "e", ReceivedAt: clock.Now()}, Targets: []retrystore.Target{{Destination: "d"}},
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			first := claim().Deliveries
			if len(first) != 2 {
				t.Fatalf("claimed %d deliveries", len(first))
			}
			clock.step(s, step)
			retry := retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: clock.Now().Add(20 * time.Second)}
			if err := s.Settle(t.Context(), first[0], retry); err != nil {
				t.Fatal(err)
			}
			if wait := claim().Next.Sub(clock.Now()); wait != 20*time.Second {
				t.Errorf("Next after the step is in %s, want 20s", wait)
			}
			if step < 0 {
				clock.step(s, step) // once more, while the retry waits
			}
			clock.pass(20*time.Second + 200*time.Millisecond)
			if got := claim(); len(got.Deliveries) != 1 || got.Deliveries[0].ID != first[0].ID {
				t.Errorf("claimed %d deliveries when the retry was due, next in %s", len(got.Deliveries), got.Next.Sub(clock.Now()))
			}
			clock.pass(20 * time.Second)
			if got := claim(); len(got.Deliveries) != 1 || got.Deliveries[0].ID != first[1].ID {
				t.Errorf("claimed %d deliveries when the lease had lapsed", len(got.Deliveries))
			}
		})
	}
}
