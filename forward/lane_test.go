package forward

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// accept does what Accept does with an event of several targets: the short way if
// there is a slot, else it stores the event and wakes the pump.
func accept(d *Dispatcher, q *fakeQueue, l retrystore.Lane) (id string, direct bool) {
	slot, ok := d.reserve(l)
	if !ok {
		id = q.add(l, 0, nil).ID
		d.wake(l)
		return id, false
	}
	stored := q.add(l, slot.lane.lease, nil)
	slot.run(stored, nil)
	return stored.ID, true
}

// One destination hangs with a backlog; the other's deliveries take exactly as
// long as its application does.
func TestSlowDestinationHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		const service = 7 * time.Millisecond
		d := start(t, q, Options{},
			Destination{Lane: laneA, Sender: hangs(), MaxInFlight: 4},
			Destination{Lane: laneB, Sender: takes(service), MaxInFlight: 4})
		for range 1000 {
			q.add(laneA, 0, nil)
		}
		synctest.Wait()

		for i := range 200 {
			begin := time.Now()
			accept(d, q, laneA)
			id, _ := accept(d, q, laneB)
			if i%2 == 1 { // the long way is as quick
				id = q.add(laneB, 0, nil).ID
			}
			time.Sleep(service)
			synctest.Wait()
			e := q.get(id)
			if e.d.State != retrystore.Delivered {
				t.Fatalf("delivery %d is %s after %s", i, e.d.State, time.Since(begin))
			}
			if done := e.history[0].At.Add(e.history[0].Duration).Sub(begin); done != service {
				t.Fatalf("delivery %d took %s, want %s", i, done, service)
			}
		}
		if n := q.count(laneA, retrystore.Delivered); n != 0 {
			t.Errorf("%d delivered by the destination that hangs", n)
		}
	})
}

// Retries hang in every slot they may take; first attempts still flow, the
// short way and the long.
func TestFirstAttemptsDoNotWaitBehindRetries(t *testing.T) {
	for _, maxInFlight := range []int{2, 4, 32} {
		t.Run(fmt.Sprint(maxInFlight), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				var in gauge
				d := start(t, q, Options{}, Destination{Lane: laneA, MaxInFlight: maxInFlight, Sender: senderFunc(
					func(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
						defer in.enter(d)()
						if d.Attempts > 0 {
							<-ctx.Done()
							return Answer{}, ctx.Err()
						}
						return Answer{Status: 200}, nil
					})})
				for range 100 {
					q.add(laneA, 0, func(d *retrystore.Delivery) { d.Attempts = 1 })
				}
				synctest.Wait()
				share := max(1, maxInFlight*3/4)
				if in.retriesNow != share {
					t.Fatalf("%d retries in flight, want %d", in.retriesNow, share)
				}

				for i := range 100 {
					id, direct := accept(d, q, laneA)
					if !direct {
						t.Fatalf("event %d: no slot although only retries are in flight", i)
					}
					other := q.add(laneA, 0, nil).ID // as if another node had stored it
					synctest.Wait()
					for _, id := range []string{id, other} {
						if got := q.get(id).d.State; got != retrystore.Delivered {
							t.Fatalf("event %d is %s", i, got)
						}
					}
				}
				if in.retryMax > share || in.most > maxInFlight {
					t.Errorf("at most %d retries and %d in all were in flight", in.retryMax, in.most)
				}
				// The pump does not spin on the retries it may not take.
				before := q.claimCount()
				time.Sleep(10 * time.Second)
				if n := q.claimCount() - before; n > 15 {
					t.Errorf("%d claims in 10 s of waiting", n)
				}
			})
		})
	}
}

