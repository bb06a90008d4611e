package storetest

import (
	"sync"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var guardTests = map[string]func(*suite){
	"HoldCommit":       testHoldCommit,
	"HoldRelease":      testHoldRelease,
	"HoldLapses":       testHoldLapses,
	"HoldRenewed":      testHoldRenewed,
	"HoldAndAccept":    testHoldAndAccept,
	"HoldThenAccept":   testHoldThenAccept,
	"HoldAtOnce":       testHoldAtOnce,
	"HoldCrash":        testHoldCrash,
	"CommittedExpires": testCommittedExpires,
	"HoldRefusesZero":  testHoldRefusesZero,
	"HoldClosed":       testHoldClosed,
	"CommitNeedsHold":  testCommitNeedsHold,
}

// hold asks for a key for ten units and wants this state.
func (x *suite) hold(name string, want retrystore.HoldState) retrystore.Hold {
	x.Helper()
	h, err := x.store.HoldKey(x.Context(), key(name), 10*x.Unit)
	x.check(err)
	if h.State != want || h.Key != key(name) {
		x.Fatalf("hold %+v, want state %d", h, want)
	}
	return h
}

func (x *suite) commit(h retrystore.Hold) error {
	return x.store.CommitKey(x.Context(), h, 100*x.Unit)
}

func testHoldCommit(x *suite) {
	h := x.hold("k", retrystore.HoldGranted)
	if h.Token == 0 || !x.near(h.Until, x.in(10)) {
		x.Errorf("hold %+v, want until %s", h, x.in(10))
	}
	if taken := x.hold("k", retrystore.HoldTaken); !x.near(taken.Until, h.Until) {
		x.Errorf("taken until %s, want %s", taken.Until, h.Until)
	}
	x.hold("other", retrystore.HoldGranted)
	x.check(x.commit(h))
	x.hold("k", retrystore.HoldCommitted)
	x.wantErr(x.commit(h), retrystore.ErrLeaseLost)
	x.wantErr(x.store.ReleaseKey(x.Context(), h), retrystore.ErrLeaseLost)
	x.reopen()
	x.hold("k", retrystore.HoldCommitted)
}

func testHoldRelease(x *suite) {
	h := x.hold("k", retrystore.HoldGranted)
	x.check(x.store.ReleaseKey(x.Context(), h))
	again := x.hold("k", retrystore.HoldGranted)
	x.wantErr(x.commit(h), retrystore.ErrLeaseLost)
	x.wantErr(x.store.ReleaseKey(x.Context(), h), retrystore.ErrLeaseLost)
	x.wantErr(x.store.RenewKey(x.Context(), &h, x.Unit), retrystore.ErrLeaseLost)
	x.check(x.commit(again))
}

func testHoldLapses(x *suite) {
	h := x.hold("k", retrystore.HoldGranted)
	x.advance(9)
	x.hold("k", retrystore.HoldTaken)
	x.advance(2)
	second := x.hold("k", retrystore.HoldGranted)
	x.wantErr(x.commit(h), retrystore.ErrLeaseLost)
	x.wantErr(x.store.ReleaseKey(x.Context(), h), retrystore.ErrLeaseLost)
	x.hold("k", retrystore.HoldTaken)
	x.check(x.commit(second))
}

func testHoldRenewed(x *suite) {
	h := x.hold("k", retrystore.HoldGranted)
	x.advance(8)
	x.check(x.store.RenewKey(x.Context(), &h, 10*x.Unit))
	if !x.near(h.Until, x.in(10)) {
		x.Errorf("renewed until %s, want %s", h.Until, x.in(10))
	}
	x.advance(8)
	x.hold("k", retrystore.HoldTaken)
	x.check(x.commit(h))
	x.hold("k", retrystore.HoldCommitted)
}

func testHoldAndAccept(x *suite) {
	r, err := x.submit("accepted", x.event(), x.target(lane.Destination, 0))
	x.check(err)
	x.hold("accepted", retrystore.HoldCommitted)
	x.delivered(x.claimOnly(r.Deliveries[0]))
	x.hold("accepted", retrystore.HoldCommitted)

	x.check(x.commit(x.hold("committed", retrystore.HoldGranted)))
	x.wantDuplicate("committed", retrystore.Delivered)
}

// testHoldThenAccept is an endpoint in guard mode that a reload gave destinations,
// while an event is being worked on: its provider's next try must not be stored, or
// the application gets it twice.
func testHoldThenAccept(x *suite) {
	accept := func(name string) error {
		_, err := x.submit(name, x.event(), x.target(lane.Destination, 0))
		return err
	}
	for _, name := range []string{"committed later", "released later", "lapsed later"} {
		h := x.hold(name, retrystore.HoldGranted)
		x.wantErr(accept(name), retrystore.ErrUnavailable)
		switch name {
		case "committed later":
			x.check(x.commit(h))
			x.wantDuplicate(name, retrystore.Delivered)
		case "released later":
			x.check(x.store.ReleaseKey(x.Context(), h))
			x.check(accept(name))
			x.hold(name, retrystore.HoldCommitted)
		case "lapsed later":
			x.advance(11)
			x.check(accept(name))
			x.wantErr(x.commit(h), retrystore.ErrLeaseLost)
			x.hold(name, retrystore.HoldCommitted)
		}
	}
}

func testHoldAtOnce(x *suite) {
	const callers = 64
	holds := make([]retrystore.Hold, callers)
	errs := make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() { holds[i], errs[i] = x.store.HoldKey(x.Context(), key("k"), 10*x.Unit) })
	}
	group.Wait()
	granted := 0
	for i, h := range holds {
		x.check(errs[i])
		if h.State == retrystore.HoldGranted {
			granted++
		}
	}
	if granted != 1 {
		x.Errorf("%d of %d hold the key at once, want one", granted, callers)
	}
}

