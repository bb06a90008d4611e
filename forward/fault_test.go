package forward

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var errAway = fmt.Errorf("%w: connection refused", retrystore.ErrUnavailable)

// The store is away for a while: the pump asks patiently, says so once, and
// carries on afterwards.
func TestClaimFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var away atomic.Bool
		away.Store(true)
		q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
			if away.Load() {
				return errAway
			}
			return nil
		}
		logger, logs := logged()
		d := start(t, q, Options{Logger: logger}, Destination{Lane: laneA, Sender: answers(200), MaxInFlight: 1})
		id := q.add(laneA, 0, nil).ID
		for range 120 {
			time.Sleep(time.Second)
			d.wake(laneA) // must not hurry it
		}
		synctest.Wait()
		q.mu.Lock()
		claims := q.claims
		q.mu.Unlock()
		for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			if got := claims[i+1].Sub(claims[i]); got != want*time.Millisecond {
				t.Errorf("wait %d is %s, want %s", i, got, want*time.Millisecond)
			}
		}
		if n := len(logs.FilterMessageSnippet("cannot claim").All()); n != 1 {
			t.Errorf("said so %d times", n)
		}
		away.Store(false)
		time.Sleep(outageMax)
		synctest.Wait()
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("%s after the store came back", got)
		}
		if n := len(logs.FilterMessageSnippet("claiming deliveries again").All()); n != 1 {
			t.Errorf("said %d times that it is back", n)
		}
	})
}

// A claim that hangs is given up in time to leave others their leases.
func TestClaimHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.onClaim = func(ctx context.Context, _ retrystore.ClaimRequest) error {
			<-ctx.Done()
			return ctx.Err()
		}
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
		time.Sleep(time.Minute)
		if n := q.claimCount(); n < 5 {
			t.Errorf("%d claims in a minute", n)
		}
		if _, direct := accept(d, q, laneA); !direct {
			t.Error("a pump that hangs takes every slot")
		}
	})
}

// The outcome is told again and again while the lease lasts; nothing is sent twice.
func TestSettleFailsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newFakeQueue(), newRecorder()
		var calls, sends atomic.Int64
		q.onSettle = func(*retrystore.Delivery, retrystore.Settlement) error {
			if calls.Add(1) <= 4 {
				return errAway
			}
			return nil
		}
		d := start(t, q, Options{Observer: seen}, Destination{Lane: laneA, MaxInFlight: 1, Sender: senderFunc(
			func(context.Context, *retrystore.Delivery) (Answer, error) {
				sends.Add(1)
				return Answer{Status: 200}, nil
			})})
		synctest.Wait()
		id, _ := accept(d, q, laneA)
		synctest.Wait()
		if _, ok := d.reserve(laneA); ok {
			t.Error("the slot is free before the outcome is told")
		}
		time.Sleep(1500 * time.Millisecond) // 100+200+400+800 ms
		synctest.Wait()
		if got := q.get(id).d.State; got != retrystore.Delivered || sends.Load() != 1 {
			t.Errorf("%s after %d sends", got, sends.Load())
		}
		if seen.attempted["delivered"] != 1 || seen.settled["delivered"] != 1 {
			t.Errorf("observed %+v", seen)
		}
		if slot, ok := d.reserve(laneA); !ok {
			t.Error("the slot is not free afterwards")
		} else {
			slot.cancel()
		}
	})
}

// When the store stays away until the lease lapses, the delivery is made again
// then, not lost.
func TestSettleFailsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		back := time.Now().Add(50 * time.Second)
		q.onSettle = func(*retrystore.Delivery, retrystore.Settlement) error {
			if time.Now().Before(back) {
				return errAway
			}
			return nil
		}
		var sends atomic.Int64
		const timeout = 27 * time.Second // so that no poll coincides with the lease's end
		d := start(t, q, Options{}, Destination{Lane: laneA, Timeout: timeout, Sender: senderFunc(
			func(context.Context, *retrystore.Delivery) (Answer, error) {
				sends.Add(1)
				return Answer{Status: 200}, nil
			})})
		synctest.Wait()
		id, _ := accept(d, q, laneA)
		time.Sleep(timeout + leaseMargin - time.Millisecond)
		if sends.Load() != 1 {
			t.Errorf("%d sends while the lease lasts", sends.Load())
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if sends.Load() != 2 {
			t.Errorf("%d sends once the lease lapsed", sends.Load())
		}
		time.Sleep(time.Minute)
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("%s", got)
		}
	})
}

func TestSettleIsRefused(t *testing.T) {
	for _, refusal := range []error{retrystore.ErrLeaseLost, retrystore.ErrNotFound, retrystore.ErrClosed} {
		t.Run(refusal.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, seen := newFakeQueue(), newRecorder()
				var calls atomic.Int64
				q.onSettle = func(*retrystore.Delivery, retrystore.Settlement) error {
					calls.Add(1)
					return fmt.Errorf("settle: %w", refusal)
				}
				logger, logs := logged()
				d := start(t, q, Options{Observer: seen, Logger: logger}, Destination{Lane: laneA, Sender: answers(200)})
				synctest.Wait()
				accept(d, q, laneA)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if calls.Load() != 1 {
					t.Errorf("told %d times", calls.Load())
				}
				lost := 1
				if errors.Is(refusal, retrystore.ErrClosed) {
					lost = 0
				}
				if seen.lost != lost || len(seen.settled) != 0 {
					t.Errorf("observed %+v", seen)
				}
				if logs.FilterField(zapDeliveryID("a-2")).Len() != 1 {
					t.Errorf("logged %v", logs.All())
				}
			})
		})
	}
}

// A lease that another worker took over meanwhile is not settled twice.
func TestLeaseLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newFakeQueue(), newRecorder()
		d := start(t, q, Options{Observer: seen}, Destination{Lane: laneA, Sender: takes(time.Second)})
		synctest.Wait()
		id, _ := accept(d, q, laneA)
		q.mu.Lock()
		q.entries[id].d.Lease.Token = 4711
		q.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if seen.lost != 1 || q.get(id).d.State != retrystore.Leased {
			t.Errorf("observed %+v, delivery %+v", seen, q.get(id))
		}
	})
}
