package storetest

import (
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var queueTests = map[string]func(*suite){
	"ClaimsNeverOverlap": testClaimsNeverOverlap,
	"LanesAreApart":      testLanesAreApart,
	"Fencing":            testFencing,
	"LateButUnrivalled":  testLateButUnrivalled,
	"Renew":              testRenew,
	"Release":            testRelease,
	"ClaimOrder":         testClaimOrder,
	"MaxRetries":         testMaxRetries,
	"ClaimNext":          testClaimNext,
	"Retry":              testRetry,
	"Dead":               testDead,
	"SettleNonsense":     testSettleNonsense,
}

func testClaimsNeverOverlap(x *suite) {
	const n, workers = 200, 8
	for range n {
		x.acceptOne()
	}
	var mu sync.Mutex
	seen := make(map[string]bool)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				c, err := x.store.Claim(x.Context(), retrystore.ClaimRequest{Lane: lane, Max: 7, MaxRetries: 7, Lease: 10 * x.Unit})
				if err != nil {
					x.Error(err)
				}
				if err != nil || len(c.Deliveries) == 0 {
					return
				}
				mu.Lock()
				for _, d := range c.Deliveries {
					if seen[d.ID] {
						x.Errorf("delivery %s was claimed twice", d.ID)
					}
					seen[d.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != n {
		x.Errorf("%d claimed, want %d", len(seen), n)
	}
}

func testLanesAreApart(x *suite) {
	// Names that would be one if they were joined without care.
	lanes := []retrystore.Lane{
		{Endpoint: "a", Destination: "b/c"}, {Endpoint: "a/b", Destination: "c"},
		{Endpoint: "ab", Destination: "c"}, {Endpoint: "a", Destination: "bc"},
		{Endpoint: "a:b", Destination: "c"}, {Endpoint: "a", Destination: "b:c"},
		{Endpoint: "a}b", Destination: "{c}"},
	}
	want := make(map[retrystore.Lane]string)
	for _, l := range lanes {
		e := x.event()
		e.Endpoint = l.Endpoint
		r, err := x.submit("", e, x.target(l.Destination, 0))
		x.check(err)
		want[l] = r.Deliveries[0].ID
	}
	for _, l := range lanes {
		if ds := x.claim(l, 10); len(ds) != 1 || ds[0].ID != want[l] || ds[0].Lane != l {
			x.Errorf("lane %s: claimed %v, want %s", l, ids(ds), want[l])
		}
	}
	x.claimNothing(retrystore.Lane{Endpoint: "nobody", Destination: "nowhere"})
}

func testFencing(x *suite) {
	d := x.acceptOne()
	slow := x.claimOnly(d)
	x.claimNothing(lane)
	x.advance(11) // the lease of ten units lapses
	if got := x.wantState(d.ID, retrystore.Pending); got.Attempts != 0 {
		x.Errorf("a lapsed lease counts as %d attempts, want none", got.Attempts)
	}
	quick := x.claimOnly(d)
	if quick.Lease.Token == slow.Lease.Token {
		x.Fatal("two leases have one token")
	}
	lost := func(d *retrystore.Delivery) {
		x.Helper()
		for _, s := range []retrystore.State{retrystore.Delivered, retrystore.Pending, retrystore.Dead} {
			x.wantErr(x.store.Settle(x.Context(), d, retrystore.Settlement{State: s, NextAttemptAt: x.Now()}), retrystore.ErrLeaseLost)
		}
		x.wantErr(x.store.Renew(x.Context(), d, x.Unit), retrystore.ErrLeaseLost)
		x.wantErr(x.store.Release(x.Context(), d), retrystore.ErrLeaseLost)
	}
	lost(slow)
	x.wantState(d.ID, retrystore.Leased)
	x.retry(quick, 1)
	lost(quick) // a lease is good for one result
	lost(slow)
	x.advance(1)
	x.delivered(x.claimOnly(d))
	lost(quick)

	for _, id := range []string{"", "nonsense", d.ID + "0"} {
		fake := *quick
		fake.ID = id
		lost(&fake)
	}
}

// A lapsed lease still takes a result if no other worker took the delivery. Otherwise a
// delivery that was made would be made again.
func testLateButUnrivalled(x *suite) {
	a := x.claimOnly(x.acceptOne())
	x.advance(11)
	x.delivered(a)
	x.wantGone(a.ID)
	x.claimNothing(lane)

	b := x.claimOnly(x.acceptOne())
	x.advance(11)
	x.wantState(b.ID, retrystore.Pending)
	x.check(x.store.Renew(x.Context(), b, 2*x.Unit))
	x.wantState(b.ID, retrystore.Leased)
	x.claimNothing(lane)
}

func testRenew(x *suite) {
	d := x.claimOnly(x.acceptOne())
	x.advance(9)
	x.check(x.store.Renew(x.Context(), d, 20*x.Unit))
	if !x.near(d.Lease.Until, x.in(20)) {
		x.Errorf("lease until %s, want %s", d.Lease.Until, x.in(20))
	}
	x.advance(19)
	x.claimNothing(lane)
	x.advance(2)
	x.claimOnly(d)

	e := x.accept(x.target("other", 1))[0] // leases made by Accept can be renewed too
	x.check(x.store.Renew(x.Context(), e, 5*x.Unit))
	x.advance(2)
	x.claimNothing(e.Lane)
	x.check(x.store.Renew(x.Context(), e, x.Unit)) // and cut short
	x.advance(2)
	x.claimOnly(e)
}

func testRelease(x *suite) {
	d := x.claimOnly(x.acceptOne())
	x.check(x.store.Release(x.Context(), d))
	x.wantErr(x.store.Release(x.Context(), d), retrystore.ErrLeaseLost)
	again := x.claimOnly(d)
	if again.Attempts != 0 {
		x.Errorf("a released lease counts as %d attempts, want none", again.Attempts)
	}
	e := x.accept(x.target("other", 10))[0]
	x.check(x.store.Release(x.Context(), e))
	x.claimOnly(e)
}

func testClaimOrder(x *suite) {
	prio := func(p int) *retrystore.Delivery {
		t := x.target(lane.Destination, 0)
		t.Priority = p
		d := x.accept(t)[0]
		x.advance(0.01) // so that none is as long due as the next
		return d
	}
	low, mid, high := prio(0), prio(5), prio(10)
	for _, d := range x.claim(lane, 3) {
		x.retry(d, 1) // the retries, to come after first attempts of the same priority
	}
	x.advance(2)
	low2, mid2, mid3, high2 := prio(0), prio(5), prio(5), prio(10)
	var got []string
	for range 7 {
		got = append(got, ids(x.claim(lane, 1))...)
	}
	want := ids([]*retrystore.Delivery{high2, high, mid2, mid3, mid, low2, low})
	if len(got) != len(want) {
		x.Fatalf("claimed %d, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			x.Fatalf("claimed in the order\n%v, want\n%v", got, want)
		}
	}
}

func testMaxRetries(x *suite) {
	for range 3 {
		x.acceptOne()
	}
	for _, d := range x.claim(lane, 3) {
		x.retry(d, 0.1)
	}
	x.advance(1)
	fresh := x.acceptOne()
	claim := func(max, retries, wantFirst, wantRetries int) retrystore.Claim {
		x.Helper()
		c, err := x.store.Claim(x.Context(), retrystore.ClaimRequest{Lane: lane, Max: max, MaxRetries: retries, Lease: 10 * x.Unit})
		x.check(err)
		firsts, retried := 0, 0
		for _, d := range c.Deliveries {
			if d.Attempts > 0 {
				retried++
			} else {
				firsts++
			}
		}
		if firsts != wantFirst || retried != wantRetries {
			x.Fatalf("claimed %d first attempts and %d retries, want %d and %d", firsts, retried, wantFirst, wantRetries)
		}
		return c
	}
	if c := claim(0, 0, 0, 0); !x.near(c.Next, x.Now()) {
		x.Errorf("next %s with due ones left, want now", c.Next)
	}
	if c := claim(10, 1, 1, 1); !x.near(c.Next, x.Now()) {
		x.Errorf("next %s with due retries left, want now", c.Next)
	}
	claim(10, 0, 0, 0)
	claim(1, 10, 0, 1)
	claim(10, 10, 0, 1)
	x.wantState(fresh.ID, retrystore.Leased)
}

func testClaimNext(x *suite) {
	next := func(max int, lease float64) time.Time {
		x.Helper()
		c, err := x.store.Claim(x.Context(), retrystore.ClaimRequest{
			Lane: lane, Max: max, MaxRetries: max, Lease: time.Duration(lease * float64(x.Unit)),
		})
		x.check(err)
		return c.Next
	}
	want := func(got, want time.Time) {
		x.Helper()
		if !x.near(got, want) {
			x.Errorf("next %s, want %s", got, want)
		}
	}
	if got := next(1, 1); !got.IsZero() {
		x.Errorf("next %s of an empty lane, want zero", got)
	}
	x.accept(x.target(lane.Destination, 8))
	want(next(1, 1), x.in(8)) // the lease made by Accept
	x.acceptOne()
	x.acceptOne()
	want(next(1, 6), x.Now()) // one is left
	want(next(1, 4), x.in(4)) // the lease just made lapses first
	d := x.acceptOne()
	ds := x.claim(lane, 1)
	if len(ds) != 1 || ds[0].ID != d.ID {
		x.Fatalf("claimed %v", ids(ds))
	}
	x.retry(ds[0], 2)
	want(next(0, 1), x.in(2)) // due before any lease lapses
	// Asking exactly at that time finds it.
	at := next(0, 1)
	x.Harness.Advance(x.T, at.Sub(x.Now()))
	if ds := x.claim(lane, 10); len(ds) != 1 || ds[0].ID != d.ID {
		x.Fatalf("claimed %v at the time Next named, want %s", ids(ds), d.ID)
	}
}

func testRetry(x *suite) {
	d := x.claimOnly(x.acceptOne())
	x.retry(d, 3)
	got := x.wantState(d.ID, retrystore.Pending)
	if got.Attempts != 1 || got.LastStatus != 503 || got.LastError != "unavailable" || !x.near(got.NextAttemptAt, x.in(3)) || got.Reason != "" {
		x.Errorf("after one attempt %+v", *got)
	}
	x.claimNothing(lane)
	x.advance(2)
	x.claimNothing(lane)
	x.advance(1.1)
	again := x.claimOnly(d)
	if again.Attempts != 1 || again.LastStatus != 503 || again.LastError != "unavailable" || again.Budget.Attempts != 0 {
		x.Errorf("second claim %+v", *again)
	}
	x.settle(again, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: x.Now(), Attempt: retrystore.Attempt{Error: "timeout"}})
	third := x.claimOnly(d) // due at once
	if third.Attempts != 2 || third.LastStatus != 0 || third.LastError != "timeout" {
		x.Errorf("third claim %+v", *third)
	}
}

func testDead(x *suite) {
	d := x.claimOnly(x.acceptOne())
	x.kill(d)
	got := x.wantState(d.ID, retrystore.Dead)
	if got.Attempts != 1 || got.Reason != "max_attempts" || got.LastStatus != 500 || got.LastError != "broken" {
		x.Errorf("dead letter %+v", *got)
	}
	x.advance(50)
	x.claimNothing(lane)
	x.wantState(d.ID, retrystore.Dead)
}

func testSettleNonsense(x *suite) {
	d := x.claimOnly(x.acceptOne())
	for _, s := range []retrystore.State{retrystore.Leased, retrystore.Dead + 1} {
		if err := x.store.Settle(x.Context(), d, retrystore.Settlement{State: s}); err == nil {
			x.Errorf("settled as %s", s)
		}
	}
	x.delivered(d) // the lease survived that
}
