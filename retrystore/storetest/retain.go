package storetest

import (
	"bytes"
	"reflect"
	"slices"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// retainTests are for stores that are a retrystore.Retainer.
var retainTests = map[string]func(*suite){
	"RetainNothing":        testRetainNothing,
	"Retain":               testRetain,
	"RetainBodies":         testRetainBodies,
	"RetainSiblings":       testRetainSiblings,
	"RetainCount":          testRetainCount,
	"RetainAge":            testRetainAge,
	"RetainList":           testRetainList,
	"RetainTrimmedList":    testRetainTrimmedList,
	"RetainOutlives":       testRetainOutlives,
	"RetainOff":            testRetainOff,
	"RetainDisturbsNobody": testRetainDisturbsNobody,
}

// retain asks the store to keep delivered deliveries.
func (x *suite) retain(r retrystore.Retention) {
	x.Helper()
	retainer, ok := retrystore.As[retrystore.Retainer](x.store)
	if !ok {
		x.Skip("this backend keeps nothing of what was delivered")
	}
	retainer.Retain(r)
}

// history are the deliveries kept.
func (x *suite) history() []*retrystore.Delivery {
	x.Helper()
	return x.all(retrystore.Filter{States: []retrystore.State{retrystore.Delivered}}, 1000)
}

// pass accepts and delivers an event under a key, or none.
func (x *suite) pass(name string) *retrystore.Delivery {
	x.Helper()
	r, err := x.submit(name, x.event(), x.target(lane.Destination, 10))
	x.check(err)
	x.delivered(r.Deliveries[0])
	return r.Deliveries[0]
}

// settled waits until results are durable: Delete returns after it is, and what
// was changed before went along.
func (x *suite) settled() {
	x.Helper()
	x.check(x.store.Delete(x.Context(), x.acceptOne().ID))
}

// soon waits for what a store does in the background.
func (x *suite) soon(what string, done func() bool) {
	x.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			x.Fatalf("after a minute still not: %s", what)
		}
	}
}

func testRetainNothing(x *suite) {
	x.wantGone(x.pass("before").ID)
	x.retain(retrystore.Retention{Bodies: true})
	d := x.pass("after")
	x.wantGone(d.ID)
	x.wantErr(x.store.Replay(x.Context(), d.ID), retrystore.ErrNotFound)
	if got := x.history(); len(got) != 0 {
		x.Errorf("kept %v, want nothing", ids(got))
	}
}

// testRetain compares what is kept of a delivery with what was told of it, before
// and after it is durable.
func testRetain(x *suite) {
	x.retain(retrystore.Retention{Count: 10 * max(x.PendingParts, 1)})
	e := x.event()
	r, err := x.submit("k", e, x.target(lane.Destination, 10))
	x.check(err)
	d := r.Deliveries[0]
	x.settle(d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: x.Now(), Attempt: retrystore.Attempt{Status: 503, Error: "busy"}})
	x.settle(x.claimOnly(d), retrystore.Settlement{State: retrystore.Dead, Reason: "gone", Attempt: retrystore.Attempt{Status: 410}})
	x.check(x.store.Replay(x.Context(), d.ID))
	last := retrystore.Attempt{At: x.Now().Truncate(time.Millisecond), Duration: 12 * time.Millisecond, Status: 201, Answer: []byte("thanks\x00")}
	x.settle(x.claimOnly(d), retrystore.Settlement{State: retrystore.Delivered, Attempt: last})
	for range 2 {
		got := x.wantState(d.ID, retrystore.Delivered)
		if got.ID != d.ID || got.Lane != lane || got.Priority != 5 || got.Attempts != 3 || got.Budget.Attempts != 2 ||
			got.LastStatus != 201 || got.LastError != "" || got.Reason != "" || len(got.History) != 3 {
			x.Fatalf("kept %+v", *got)
		}
		for i, status := range []int{503, 410, 201} {
			if got.History[i].Status != status {
				x.Errorf("attempt %d has status %d, want %d", i, got.History[i].Status, status)
			}
		}
		if a := got.History[2]; !a.At.Equal(last.At) || a.Duration != last.Duration || !bytes.Equal(a.Answer, last.Answer) || got.History[0].Error != "busy" {
			x.Errorf("history %+v", got.History)
		}
		want := *e
		if got.BodyDropped { // else it is not durable yet
			want.Body = nil
		}
		x.wantEvent(got.Event, &want)
		x.wantErr(x.store.Replay(x.Context(), d.ID), retrystore.ErrState)
		x.wantErr(x.store.Delete(x.Context(), d.ID), retrystore.ErrState)
		x.wantErr(x.store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Delivered}), retrystore.ErrLeaseLost)
		x.wantErr(x.store.Release(x.Context(), d), retrystore.ErrLeaseLost)
		x.wantDuplicate("k", retrystore.Delivered)
		x.settled()
	}
	if !x.get(d.ID).BodyDropped {
		x.Error("the body was kept")
	}
	x.wantGone(d.ID[:len(d.ID)-2] + "00")
	x.claimNothing(lane)
	x.advance(101)
	x.wantState(d.ID, retrystore.Delivered)
	if again := x.pass("k"); again.ID == d.ID { // the key has expired
		x.Error("an id was given twice")
	}
}

