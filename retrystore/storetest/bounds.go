package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var boundTests = map[string]func(*suite){
	"MaxPending":            testMaxPending,
	"MaxPendingAtOnce":      testMaxPendingAtOnce,
	"MaxPendingOfSiblings":  testMaxPendingOfSiblings,
	"FullDiesForItself":     testFullDiesForItself,
	"AcceptDeadTakesNoRoom": testAcceptDeadTakesNoRoom,
}

// siblings submits an event to a destination that may be full and to others.
func (x *suite) siblings(number, bound int, destinations ...retrystore.Target) (retrystore.Receipt, error) {
	return x.store.Accept(x.Context(), &retrystore.Submission{
		Key: key(fmt.Sprint("sibling", number)), KeyTTL: 100 * x.Unit, Event: x.event(), Targets: destinations, MaxPending: bound,
	})
}

// testMaxPendingOfSiblings is an application that is down for longer than its queue
// lasts: the one beside it is served.
func testMaxPendingOfSiblings(x *suite) {
	bound := 3 * max(1, x.PendingParts)
	down := retrystore.Lane{Endpoint: "shop", Destination: "down"}
	for i := range 10 * bound {
		r, err := x.siblings(i, bound, x.target("down", 0), x.target("app", 10))
		x.check(err)
		x.delivered(r.Deliveries[1])
		if d := r.Deliveries[0]; (d.State != retrystore.Dead || d.Reason != retrystore.ReasonFull) && d.State != retrystore.Pending {
			x.Fatalf("delivery %d is %s, %q", i, d.State, d.Reason)
		}
	}
	s := x.stats(down)
	if s.Pending == 0 || s.Pending > bound || s.Pending+s.Dead != 10*bound {
		x.Fatalf("lane %+v: want up to %d pending, and all %d", s, bound, 10*bound)
	}
	if s.Pending < bound && x.PendingParts <= 1 {
		x.Errorf("%d pending, want %d", s.Pending, bound)
	}
	x.reopen()
	if again := x.stats(down); again != s {
		x.Errorf("opened again: %+v, want %+v", again, s)
	}
}

// testFullDiesForItself follows what had no room: it is a dead letter like another,
// which leaves when it is replayed, and takes room then.
func testFullDiesForItself(x *suite) {
	accept := func(number int, want ...retrystore.State) retrystore.Receipt {
		x.Helper()
		var targets []retrystore.Target
		for i, destination := range []string{"down", "app"} {
			targets = append(targets, x.target(destination, float64(10*i)))
		}
		r, err := x.store.Accept(x.Context(), &retrystore.Submission{
			Key: key("one part"), KeyTTL: x.Unit, Event: x.event(), Targets: targets, MaxPending: 1,
		})
		x.check(err)
		x.advance(2) // the key is for the part only
		for i, d := range r.Deliveries {
			if d.State != want[i] || (d.Lease != retrystore.Lease{}) != (want[i] == retrystore.Leased) {
				x.Fatalf("event %d, delivery %d: %+v, want %s", number, i, d, want[i])
			}
		}
		return r
	}
	first := accept(1, retrystore.Pending, retrystore.Leased)
	x.delivered(first.Deliveries[1])
	second := accept(2, retrystore.Dead, retrystore.Leased)
	x.delivered(second.Deliveries[1])
	dead := second.Deliveries[0]
	got := x.wantState(dead.ID, retrystore.Dead)
	if got.Reason != retrystore.ReasonFull || got.Attempts != 0 || len(got.History) != 0 {
		x.Errorf("%+v, want a dead letter %s", got, retrystore.ReasonFull)
	}
	x.claimOnly(first.Deliveries[0]) // and not the dead one
	x.check(x.store.Replay(x.Context(), dead.ID))
	x.wantState(dead.ID, retrystore.Pending)
	x.delivered(x.claimOnly(dead))
	x.wantGone(dead.ID)
}

func testAcceptDeadTakesNoRoom(x *suite) {
	dead := retrystore.Target{Destination: "app", Dead: "type_unknown"}
	accept := func(targets ...retrystore.Target) error {
		_, err := x.store.Accept(x.Context(), &retrystore.Submission{
			Key: key("one part"), KeyTTL: x.Unit, Event: x.event(), Targets: targets, MaxPending: 1,
		})
		x.advance(2) // the key is for the part only
		return err
	}
	x.check(accept(x.target("audit", 0), dead))
	x.check(accept(dead))                                             // full, but for those that wait
	x.wantErr(accept(x.target("audit", 0), dead), retrystore.ErrFull) // the dead one is no room
	if s := x.stats(retrystore.Lane{Endpoint: "shop", Destination: "app"}); s.Dead != 2 || s.Pending != 0 {
		x.Errorf("lane %+v, want 2 dead", s)
	}
}

