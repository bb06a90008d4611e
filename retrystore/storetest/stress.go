package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var stressTests = map[string]func(*suite){"Stress": testStress}

// holders knows which deliveries are held, and which are done.
type holders struct {
	mu   sync.Mutex
	held map[string]bool
	done map[string]bool
}

// take notes that d was leased to the caller.
func (h *holders) take(d *retrystore.Delivery) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[d.ID] || h.done[d.ID] {
		return fmt.Errorf("delivery %s was leased to a second worker, or after it was delivered", d.ID)
	}
	h.held[d.ID] = true
	return nil
}

// drop notes that the caller is about to give d back.
func (h *holders) drop(d *retrystore.Delivery, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, d.ID)
	if done {
		h.done[d.ID] = true
	}
}

func (h *holders) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.done)
}

// testStress does everything at once until all events are delivered. No lease
// lapses, so two workers may never hold the same delivery.
func testStress(x *suite) {
	const producers, consumers, each = 4, 4, 100
	h := &holders{held: make(map[string]bool), done: make(map[string]bool)}
	var wg sync.WaitGroup
	var failed atomic.Bool
	fail := func(err error) bool {
		if err != nil {
			x.Error(err)
			failed.Store(true)
		}
		return err != nil
	}
	// settle ends the lease of d in one of many ways.
	settle := func(d *retrystore.Delivery) error {
		switch rand.IntN(8) {
		case 0:
			h.drop(d, false)
			return x.store.Release(x.Context(), d)
		case 1:
			if err := x.store.Renew(x.Context(), d, 10*x.Unit); err != nil {
				return err
			}
			fallthrough
		case 2, 3:
			h.drop(d, false)
			return x.store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: x.Now(), Attempt: retrystore.Attempt{Status: 500}})
		case 4:
			h.drop(d, false)
			return x.store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Dead, Reason: "test"})
		default:
			h.drop(d, true)
			return x.store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Delivered})
		}
	}
	for p := range producers {
		e := x.event()
		wg.Go(func() {
			for i := range each {
				r, err := x.store.Accept(x.Context(), &retrystore.Submission{
					Key: key(fmt.Sprint(p, "-", i)), KeyTTL: 100 * x.Unit, Event: e,
					Targets: []retrystore.Target{x.target(lane.Destination, float64(i%2)*10), x.target("audit", 0)},
				})
				if fail(err) {
					return
				}
				if d := r.Deliveries[0]; d.State == retrystore.Leased && (fail(h.take(d)) || fail(settle(d))) {
					return
				}
			}
		})
	}
	const total = producers * each * 2
	for c := range consumers {
		l := lane
		if c%2 == 0 {
			l.Destination = "audit"
		}
		wg.Go(func() {
			for h.count() < total && !failed.Load() {
				claim, err := x.store.Claim(x.Context(), retrystore.ClaimRequest{Lane: l, Max: 5, MaxRetries: 1 + rand.IntN(5), Lease: 10 * x.Unit})
				if fail(err) {
					return
				}
				for _, d := range claim.Deliveries {
					if fail(h.take(d)) || fail(settle(d)) {
						return
					}
				}
			}
		})
	}
	wg.Go(func() { // somebody looks, and replays what is dead
		for h.count() < total && !failed.Load() {
			p, err := x.store.List(x.Context(), retrystore.Filter{States: []retrystore.State{retrystore.Dead}}, "", 10)
			if fail(err) {
				return
			}
			for _, d := range p.Deliveries {
				if err := x.store.Replay(x.Context(), d.ID); err != nil && !errors.Is(err, retrystore.ErrState) && !errors.Is(err, retrystore.ErrNotFound) {
					fail(err)
				}
			}
			if _, err := x.store.Stats(x.Context()); fail(err) {
				return
			}
		}
	})
	wg.Wait()
	if all := x.all(retrystore.Filter{}, 1000); len(all) > 0 && !failed.Load() {
		x.Errorf("%d deliveries are left after all were delivered", len(all))
	}
	if s := x.stats(lane); s.Pending+s.Leased+s.Dead > 0 {
		x.Errorf("stats of an empty lane: %+v", s)
	}
}
