package forward

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// curious is an Observer that asks, takes its time, and makes changes.
type curious struct {
	unobserved
	d    *Dispatcher
	busy atomic.Bool
	mu   sync.Mutex
	last map[retrystore.Lane]BreakerState
	t    *testing.T
}

func (c *curious) BreakerChanged(l retrystore.Lane, from, to BreakerState) {
	if c.busy.Swap(true) {
		c.t.Error("told of two changes at once")
	}
	defer c.busy.Store(false)
	time.Sleep(100 * time.Microsecond) // longer than a probe takes
	c.d.Breakers()
	c.d.wake(l)
	if slot, ok := c.d.reserve(l); ok {
		slot.cancel()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from.Failures = 0 // may have grown in the state
	if last, ok := c.last[l]; ok && last != from {
		c.t.Errorf("from %+v after %+v", from, last)
	}
	to.Failures = 0
	c.last[l] = to
}

// Flapping applications, a rate, a breaker that opens all the time, events both
// ways, in real time: nothing is lost, made twice or left waiting, no attempt
// starts while the breaker is open, and the changes are told in their order.
func TestControlsStress(t *testing.T) {
	q := newFakeQueue()
	seen := &curious{last: map[retrystore.Lane]BreakerState{}, t: t}
	var in gauge
	var calls, sent atomic.Int64
	var l *lane
	sender := senderFunc(func(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
		defer in.enter(d)()
		switch n := calls.Add(1); {
		case n%50 < 8:
			return Answer{Status: 500}, nil
		case n%50 == 20:
			time.Sleep(3 * time.Millisecond) // ends in another state
		}
		sent.Add(1)
		return Answer{Status: 200}, nil
	})
	const maxInFlight, writers, each = 8, 6, 500
	d, err := New(q, []Destination{{Lane: laneA, Sender: sender, MaxInFlight: maxInFlight, Rate: 20_000,
		Breaker: Breaker{Failures: 3, Recovery: time.Millisecond, Probes: 2},
		Retry:   Retry{Initial: time.Millisecond, MaxDelay: 5 * time.Millisecond, MaxAttempts: 1000}}}, Options{Observer: seen})
	if err != nil {
		t.Fatal(err)
	}
	seen.d, l = d, d.lanes[laneA]
	d.Start()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				accept(d, q, laneA)
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	all.Wait()
	for begin := time.Now(); q.count(laneA, retrystore.Delivered) < writers*each; time.Sleep(time.Millisecond) {
		if time.Since(begin) > pollInterval*3/4 {
			t.Errorf("%d of %d delivered", q.count(laneA, retrystore.Delivered), writers*each)
			break
		}
	}
	d.Stop(t.Context())
	if n := sent.Load(); n != writers*each {
		t.Errorf("%d deliveries succeeded %d times", writers*each, n)
	}
	if in.most > maxInFlight || l.taken != 0 || l.pace.held != 0 {
		t.Errorf("%d in flight at most; %d slots and %d tokens left taken", in.most, l.taken, l.pace.held)
	}
	if told, is := seen.last[laneA], d.Breakers()[laneA]; told.State != is.State || told.Since != is.Since {
		t.Errorf("told %+v at last, it is %+v", told, is)
	}
	t.Logf("%d attempts, %d changes, %d claims, %d releases", calls.Load(), l.breaker.generation, q.claimCount(), q.releases)
}