func testRetainBodies(x *suite) {
	for _, bodies := range []bool{true, false} {
		x.retain(retrystore.Retention{Count: 1000, Bodies: bodies})
		for _, size := range []int{0, 1, 127, 128, 20_000, 300_000} {
			e := x.event()
			e.Body = bytes.Repeat([]byte{0x80}, size)
			if size == 0 {
				e.Body = nil
			}
			e.Header["X-Long"] = []string{string(bytes.Repeat([]byte{'h'}, size%5000))}
			r, err := x.submit("", e, x.target(lane.Destination, 10))
			x.check(err)
			x.delivered(r.Deliveries[0])
			x.settled()
			got := x.wantState(r.Deliveries[0].ID, retrystore.Delivered)
			want := *e
			if !bodies {
				want.Body = nil
			}
			x.wantEvent(got.Event, &want)
			if got.BodyDropped != (!bodies && size > 0) {
				x.Errorf("bodies %v, %d bytes: dropped %v", bodies, size, got.BodyDropped)
			}
			if got.Attempts != 1 || got.LastStatus != 200 || len(got.History) != 1 || got.History[0].Status != 200 {
				x.Errorf("kept %+v", *got)
			}
		}
	}
}

// testRetainSiblings: an event is kept when the last of its deliveries is settled,
// without those that were deleted.
func testRetainSiblings(x *suite) {
	x.retain(retrystore.Retention{Count: 10 * max(x.PendingParts, 1)})
	ds := x.accept(x.target("a", 10), x.target("b", 10), x.target("c", 10), x.target("d", 10))
	x.settle(ds[1], retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{Status: 201}})
	x.kill(ds[2])
	x.delivered(ds[0])
	x.check(x.store.Delete(x.Context(), ds[2].ID))
	x.wantGone(ds[2].ID)
	x.retry(ds[3], 0)
	if got := x.get(ds[1].ID); got.BodyDropped || !bytes.Equal(got.Event.Body, ds[1].Event.Body) {
		x.Error("an event that is not settled has lost its body")
	}
	check := func(ds []*retrystore.Delivery, kept ...int) {
		x.Helper()
		var want []string
		for _, i := range kept {
			want = append(want, ds[i].ID)
			if got := x.wantState(ds[i].ID, retrystore.Delivered); got.Lane != ds[i].Lane || len(got.History) != got.Attempts {
				x.Errorf("kept %+v", *got)
			}
		}
		slices.Reverse(want)
		var got []string
		for _, d := range x.history() {
			if d.Event.EventID == ds[0].Event.EventID {
				got = append(got, d.ID)
			}
		}
		if !slices.Equal(got, want) {
			x.Errorf("listed %v, want %v", got, want)
		}
	}
	check(ds, 0, 1)
	x.delivered(x.claimOnly(ds[3]))
	x.settled()
	check(ds, 0, 1, 3)
	if got := x.get(ds[1].ID); got.LastStatus != 201 || got.Attempts != 1 || !got.BodyDropped {
		x.Errorf("kept %+v", *got)
	}
	if got := x.get(ds[3].ID); got.Attempts != 2 || got.History[0].Status != 503 || got.History[1].Status != 200 {
		x.Errorf("kept %+v", *got)
	}
	x.wantGone(ds[2].ID)

	// The last one is not delivered but deleted.
	ds = x.accept(x.target("a", 10), x.target("b", 0))
	x.delivered(ds[0])
	x.check(x.store.Delete(x.Context(), ds[1].ID))
	check(ds, 0)
	x.wantGone(ds[1].ID)
	// Nothing was delivered: nothing is kept.
	ds = x.accept(x.target("a", 0), x.target("b", 0))
	x.check(x.store.Delete(x.Context(), ds[0].ID))
	x.check(x.store.Delete(x.Context(), ds[1].ID))
	check(ds)
}