func testMaxPending(x *suite) {
	if x.PendingParts > 1 {
		testMaxPendingInParts(x)
		return
	}
	bounded := func(name string, e *retrystore.Event, targets ...retrystore.Target) (retrystore.Receipt, error) {
		return x.store.Accept(x.Context(), &retrystore.Submission{
			Key: key(name), KeyTTL: 100 * x.Unit, Event: e, Targets: targets, MaxPending: 3,
		})
	}
	one, err := bounded("1", x.event(), x.target("app", 0))
	x.check(err)
	two, err := bounded("2", x.event(), x.target("app", 10))
	x.check(err)
	_, err = bounded("3", x.event(), x.target("app", 0), x.target("audit", 0))
	x.check(err)
	_, err = bounded("4", x.event(), x.target("app", 0))
	x.wantErr(err, retrystore.ErrFull)

	// Full is for new events of this destination only.
	if r, err := bounded("1", x.event(), x.target("app", 0)); err != nil || !r.Duplicate {
		x.Fatalf("duplicate in a full store: %+v, %v", r, err)
	}
	other := x.event()
	other.Endpoint = "other"
	_, err = bounded("5", other, x.target("app", 0))
	x.check(err)
	_, err = bounded("another destination", x.event(), x.target("audit", 0))
	x.check(err)

	// Dead, delivered and deleted ones make room.
	x.kill(two.Deliveries[0])
	_, err = bounded("6", x.event(), x.target("app", 0))
	x.check(err)
	_, err = bounded("7", x.event(), x.target("app", 0))
	x.wantErr(err, retrystore.ErrFull)
	x.check(x.store.Delete(x.Context(), one.Deliveries[0].ID))
	r, err := bounded("7", x.event(), x.target("app", 10))
	x.check(err)
	_, err = bounded("8", x.event(), x.target("app", 0))
	x.wantErr(err, retrystore.ErrFull)
	x.delivered(r.Deliveries[0])
	_, err = bounded("8", x.event(), x.target("app", 0))
	x.check(err)
}

// testMaxPendingInParts fills all parts: none holds more than its share, and
// each is full for new events only.
func testMaxPendingInParts(x *suite) {
	bound := 3 * x.PendingParts
	submit := func(i int) (retrystore.Receipt, error) {
		return x.store.Accept(x.Context(), &retrystore.Submission{
			Key: key(fmt.Sprint(i)), KeyTTL: 100 * x.Unit, Event: x.event(),
			Targets: []retrystore.Target{x.target("app", 10)}, MaxPending: bound,
		})
	}
	stored := make(map[int]*retrystore.Delivery)
	for i := range 20 * bound {
		r, err := submit(i)
		if err == nil {
			stored[i] = r.Deliveries[0]
			continue
		}
		x.wantErr(err, retrystore.ErrFull)
	}
	if len(stored) != bound {
		x.Fatalf("%d stored, want %d", len(stored), bound)
	}
	for i, d := range stored {
		if r, err := submit(i); err != nil || !r.Duplicate {
			x.Fatalf("duplicate in a full store: %+v, %v", r, err)
		}
		x.delivered(d)
	}
	for i := range stored { // new events with the keys' parts, which have room again
		if r, err := submit(20*bound + i); err != nil && !errors.Is(err, retrystore.ErrFull) {
			x.Fatalf("after all were delivered: %+v, %v", r, err)
		}
	}
	if n := x.stats(lane).Leased; n == 0 || n > bound {
		x.Errorf("%d stored after all were delivered, want some and no more than %d", n, bound)
	}
}

func testMaxPendingAtOnce(x *suite) {
	const bound = 10
	var mu sync.Mutex
	accepted := 0
	var wg sync.WaitGroup
	for range 4 * bound {
		sub := &retrystore.Submission{Event: x.event(), Targets: []retrystore.Target{x.target("app", 0)}, MaxPending: bound}
		wg.Go(func() {
			if _, err := x.store.Accept(x.Context(), sub); err == nil {
				mu.Lock()
				accepted++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if parts := max(x.PendingParts, 1); parts == 1 && accepted != bound || accepted == 0 || accepted > bound+parts-1 {
		x.Errorf("%d accepted, want %d, or about as many in %d parts", accepted, bound, parts)
	}
}
