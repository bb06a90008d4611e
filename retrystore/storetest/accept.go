package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var acceptTests = map[string]func(*suite){
	"Accept":                      testAccept,
	"AcceptLeased":                testAcceptLeased,
	"AcceptDead":                  testAcceptDead,
	"AcceptRefusesNonsense":       testAcceptRefusesNonsense,
	"DuplicateTellsFirst":         testDuplicateTellsFirst,
	"DuplicateTellsLeastSettled":  testDuplicateTellsLeastSettled,
	"NoKeyNoDuplicate":            testNoKeyNoDuplicate,
	"KeysAreApart":                testKeysAreApart,
	"KeyExpires":                  testKeyExpires,
	"SameKeyAtOnce":               testSameKeyAtOnce,
	"AbandonedAcceptLeavesNoHole": testAbandonedAccept,
}

func testAccept(x *suite) {
	e := x.event()
	before := x.Now()
	r, err := x.submit("k", e, x.target("app", 0), x.target("audit", 0))
	x.check(err)
	if r.Duplicate || len(r.Deliveries) != 2 {
		x.Fatalf("receipt %+v", r)
	}
	if r.Deliveries[0].ID == r.Deliveries[1].ID {
		x.Fatalf("two deliveries have the id %s", r.Deliveries[0].ID)
	}
	for i, destination := range []string{"app", "audit"} {
		d := r.Deliveries[i]
		if d.Lane != (retrystore.Lane{Endpoint: "shop", Destination: destination}) || d.State != retrystore.Pending || d.Priority != 5 || d.Event != e {
			x.Errorf("accepted delivery %+v", *d)
		}
		c := x.claimOnly(d)
		x.wantEvent(c.Event, e)
		if c.State != retrystore.Leased || c.Attempts != 0 || c.Priority != 5 || c.LastStatus != 0 || c.LastError != "" || c.Reason != "" {
			x.Errorf("claimed delivery %+v", *c)
		}
		if c.Budget.Attempts != 0 || !x.near(c.Budget.Since, before) {
			x.Errorf("budget %+v, want it to start with acceptance, %s", c.Budget, before)
		}
		if c.Lease.Token == 0 || !x.near(c.Lease.Until, x.in(10)) {
			x.Errorf("lease %+v, want until %s", c.Lease, x.in(10))
		}
		x.claimNothing(c.Lane)
		x.delivered(c)
		x.claimNothing(c.Lane)
	}
	for _, d := range r.Deliveries {
		x.wantGone(d.ID)
	}
}

func testAcceptLeased(x *suite) {
	ds := x.accept(x.target("app", 2), x.target("audit", 0))
	if ds[0].State != retrystore.Leased || ds[0].Lease.Token == 0 || !x.near(ds[0].Lease.Until, x.in(2)) {
		x.Fatalf("delivery %+v, want it leased until %s", *ds[0], x.in(2))
	}
	if ds[1].State != retrystore.Pending || ds[1].Lease != (retrystore.Lease{}) {
		x.Fatalf("delivery %+v, want it pending", *ds[1])
	}
	x.claimNothing(ds[0].Lane)
	x.claimOnly(ds[1])
	x.delivered(ds[0])
	x.claimNothing(ds[0].Lane)
}

func testAcceptDead(x *suite) {
	dead := func(destination string) retrystore.Target {
		return retrystore.Target{Destination: destination, Priority: 5, Dead: "type_unknown"}
	}
	for name, targets := range map[string][]retrystore.Target{
		"alone":           {dead("app")},
		"beside a leased": {x.target("audit", 10), dead("app")},
		"beside a dead":   {dead("app"), dead("audit")},
	} {
		r, err := x.submit(name, x.event(), targets...)
		x.check(err)
		d := r.Deliveries[slices.IndexFunc(targets, func(t retrystore.Target) bool { return t.Destination == "app" })]
		if d.State != retrystore.Dead || d.Reason != "type_unknown" || d.Lease != (retrystore.Lease{}) {
			x.Fatalf("%s: delivery %+v, want it dead", name, *d)
		}
		x.claimNothing(d.Lane)
		got, err := x.store.Get(x.Context(), d.ID)
		x.check(err)
		x.wantEvent(got.Event, d.Event)
		if got.State != retrystore.Dead || got.Reason != "type_unknown" || got.Attempts != 0 || len(got.History) != 0 || got.Priority != 5 {
			x.Errorf("%s: it is kept as %+v", name, *got)
		}
		x.check(x.store.Replay(x.Context(), d.ID))
		c := x.claimOnly(d)
		if c.Attempts != 0 || c.Reason != "" || c.Budget.Attempts != 0 {
			x.Errorf("%s: replayed as %+v", name, *c)
		}
		x.delivered(c)
		for i, other := range r.Deliveries {
			switch {
			case other == d:
			case targets[i].Dead != "":
				x.check(x.store.Delete(x.Context(), other.ID))
			default:
				x.delivered(other)
			}
		}
		x.wantGone(d.ID)
	}
}

