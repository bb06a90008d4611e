package forward

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// steppedQueue is a store whose wall clock is stepped. As the real ones do, it tells times
// without a reading of the monotonic clock, and after a step back it moves along what
// is due later.
type steppedQueue struct{ *fakeQueue }

func (q steppedQueue) Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error) {
	c, err := q.fakeQueue.Claim(ctx, r)
	if !c.Next.IsZero() {
		c.Next = c.Next.Add(q.behind()).Round(0)
	}
	return c, err
}

func (q steppedQueue) Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	s.NextAttemptAt = s.NextAttemptAt.Add(-q.behind())
	return q.fakeQueue.Settle(ctx, d, s)
}

func (q steppedQueue) behind() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.skew
}

func (q steppedQueue) step(by time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.skew -= by
	for _, e := range q.open {
		if by < 0 {
			e.d.NextAttemptAt = e.d.NextAttemptAt.Add(by)
		}
	}
}

// TestClockSteps: the store's clock is stepped while a retry waits. After a step forward the
// retry comes by the next look at the latest, after a step back when it was due. The
// store is asked no more often than without a step.
func TestClockSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, -time.Minute, -time.Hour, -24 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const wait = 20 * time.Minute
				q := steppedQueue{newFakeQueue()}
				sender := newStarts(answers(503))
				attempts := func() []time.Duration {
					synctest.Wait()
					sender.mu.Lock()
					defer sender.mu.Unlock()
					return slices.Clone(sender.at)
				}
				start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, Breaker: Breaker{Off: true},
					Retry: Retry{Strategy: Linear, Initial: wait, MaxDelay: wait, MaxAge: 1000 * time.Hour}})
				q.add(laneA, 0, nil)
				time.Sleep(time.Minute)
				q.step(step)
				due := max(wait-max(0, step), time.Minute)
				time.Sleep(due + pollInterval - time.Minute)
				if at := attempts(); len(at) != 2 || at[1] < due || at[1] > due+pollInterval {
					t.Fatalf("attempts after %v; want the second after %s, or a look later", at, due)
				}
				time.Sleep(wait - 2*pollInterval)
				if at := attempts(); len(at) != 2 {
					t.Errorf("attempts after %v; want no third yet", at)
				}
				time.Sleep(3 * pollInterval)
				if at := attempts(); len(at) != 3 {
					t.Errorf("attempts after %v; want a third", at)
				}
				passed := due + wait + 3*pollInterval
				if n, most := q.claimCount(), int(passed/pollInterval)+20; n > most {
					t.Errorf("%d claims within %s, want %d at most", n, passed, most)
				}
			})
		})
	}
}

// TestWaitsAreMonotonic: what a store tells by the wall clock is waited for by the time that
// passes. Otherwise a step while the pump sleeps would put its next claim off, or have it
// claim all the time.
func TestWaitsAreMonotonic(t *testing.T) {
	l := newLane(newFakeQueue(), Destination{Lane: laneA, Sender: answers(200)}, Options{}.withDefaults())
	defer l.cancel()
	wall := func(d time.Duration) time.Time { return time.Now().Add(d).Round(0) }
	check := func(what string, want time.Duration) {
		t.Helper()
		if got := time.Until(l.claimAt); got > want || got < want-time.Minute || !strings.Contains(l.claimAt.String(), "m=") {
			t.Errorf("after %s the next claim is at %s, in %s; want %s by the monotonic clock", what, l.claimAt, got, want)
		}
	}
	l.claimAt = time.Now().Add(24 * time.Hour)
	l.plan(retrystore.Claim{Next: wall(12 * time.Hour)}, take{slots: 1}, 0, &backoff{})
	check("a claim", 12*time.Hour)
	l.askAt(wall(2 * time.Hour))
	check("a retry", 2*time.Hour)
}