// A first attempt whose lease lapses while retries are held back is found.
func TestLapsedLeaseIsFoundBehindHeldBackRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		start(t, q, Options{}, Destination{Lane: laneA, MaxInFlight: 2, Timeout: time.Hour, Sender: senderFunc(
			func(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
				if d.Attempts > 0 {
					<-ctx.Done()
				}
				return Answer{Status: 200}, ctx.Err()
			})})
		lost := q.add(laneA, 5*time.Second, nil).ID // of a worker that died
		for range 3 {
			q.add(laneA, 0, func(d *retrystore.Delivery) { d.Attempts = 1 })
		}
		time.Sleep(5*time.Second + recheckMax)
		synctest.Wait()
		if got := q.get(lost).d.State; got != retrystore.Delivered {
			t.Errorf("%s", got)
		}
	})
}

// As soon as a retry's slot is free, the next one gets it.
func TestHeldBackRetriesFollowAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		start(t, q, Options{}, Destination{Lane: laneA, MaxInFlight: 4, Sender: takes(time.Second)})
		begin := time.Now()
		for range 9 { // three at once
			q.add(laneA, 0, func(d *retrystore.Delivery) { d.Attempts = 1 })
		}
		for time.Since(begin) < 3*time.Second {
			time.Sleep(time.Second)
			synctest.Wait()
			if got, want := q.count(laneA, retrystore.Delivered), 3*int(time.Since(begin)/time.Second); got != want {
				t.Errorf("after %s %d delivered, want %d", time.Since(begin), got, want)
			}
		}
	})
}

// A backlog goes first: newcomers are turned away until it is in flight, and
// then the lane returns to the short way.
func TestBacklogGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var in gauge
		sender := senderFunc(func(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
			defer in.enter(d)()
			return takes(time.Second).Send(ctx, d)
		})
		for range 40 { // from before the start
			q.add(laneA, 0, nil)
		}
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, MaxInFlight: 10})
		synctest.Wait()
		for range 3 {
			if _, ok := d.reserve(laneA); ok {
				t.Fatal("overtook the backlog")
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := q.count(laneA, retrystore.Delivered); n != 40 || in.most != 10 {
			t.Errorf("%d delivered in 4 s, at most %d at once", n, in.most)
		}
		if _, direct := accept(d, q, laneA); !direct {
			t.Error("the backlog is gone, and the short way is still closed")
		}
	})
}

// Newcomers that never leave a slot free do not starve what was stored.
func TestNewcomersDoNotStarveStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: takes(100 * time.Millisecond), MaxInFlight: 2})
		synctest.Wait()
		var id string
		for i := range 250 {
			for { // every free slot is taken at once
				slot, ok := d.reserve(laneA)
				if !ok {
					break
				}
				slot.run(q.add(laneA, slot.lane.lease, nil), nil)
			}
			if i == 10 {
				id = q.add(laneA, 0, nil).ID
			}
			time.Sleep(time.Millisecond)
		}
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("%s after 240 ms", got)
		}
	})
}

// A slot that becomes free belongs to what is stored, even if a newcomer is
// quicker than the pump.
func TestFreedSlotIsNotSnatched(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: hangs(), MaxInFlight: 1})
			synctest.Wait()
			slot, _ := d.reserve(laneA)
			id := q.add(laneA, 0, nil).ID
			synctest.Wait()
			slot.cancel()
			if _, ok := d.reserve(laneA); ok {
				t.Fatal("snatched")
			}
			synctest.Wait()
			if got := q.get(id).d.State; got != retrystore.Leased {
				t.Errorf("%s", got)
			}
		})
	}
}

// A retry that becomes due while another one ends, during a claim that may not
// take it yet, is claimed right after.
func TestRetrySlotFreedDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
			time.Sleep(5 * time.Millisecond)
			return nil
		}
		begin := time.Now()
		dueIn := func(wait time.Duration) func(*retrystore.Delivery) {
			return func(d *retrystore.Delivery) { d.Attempts, d.NextAttemptAt = 1, begin.Add(wait) }
		}
		q.add(laneA, 0, dueIn(0))
		second := q.add(laneA, 0, dueIn(10*time.Millisecond)).ID
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: takes(7 * time.Millisecond), MaxInFlight: 2})
		time.Sleep(time.Second)
		d.Stop(t.Context())
		// Claims: 0 to 5 ms, 10 to 15 (the first retry ends at 12), 15 to 20.
		if got := q.get(second).history[0].At.Sub(begin); got != 20*time.Millisecond {
			t.Errorf("started after %s", got)
		}
	})
}