func testAcceptRefusesNonsense(x *suite) {
	for name, sub := range map[string]*retrystore.Submission{
		"no target":          {Event: x.event()},
		"too many targets":   {Event: x.event(), Targets: make([]retrystore.Target, retrystore.MaxTargets+1)},
		"key without a life": {Event: x.event(), Key: key("k"), Targets: []retrystore.Target{x.target("app", 0)}},
		"dead and leased":    {Event: x.event(), Targets: []retrystore.Target{{Destination: "app", Lease: x.Unit, Dead: "type_unknown"}}},
		"priority":           {Event: x.event(), Targets: []retrystore.Target{{Destination: "app", Priority: retrystore.MaxPriority + 1}}},
	} {
		if _, err := x.store.Accept(x.Context(), sub); err == nil {
			x.Errorf("%s: no error", name)
		}
	}
	many := make([]retrystore.Target, retrystore.MaxTargets)
	for i := range many {
		many[i] = x.target(fmt.Sprint("d", i), 0)
	}
	last := x.accept(many...)[retrystore.MaxTargets-1]
	x.claimOnly(last)
}

func testDuplicateTellsFirst(x *suite) {
	r, err := x.submit("k", x.event(), x.target(lane.Destination, 10))
	x.check(err)
	d := r.Deliveries[0]
	x.wantDuplicate("k", retrystore.Pending) // leased counts as pending
	x.retry(d, 1)
	x.wantDuplicate("k", retrystore.Pending)
	x.advance(1)
	x.kill(x.claimOnly(d))
	x.wantDuplicate("k", retrystore.Dead)
	x.check(x.store.Replay(x.Context(), d.ID))
	x.wantDuplicate("k", retrystore.Pending)
	x.delivered(x.claimOnly(d))
	x.wantDuplicate("k", retrystore.Delivered)
	x.claimNothing(lane) // no duplicate was stored

	r, err = x.submit("k2", x.event(), x.target(lane.Destination, 0))
	x.check(err)
	x.check(x.store.Delete(x.Context(), r.Deliveries[0].ID))
	x.wantDuplicate("k2", retrystore.Delivered)
}

func testDuplicateTellsLeastSettled(x *suite) {
	r, err := x.submit("k", x.event(), x.target("a", 10), x.target("b", 10), x.target("c", 10))
	x.check(err)
	x.delivered(r.Deliveries[0])
	x.wantDuplicate("k", retrystore.Pending)
	x.kill(r.Deliveries[1])
	x.wantDuplicate("k", retrystore.Pending)
	x.delivered(r.Deliveries[2])
	x.wantDuplicate("k", retrystore.Dead)
}

func testNoKeyNoDuplicate(x *suite) {
	a, b := x.acceptOne(), x.acceptOne()
	if a.ID == b.ID {
		x.Fatalf("two deliveries have the id %s", a.ID)
	}
	if n := len(x.claim(lane, 10)); n != 2 {
		x.Fatalf("claimed %d, want 2", n)
	}
}

func testKeysAreApart(x *suite) {
	for i := range 50 {
		r, err := x.submit(fmt.Sprint("k", i), x.event(), x.target(lane.Destination, 0))
		x.check(err)
		if r.Duplicate {
			x.Fatalf("key %d is a duplicate", i)
		}
	}
	for i := range 50 {
		x.wantDuplicate(fmt.Sprint("k", i), retrystore.Pending)
	}
}

