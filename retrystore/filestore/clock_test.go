package filestore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// stepped is a clock whose wall time can be stepped, while the time that passes
// goes on as it was.
type stepped struct{ *faketime.Clock }

// step moves the wall clock only: what the store counts time from moves along.
func (c stepped) step(s *Store, d time.Duration) {
	c.Move(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = s.opened.Add(d)
}

func openStepped(t *testing.T) (stepped, *Store) {
	t.Helper()
	clock := stepped{faketime.At(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))}
	s, err := Open(filepath.Join(t.TempDir(), "deliveries.db"), Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return clock, s
}

// steps are those that suspend, NTP, a restored machine and people bring about.
var steps = []time.Duration{time.Minute, time.Hour, 24 * time.Hour, -time.Minute, -time.Hour, -24 * time.Hour}

// TestStepWhileARetryWaits: a step forward has the retry come early, once, and a step back
// changes nothing. Until then, and after, nothing is due.
func TestStepWhileARetryWaits(t *testing.T) {
	const wait, lease = 20 * time.Minute, 40 * time.Second
	for _, step := range steps {
		t.Run(step.String(), func(t *testing.T) {
			clock, s := openStepped(t)
			lane := retrystore.Lane{Endpoint: "e", Destination: "d"}
			claim := func() retrystore.Claim {
				t.Helper()
				c, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: lane, Max: 9, MaxRetries: 9, Lease: lease})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			retry := func(d *retrystore.Delivery) {
				t.Helper()
				if err := s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: clock.Now().Add(wait)}); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Accept(t.Context(), &retrystore.Submission{
				Event: &retrystore.Event{Endpoint: "e", ReceivedAt: clock.Now()}, Targets: []retrystore.Target{{Destination: "d"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			retry(claim().Deliveries[0])
			clock.Move(time.Minute)
			if c := claim(); len(c.Deliveries) > 0 || c.Next.Sub(clock.Now()) != wait-time.Minute {
				t.Fatalf("before the step: %d deliveries, next in %s", len(c.Deliveries), c.Next.Sub(clock.Now()))
			}
			clock.step(s, step)
			// A dispatcher asks when Next says, and every 10 s.
			claims, due := 0, wait-time.Minute-max(0, step)
			var got retrystore.Claim
			for passed := time.Duration(0); ; claims++ {
				if got = claim(); len(got.Deliveries) > 0 {
					if late := passed - due; passed > 0 && (late < 0 || late > time.Second) {
						t.Errorf("the retry comes %s after it is due", late)
					}
					break
				}
				pause := min(got.Next.Sub(clock.Now()), 10*time.Second)
				if got.Next.IsZero() || pause <= 0 || passed > due {
					t.Fatalf("after %s nothing is due, next in %s", passed, got.Next.Sub(clock.Now()))
				}
				clock.Move(pause)
				passed += pause
			}
			if claims > 120 {
				t.Errorf("%d claims until it came", claims)
			}
			retry(got.Deliveries[0])
			if c := claim(); len(c.Deliveries) > 0 || c.Next.Sub(clock.Now()) != wait {
				t.Errorf("after the retry: %d deliveries, next in %s, want %s", len(c.Deliveries), c.Next.Sub(clock.Now()), wait)
			}
		})
	}
}

// TestKeysUnderSteps: event keys end by the wall clock. A step forward has them end early by
// as much, one back late by as much, and a hold lasts as long as it was asked for.
func TestKeysUnderSteps(t *testing.T) {
	const ttl = 24 * time.Hour
	for _, step := range steps {
		t.Run(step.String(), func(t *testing.T) {
			clock, s := openStepped(t)
			key, held := retrystore.Key{1}, retrystore.Key{2}
			duplicate := func() bool {
				t.Helper()
				h, err := s.HoldKey(t.Context(), key, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if h.State == retrystore.HoldGranted {
					_ = s.ReleaseKey(t.Context(), h)
				}
				return h.State == retrystore.HoldCommitted
			}
			h, err := s.HoldKey(t.Context(), key, time.Minute)
			if err == nil {
				err = s.CommitKey(t.Context(), h, ttl)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.HoldKey(t.Context(), held, time.Minute); err != nil {
				t.Fatal(err)
			}
			clock.step(s, step)
			clock.Move(30 * time.Second)
			if h, err := s.HoldKey(t.Context(), held, time.Minute); err != nil || h.State != retrystore.HoldTaken || h.Until.Sub(clock.Now()) != 30*time.Second {
				t.Errorf("half a minute after the step the hold is %+v, %v; want it to last as long again", h, err)
			}
			clock.Move(31 * time.Second)
			if h, err := s.HoldKey(t.Context(), held, time.Minute); err != nil || h.State != retrystore.HoldGranted {
				t.Errorf("the hold of a minute is %+v, %v after a minute", h, err)
			}
			if left := ttl - step - 2*time.Minute; left > 0 {
				clock.Move(left)
				if !duplicate() {
					t.Error("shortly before its end the key is not remembered")
				}
			}
			clock.Move(3 * time.Minute)
			if duplicate() {
				t.Error("the key outlives its time and the step")
			}
		})
	}
}

// TestClockSteps has the wall clock stepped while a retry waits and a lease lasts:
// both come when they should, and Next says when.
func TestClockSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{
		"forward": time.Hour, "back": -time.Hour, "a minute forward": time.Minute, "a minute back": -time.Minute,
		"a day forward": 24 * time.Hour, "a day back": -24 * time.Hour, "a little forward": 100 * time.Millisecond, "a little back": -100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			clock, s := openStepped(t)
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
			clock.Move(20*time.Second + 200*time.Millisecond)
			if got := claim(); len(got.Deliveries) != 1 || got.Deliveries[0].ID != first[0].ID {
				t.Errorf("claimed %d deliveries when the retry was due, next in %s", len(got.Deliveries), got.Next.Sub(clock.Now()))
			}
			clock.Move(20 * time.Second)
			if got := claim(); len(got.Deliveries) != 1 || got.Deliveries[0].ID != first[1].ID {
				t.Errorf("claimed %d deliveries when the lease had lapsed", len(got.Deliveries))
			}
		})
	}
}
