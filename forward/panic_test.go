package forward

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// panicky is an Observer that panics whatever it is told.
type panicky struct{}

func (panicky) Attempted(*retrystore.Delivery, retrystore.Settlement) { panic("attempted") }
func (panicky) Settled(*retrystore.Delivery, retrystore.Settlement)   { panic("settled") }
func (panicky) LeaseLost(*retrystore.Delivery)                        { panic("lost") }
func (panicky) BreakerChanged(_ retrystore.Lane, _, _ BreakerState)   { panic("breaker") }

func TestPanickingObserverHarmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var sends atomic.Int64
		start(t, q, Options{Observer: panicky{}}, Destination{Lane: laneA, MaxInFlight: 1, Breaker: Breaker{Failures: 1, Probes: 1}, Sender: senderFunc(
			func(context.Context, *retrystore.Delivery) (Answer, error) {
				if sends.Add(1) == 1 {
					return Answer{Status: 500}, nil
				}
				return Answer{Status: 200}, nil
			})})
		var ids []string
		for range 3 {
			ids = append(ids, q.add(laneA, 0, nil).ID)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for _, id := range ids {
			if got := q.get(id).d.State; got != retrystore.Delivered {
				t.Errorf("delivery %s is %s", id, got)
			}
		}
	})
}

// A store that panics is a store that fails: no slot is lost, and the process lives.
func TestPanickingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var claims, settles atomic.Int64
		q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
			if claims.Add(1) <= 3 {
				panic("claim")
			}
			return nil
		}
		q.onSettle = func(*retrystore.Delivery, retrystore.Settlement) error {
			if settles.Add(1) <= 3 {
				panic("settle")
			}
			return nil
		}
		before := safe.Panics()
		d := start(t, q, Options{}, Destination{Lane: laneA, MaxInFlight: 1, Sender: answers(200)})
		id := q.add(laneA, 0, nil).ID
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("delivery is %s", got)
		}
		after := safe.Panics()
		for _, place := range []string{"dispatcher: claim", "dispatcher: store"} {
			if n := after[place] - before[place]; n != 3 {
				t.Errorf("%s: counted %d panics", place, n)
			}
		}
		slot, ok := d.reserve(laneA)
		if !ok {
			t.Fatal("the slot is lost")
		}
		slot.cancel()
	})
}

// TestPanickingClassification has our own code panic around an attempt: the slot is
// free again, and the delivery is retried when its lease lapses.
func TestPanickingClassification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var draws, sends atomic.Int64
		random := func() float64 {
			if draws.Add(1) == 1 {
				panic("jitter")
			}
			return 0.5
		}
		d := start(t, q, Options{Rand: random}, Destination{Lane: laneA, MaxInFlight: 1, Sender: senderFunc(
			func(context.Context, *retrystore.Delivery) (Answer, error) {
				if sends.Add(1) < 3 {
					return Answer{Status: 503}, nil
				}
				return Answer{Status: 200}, nil
			})})
		id := q.add(laneA, 0, nil).ID
		time.Sleep(time.Second)
		synctest.Wait()
		if slot, ok := d.reserve(laneA); !ok {
			t.Error("the slot is lost")
		} else {
			slot.cancel()
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := q.get(id).d.State; got != retrystore.Delivered {
			t.Errorf("delivery is %s after %d attempts", got, sends.Load())
		}
	})
}