func testKeyExpires(x *suite) {
	for _, name := range []string{"settled", "open"} {
		r, err := x.submit(name, x.event(), x.target(name, 1))
		x.check(err)
		if name == "settled" {
			x.delivered(r.Deliveries[0])
		}
	}
	x.advance(99)
	x.wantDuplicate("settled", retrystore.Delivered)
	x.wantDuplicate("open", retrystore.Pending)
	x.advance(2)
	for _, name := range []string{"settled", "open"} {
		r, err := x.submit(name, x.event(), x.target(name, 0))
		x.check(err)
		if r.Duplicate {
			x.Fatalf("key of the %s event outlived its time", name)
		}
		x.wantDuplicate(name, retrystore.Pending) // of the new one
	}
	// The older event with the same key is still there; settling it must not
	// touch the newer one's key.
	x.delivered(x.claim(retrystore.Lane{Endpoint: "shop", Destination: "open"}, 1)[0])
	x.wantDuplicate("open", retrystore.Pending)
	x.advance(50)
	x.wantDuplicate("open", retrystore.Pending)
}

func testSameKeyAtOnce(x *suite) {
	const workers, keys = 64, 8
	var mu sync.Mutex
	accepted, duplicates := make(map[int]int), 0
	var wg sync.WaitGroup
	for range workers {
		events := make([]*retrystore.Event, keys)
		for k := range events {
			events[k] = x.event()
		}
		wg.Go(func() {
			for k, e := range events {
				r, err := x.submit(fmt.Sprint("k", k), e, x.target(lane.Destination, 0))
				mu.Lock()
				switch {
				case err != nil:
					x.Error(err)
				case r.Duplicate:
					duplicates++
				default:
					accepted[k]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for k := range keys {
		if accepted[k] != 1 {
			x.Errorf("key %d was accepted %d times, want once", k, accepted[k])
		}
	}
	if duplicates != (workers-1)*keys {
		x.Errorf("%d duplicates, want %d", duplicates, (workers-1)*keys)
	}
	if n := len(x.claim(lane, 1000)); n != keys {
		x.Errorf("%d deliveries stored, want %d", n, keys)
	}
}

// testAbandonedAccept gives up on Accepts at every possible moment. Whatever
// became of each, nothing may wait for the worker that left.
func testAbandonedAccept(x *suite) {
	_, err := x.store.Accept(x.canceled(), &retrystore.Submission{Event: x.event(), Targets: []retrystore.Target{x.target("app", 10)}})
	x.wantErr(err, context.Canceled)

	const n = 100
	stored, abandoned := 0, 0
	for i := range n {
		ctx, cancel := context.WithCancel(x.Context())
		sub := &retrystore.Submission{
			Key: key(fmt.Sprint(i)), KeyTTL: 100 * x.Unit, Event: x.event(),
			Targets: []retrystore.Target{x.target("app", 10)},
		}
		wait := make(chan struct{})
		go func() {
			defer close(wait)
			busy(time.Duration(i) * 50 * time.Microsecond)
			cancel()
		}()
		r, err := x.store.Accept(ctx, sub)
		<-wait
		if err == nil {
			stored++
			x.delivered(r.Deliveries[0]) // leased to us, as asked
			continue
		}
		x.wantErr(err, context.Canceled)
		// The next Accept of the key settles what happened to the first.
		sub.Targets[0].Lease = 0
		r, err = x.store.Accept(x.Context(), sub)
		x.check(err)
		if r.Duplicate {
			abandoned++
		}
		ds := x.claim(lane, 10)
		if len(ds) != 1 {
			x.Fatalf("claimed %d after an abandoned Accept (duplicate: %v), want 1", len(ds), r.Duplicate)
		}
		x.delivered(ds[0])
	}
	x.Logf("%d stored, %d abandoned but stored, %d not stored", stored, abandoned, n-stored-abandoned)
}

// busy spends d without giving up the processor, which sleeping that shortly cannot do.
func busy(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}