// A lane whose claims are slow returns to the short way although events keep
// coming while the pump claims.
func TestShortWayComesBackUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
			time.Sleep(5 * time.Millisecond)
			return nil
		}
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: takes(time.Millisecond), MaxInFlight: 16})
		for range 200 {
			q.add(laneA, 0, nil)
		}
		direct := 0
		for i := range 2000 { // one a millisecond, a sixteenth of what the lane can take
			_, short := accept(d, q, laneA)
			if short && i >= 1000 {
				direct++
			}
			time.Sleep(time.Millisecond)
		}
		if direct < 990 {
			t.Errorf("%d of the last 1000 events took the short way", direct)
		}
	})
}

// Polling finds due deliveries of which this process is not told: another node's retry,
// and the lease of a node that died.
func TestPollFindsWhatNobodyTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
		synctest.Wait()
		id := q.add(laneA, 3*time.Second, nil).ID
		time.Sleep(pollInterval)
		synctest.Wait()
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("%s", got)
		}
		before := q.claimCount()
		time.Sleep(10 * pollInterval)
		if n := q.claimCount() - before; n < 9 || n > 11 {
			t.Errorf("%d claims in ten intervals of nothing", n)
		}
	})
}

// The store's clock is behind ours: what is due for us is not for it. The pump
// asks again soon, but does not spin.
func TestClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.skew = 3 * time.Second
		start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
		synctest.Wait()
		before := q.claimCount()
		id := q.add(laneA, 0, func(d *retrystore.Delivery) { d.NextAttemptAt = time.Now() }).ID
		time.Sleep(3*time.Second + recheckMax)
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("%s", got)
		}
		if n := q.claimCount() - before; n > 15 {
			t.Errorf("%d claims", n)
		}
	})
}

// Lost wake-ups: writers store an event each, wait for its delivery and store
// the next, so that the lane becomes full and empty all the time. Each event
// must be delivered without the help of the poll, and once.
func TestNoWakeUpIsLost(t *testing.T) {
	for _, maxInFlight := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(maxInFlight), func(t *testing.T) {
			q := newFakeQueue()
			const writers, each = 10, 1000
			var (
				sent [writers]chan struct{}
				in   gauge
			)
			for i := range sent {
				sent[i] = make(chan struct{}, 2)
			}
			d := start(t, q, Options{Rand: rand.Float64}, Destination{Lane: laneA, MaxInFlight: maxInFlight, Sender: senderFunc(
				func(_ context.Context, d *retrystore.Delivery) (Answer, error) {
					defer in.enter(d)()
					sent[d.Priority] <- struct{}{}
					return Answer{Status: 200}, nil
				})})
			var direct atomic.Int64
			var all sync.WaitGroup
			for i := range sent {
				all.Go(func() {
					mark := func(d *retrystore.Delivery) { d.Priority = i }
					for range each {
						if slot, ok := d.reserve(laneA); ok {
							direct.Add(1)
							slot.run(q.add(laneA, slot.lane.lease, mark), nil)
						} else {
							q.add(laneA, 0, mark)
							d.wake(laneA)
						}
						select {
						case <-sent[i]:
						case <-time.After(pollInterval / 2):
							t.Error("an event was not delivered")
							return
						}
					}
				})
			}
			all.Wait()
			d.Stop(t.Context())
			if n := q.count(laneA, retrystore.Delivered); n != writers*each && !t.Failed() {
				t.Errorf("%d of %d delivered", n, writers*each)
			}
			for i := range sent {
				if len(sent[i]) > 0 {
					t.Errorf("an event of writer %d was delivered twice", i)
				}
			}
			if in.most > maxInFlight {
				t.Errorf("%d in flight, want at most %d", in.most, maxInFlight)
			}
			t.Logf("%d of %d took the short way, %d claims", direct.Load(), writers*each, q.claimCount())
		})
	}
}