func testHoldCrash(x *suite) {
	committed := x.hold("committed", retrystore.HoldGranted)
	x.check(x.commit(committed))
	undecided := x.hold("undecided", retrystore.HoldGranted)
	x.crash()
	x.hold("committed", retrystore.HoldCommitted)
	x.advance(11) // a backend may keep holds across the crash of one of its users
	x.hold("undecided", retrystore.HoldGranted)
	x.wantErr(x.commit(undecided), retrystore.ErrLeaseLost)
}

func testCommittedExpires(x *suite) {
	x.check(x.store.CommitKey(x.Context(), x.hold("k", retrystore.HoldGranted), 5*x.Unit))
	x.advance(4)
	x.hold("k", retrystore.HoldCommitted)
	x.advance(2)
	x.hold("k", retrystore.HoldGranted)
}

func testHoldRefusesZero(x *suite) {
	if _, err := x.store.HoldKey(x.Context(), retrystore.Key{}, x.Unit); err == nil {
		x.Error("the zero key was held: then unrelated events would wait for one another")
	}
	h := x.hold("k", retrystore.HoldGranted)
	if err := x.store.CommitKey(x.Context(), h, 0); err == nil {
		x.Error("a key was committed for no time at all")
	}
	_, err := x.store.HoldKey(x.canceled(), key("other"), x.Unit)
	if err == nil {
		x.Error("a key was held for a caller that left")
	}
}

func testHoldClosed(x *suite) {
	h := x.hold("k", retrystore.HoldGranted)
	x.check(x.store.Close())
	_, err := x.store.HoldKey(x.Context(), key("other"), x.Unit)
	x.wantErr(err, retrystore.ErrClosed)
	x.wantErr(x.commit(h), retrystore.ErrClosed)
	x.wantErr(x.store.RenewKey(x.Context(), &h, x.Unit), retrystore.ErrClosed)
	x.wantErr(x.store.ReleaseKey(x.Context(), h), retrystore.ErrClosed)
}

func testCommitNeedsHold(x *suite) {
	x.wantErr(x.commit(retrystore.Hold{Key: key("never held"), Token: 1}), retrystore.ErrLeaseLost)
	x.hold("never held", retrystore.HoldGranted)
}
