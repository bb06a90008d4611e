package forward

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// acceptSoon accepts an event of one target, which can wait a moment for a slot.
func acceptSoon(d *Dispatcher) (direct bool) {
	receipt, err := d.Accept(context.Background(), submit(laneA), nil)
	return err == nil && receipt.Deliveries[0].State == retrystore.Leased
}

// Newcomers get the slots that become free in the order in which they came.
func TestNewcomersWaitTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: takes(10 * time.Millisecond), MaxInFlight: 1})
		synctest.Wait()
		acceptSoon(d)
		time.Sleep(20 * time.Millisecond) // from here on it is known how long attempts take
		begin := time.Now()
		got := make([]time.Duration, 4)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				if !acceptSoon(d) {
					t.Errorf("newcomer %d got no slot", i)
				}
				got[i] = time.Since(begin)
			})
			synctest.Wait()
		}
		all.Wait()
		for i, after := range got {
			if want := time.Duration(i) * 10 * time.Millisecond; after != want {
				t.Errorf("newcomer %d got its slot after %s, want %s", i, after, want)
			}
		}
	})
}

// If no slot will be free soon, newcomers do not wait.
func TestNobodyWaitsInVain(t *testing.T) {
	const short, long = 10 * time.Millisecond, 60 * time.Millisecond
	for name, c := range map[string]struct {
		took     time.Duration // the attempts before
		rate     float64
		overflow int  // events in the store
		stopped  bool // the dispatcher
	}{
		"nothing is known":       {},
		"attempts take long":     {took: long},
		"a rate holds them":      {took: short, rate: 1000},
		"many are before":        {took: short, overflow: 100},
		"the dispatcher stopped": {took: short, stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := start(t, newFakeQueue(), Options{}, Destination{Lane: laneA, Sender: hangs(), MaxInFlight: 2, Rate: c.rate, Timeout: time.Hour})
				synctest.Wait()
				for range 2 {
					slot, ok := d.reserveSoon(laneA)
					if !ok {
						t.Fatal("no slot")
					}
					defer slot.cancel()
				}
				l := d.lanes[laneA]
				l.mu.Lock()
				l.turns.attempt, l.turns.overflow = c.took, c.overflow
				l.mu.Unlock()
				if c.stopped {
					l.stop()
				}
				begin := time.Now()
				if _, ok := d.reserveSoon(laneA); ok || time.Since(begin) != 0 {
					t.Errorf("slot %t after %s, want none at once", ok, time.Since(begin))
				}
			})
		})
	}
}

// The wait has an end, also when attempts suddenly take longer than ever; and it
// ends at once when the dispatcher stops. Who left gets no slot any more.
func TestWaitEnds(t *testing.T) {
	for _, stop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := start(t, newFakeQueue(), Options{}, Destination{Lane: laneA, Sender: hangs(), MaxInFlight: 1, Timeout: time.Hour})
			synctest.Wait()
			l := d.lanes[laneA]
			l.mu.Lock()
			l.turns.attempt = time.Millisecond
			l.mu.Unlock()
			slot, _ := d.reserveSoon(laneA)
			want := patience
			if stop {
				want = patience / 2
				time.AfterFunc(want, l.stop)
			}
			begin := time.Now()
			if _, ok := d.reserveSoon(laneA); ok || time.Since(begin) != want {
				t.Errorf("slot %t after %s, want none after %s", ok, time.Since(begin), want)
			}
			slot.cancel()
			if l.taken != 0 || len(l.turns.waiting) != 0 {
				t.Errorf("%d slots are taken, %d newcomers wait", l.taken, len(l.turns.waiting))
			}
		})
	}
}

// More connections than the application can serve, which never pause: all events
// take the short way, even beside some that were stored before and when the pump
// polls, every ten seconds.
func TestOverloadTakesTheShortWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: takes(5 * time.Millisecond), MaxInFlight: 8})
		synctest.Wait()
		acceptSoon(d)
		time.Sleep(10 * time.Millisecond) // from here on it is known how long attempts take
		for range 10 {
			q.add(laneA, 0, nil)
		}
		var direct, stored atomic.Int64
		begin := time.Now()
		var all sync.WaitGroup
		for range 24 {
			all.Go(func() {
				for time.Since(begin) < pollInterval+time.Second {
					time.Sleep(time.Millisecond) // a webhook on its way
					if acceptSoon(d) {
						direct.Add(1)
					} else {
						stored.Add(1)
					}
				}
			})
		}
		all.Wait()
		could := int64((pollInterval + time.Second) / (5 * time.Millisecond) * 8)
		if stored.Load() != 0 || direct.Load() < could*9/10 {
			t.Errorf("%d events went the short way and %d the long, want 0 and nearly %d", direct.Load(), stored.Load(), could)
		}
	})
}

// Newcomers that wait, leave and are served, with retries and a pump between
// them, in real time: no slot is lost or given twice.
func TestTurnsStress(t *testing.T) {
	q := newFakeQueue()
	var in gauge
	var served atomic.Int64
	const maxInFlight, writers, each = 4, 32, 100
	sender := senderFunc(func(_ context.Context, d *retrystore.Delivery) (Answer, error) {
		defer in.enter(d)()
		if served.Add(1)%20 == 0 {
			return Answer{Status: 429}, nil // tried again, and nothing for the breaker
		}
		time.Sleep(100 * time.Microsecond)
		return Answer{Status: 200}, nil
	})
	d, err := New(q, []Destination{{Lane: laneA, Sender: sender, MaxInFlight: maxInFlight,
		Retry: Retry{Initial: time.Millisecond, MaxDelay: 5 * time.Millisecond, MaxAttempts: 1000}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := range each {
				if i%10 == 0 {
					if slot, ok := d.reserveSoon(laneA); ok {
						slot.cancel()
					}
				}
				acceptSoon(d)
			}
		})
	}
	all.Wait()
	for begin := time.Now(); q.count(laneA, retrystore.Delivered) < writers*each; time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%d of %d delivered", q.count(laneA, retrystore.Delivered), writers*each)
		}
	}
	d.Stop(t.Context())
	lane := d.lanes[laneA]
	if in.most > maxInFlight || lane.taken != 0 || len(lane.turns.waiting) != 0 {
		t.Errorf("%d in flight at most; %d slots taken and %d newcomers waiting at the end", in.most, lane.taken, len(lane.turns.waiting))
	}
}