// testRetainCount: the latest are kept, of the whole store or of each of its parts.
func testRetainCount(x *suite) {
	parts := max(x.PendingParts, 1)
	const share = 5
	x.retain(retrystore.Retention{Count: share * parts})
	var all []string
	for range 4 * share * parts {
		all = append(all, x.pass("").ID)
	}
	last := func() {
		x.Helper()
		x.soon("the bound holds", func() bool { return len(x.history()) <= share*parts })
		got := ids(x.history())
		if want := all[len(all)-share:]; parts == 1 && !slices.Equal(reversed(got), want) {
			x.Errorf("kept %v, want the latest, %v", got, want)
		}
		if len(got) == 0 || got[0] != all[len(all)-1] {
			x.Errorf("kept %v, and not the latest", got)
		}
	}
	last()
	// Old ones that are delivered late are late in the history.
	old := x.accept(x.target("old", 10))[0]
	for range 2 * share * parts {
		x.pass("")
	}
	x.delivered(old)
	x.settled()
	x.wantState(old.ID, retrystore.Delivered)
	// An event goes as a whole, and one that is larger than all goes at once.
	x.retain(retrystore.Retention{Count: 2 * parts})
	x.soon("a lower bound holds", func() bool { return len(x.history()) <= 2*parts })
	if parts > 1 {
		return
	}
	pair := x.accept(x.target("a", 10), x.target("b", 10))
	x.delivered(pair[0])
	x.delivered(pair[1])
	x.soon("the pair is alone", func() bool { return len(x.history()) == 2 })
	x.wantState(pair[0].ID, retrystore.Delivered)
	one := x.pass("")
	x.soon("the pair is gone", func() bool { return slices.Equal(ids(x.history()), []string{one.ID}) })
	for _, d := range x.accept(x.target("a", 10), x.target("b", 10), x.target("c", 10)) {
		x.delivered(d)
	}
	x.soon("nothing has room", func() bool { return len(x.history()) == 0 })
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

// testRetainAge: deliveries go by their age, whether or not others come after them.
func testRetainAge(x *suite) {
	x.retain(retrystore.Retention{Age: 10 * x.Unit})
	early := x.accept(x.target("early", 10))[0]
	old := x.pass("")
	x.settled()
	x.advance(6)
	x.delivered(early) // its age counts from now
	x.settled()
	x.wantState(old.ID, retrystore.Delivered)
	x.advance(5)
	x.soon("the old one is gone", func() bool {
		x.pass("")
		_, err := x.store.Get(x.Context(), old.ID)
		return err != nil
	})
	x.wantGone(old.ID)
	x.wantState(early.ID, retrystore.Delivered)
}

// testRetainOutlives: what is kept is there after a restart and a crash, with no
// word of Retain, and is bounded again as soon as it comes.
func testRetainOutlives(x *suite) {
	x.retain(retrystore.Retention{Count: 10 * max(x.PendingParts, 1), Bodies: true})
	var want []retrystore.Delivery
	for range 3 {
		x.pass("")
	}
	x.settled()
	look := func() (all []retrystore.Delivery) {
		for _, d := range x.history() {
			d = x.get(d.ID)
			d.Budget.Since = d.Budget.Since.Truncate(time.Millisecond).UTC()
			for i := range d.History {
				d.History[i].At = d.History[i].At.Truncate(time.Millisecond).UTC()
			}
			all = append(all, *d)
		}
		return all
	}
	if want = look(); len(want) != 3 {
		x.Fatalf("kept %d, want 3", len(want))
	}
	compare := func(when string) {
		x.Helper()
		if got := look(); !reflect.DeepEqual(got, want) {
			x.Fatalf("%s\n%+v, want\n%+v", when, got, want)
		}
	}
	x.reopen()
	compare("after opening again")
	if x.Harness.Crash == nil {
		return
	}
	x.crash()
	compare("after a crash")
	x.retain(retrystore.Retention{Count: 2 * max(x.PendingParts, 1), Bodies: true})
	x.soon("the bound holds again", func() bool { return len(x.history()) <= 2*max(x.PendingParts, 1) })

	// In a crash a result is forgotten or the delivery is kept.
	x.retain(retrystore.Retention{Count: 1000})
	var ds []*retrystore.Delivery
	for range 20 {
		ds = append(ds, x.pass(""))
	}
	x.crash()
	x.lapse()
	for _, d := range ds {
		if got := x.get(d.ID); got.State != retrystore.Pending && got.State != retrystore.Delivered {
			x.Errorf("after a crash %s is %s", d.ID, got.State)
		}
	}
}

// testRetainOff: what was kept goes, and what is open stays.
func testRetainOff(x *suite) {
	x.retain(retrystore.Retention{Count: 1000})
	for range 300 {
		x.pass("")
	}
	ds := x.accept(x.target("a", 10), x.target("b", 0))
	x.delivered(ds[0])
	if n := len(x.history()); n != 301 {
		x.Fatalf("kept %d, want 301", n)
	}
	x.retain(retrystore.Retention{})
	x.soon("nothing but the open event is left", func() bool { return len(x.history()) == 1 })
	x.wantState(ds[0].ID, retrystore.Delivered)
	x.wantState(ds[1].ID, retrystore.Pending)
	x.wantGone(x.pass("").ID)

	// The same across a restart.
	x.retain(retrystore.Retention{Count: 1000})
	x.pass("")
	x.settled()
	x.reopen()
	x.retain(retrystore.Retention{})
	x.soon("nothing but the open event is left", func() bool { return len(x.history()) == 1 })
	x.delivered(x.claimOnly(ds[1]))
	x.wantGone(ds[0].ID)
}
