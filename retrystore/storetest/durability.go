package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var durabilityTests = map[string]func(*suite){
	"Reopen":               testReopen,
	"CrashKeepsAccepted":   testCrashKeepsAccepted,
	"CrashUnderLoad":       testCrashUnderLoad,
	"CrashMayRepeat":       testCrashMayRepeat,
	"CrashKeepsWhatWaited": testCrashKeepsWhatWaited,
	"CrashEndsLeases":      testCrashEndsLeases,
	"ClockJumps":           testClockJumps,
}

// testReopen closes a store with deliveries in every state and compares.
func testReopen(x *suite) {
	x.acceptOne()
	retried := x.accept(x.target("retried", 10))[0]
	x.retry(retried, 5)
	killed := x.accept(x.target("killed", 10))[0]
	x.kill(killed)
	replayed := x.accept(x.target("replayed", 10))[0]
	x.kill(replayed)
	x.check(x.store.Replay(x.Context(), replayed.ID))
	x.accept(retrystore.Target{Destination: "unreadable", Dead: "type_unknown"}, x.target("readable", 0))
	siblings := x.accept(x.target("a", 10), x.target("b", 0), x.target("c", 0))
	x.delivered(siblings[0])
	x.check(x.store.Delete(x.Context(), siblings[1].ID))
	for _, name := range []string{"open", "settled", "deleted"} {
		r, err := x.submit(name, x.event(), x.target(name, 10))
		x.check(err)
		switch name {
		case "settled":
			x.delivered(r.Deliveries[0])
		case "deleted":
			x.check(x.store.Release(x.Context(), r.Deliveries[0]))
			x.check(x.store.Delete(x.Context(), r.Deliveries[0].ID))
		case "open":
			x.check(x.store.Release(x.Context(), r.Deliveries[0]))
		}
	}
	full := func() (all []retrystore.Delivery) {
		for _, d := range x.all(retrystore.Filter{}, 1000) {
			d = x.get(d.ID)
			// Stores keep milliseconds, but may have more in memory.
			d.Budget.Since = d.Budget.Since.Truncate(time.Millisecond).UTC()
			d.NextAttemptAt = d.NextAttemptAt.Truncate(time.Millisecond).UTC()
			for i := range d.History {
				d.History[i].At = d.History[i].At.Truncate(time.Millisecond).UTC()
			}
			if d.State == retrystore.Pending && d.Attempts == 0 {
				d.NextAttemptAt = time.Time{} // due is all there is to say
			}
			all = append(all, *d)
		}
		return all
	}
	before := full()
	stats, err := x.store.Stats(x.Context())
	x.check(err)
	for range 2 {
		x.reopen()
		if after := full(); !reflect.DeepEqual(after, before) {
			x.Fatalf("after opening again\n%+v, want\n%+v", after, before)
		}
		again, err := x.store.Stats(x.Context())
		x.check(err)
		if stats.Bytes, again.Bytes = 0, 0; !reflect.DeepEqual(again, stats) {
			x.Fatalf("stats after opening again\n%+v, want\n%+v", again, stats)
		}
		x.wantDuplicate("open", retrystore.Pending)
		x.wantDuplicate("settled", retrystore.Delivered)
		x.wantDuplicate("deleted", retrystore.Delivered)
	}
	x.advance(101)
	x.reopen()
	for _, name := range []string{"open", "settled", "deleted"} {
		if r, err := x.submit(name, x.event(), x.target(name, 0)); err != nil || r.Duplicate {
			x.Errorf("key %s outlived its time: %+v, %v", name, r, err)
		}
	}
}

func testCrashKeepsAccepted(x *suite) {
	events := make(map[string]*retrystore.Event)
	for i := range 20 {
		e := x.event()
		r, err := x.submit(fmt.Sprint("k", i), e, x.target(lane.Destination, float64(i%2)*10))
		x.check(err)
		events[r.Deliveries[0].ID] = e
	}
	x.crash()
	x.lapse()
	ds := x.claim(lane, 100)
	if len(ds) != len(events) {
		x.Fatalf("%d deliveries after a crash, want %d", len(ds), len(events))
	}
	for _, d := range ds {
		x.wantEvent(d.Event, events[d.ID])
	}
	for i := range 20 {
		x.wantDuplicate(fmt.Sprint("k", i), retrystore.Pending)
	}
	// New ids do not clash with old ones.
	if d := x.accept(x.target("fresh", 0))[0]; events[d.ID] != nil {
		x.Errorf("id %s was given twice", d.ID)
	}
}

// testCrashUnderLoad crashes while workers accept and settle: an event that was
// acknowledged and not settled must be there, once.
func testCrashUnderLoad(x *suite) {
	if x.Harness.Crash == nil {
		x.Skip("this backend cannot simulate a crash")
	}
	const workers, wanted = 16, 400
	var mu sync.Mutex
	open, settled := make(map[string]bool), make(map[string]bool)
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for w := range workers {
		e := x.event()
		store := x.store
		wg.Go(func() {
			for i := 0; ; i++ {
				r, err := store.Accept(x.Context(), &retrystore.Submission{
					Key: key(fmt.Sprint(w, "-", i)), KeyTTL: 100 * x.Unit, Event: e, Targets: []retrystore.Target{x.target(lane.Destination, 10)},
				})
				if err != nil {
					return // the crash
				}
				d := r.Deliveries[0]
				done := i%2 == 0
				// Before Settle, which takes effect before it returns.
				mu.Lock()
				if done {
					settled[d.ID] = true
				} else if open[d.ID] = true; len(open) == wanted {
					close(enough)
				}
				mu.Unlock()
				if done {
					_ = store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Delivered})
				}
			}
		})
	}
	<-enough
	x.Harness.Crash(x.T, x.store)
	wg.Wait()
	x.open()

	found := make(map[string]bool)
	for _, d := range x.all(retrystore.Filter{}, 1000) {
		if found[d.ID] {
			x.Errorf("delivery %s is there twice", d.ID)
		}
		found[d.ID] = true
	}
	for id := range open {
		if !found[id] {
			x.Errorf("delivery %s was acknowledged and is lost", id)
		}
	}
	extra := 0
	for id := range found {
		if !open[id] && !settled[id] {
			extra++ // stored, but the crash came before the answer
		}
	}
	if extra > workers {
		x.Errorf("%d deliveries that nobody asked for, want at most %d", extra, workers)
	}
}

// testCrashMayRepeat: a result may be forgotten in a crash, the delivery not.
func testCrashMayRepeat(x *suite) {
	ds := x.accept(x.target("delivered", 10), x.target("retried", 10), x.target("killed", 10), x.target("open", 10))
	x.delivered(ds[0])
	x.retry(ds[1], 5)
	x.kill(ds[2])
	x.crash()
	x.lapse()
	for i, allowed := range [][]retrystore.State{
		{retrystore.Pending, retrystore.Delivered}, {retrystore.Pending}, {retrystore.Pending, retrystore.Dead}, {retrystore.Pending},
	} {
		if d := x.get(ds[i].ID); !slices.Contains(allowed, d.State) {
			x.Errorf("after a crash %s is %s, want one of %v", d.Lane, d.State, allowed)
		}
	}
}

// testCrashKeepsWhatWaited: Replay and Delete return after they are durable.
func testCrashKeepsWhatWaited(x *suite) {
	ds := x.accept(x.target("a", 10), x.target("b", 10), x.target("c", 0))
	x.kill(ds[0])
	x.kill(ds[1])
	x.check(x.store.Replay(x.Context(), ds[0].ID))
	x.check(x.store.Delete(x.Context(), ds[1].ID))
	whole := x.acceptOne()
	x.check(x.store.Delete(x.Context(), whole.ID))
	x.crash()
	if d := x.wantState(ds[0].ID, retrystore.Pending); d.Budget.Attempts != 1 || d.Attempts != 1 {
		x.Errorf("replayed, then crashed: %+v", *d)
	}
	x.wantGone(ds[1].ID)
	x.wantGone(whole.ID)
	x.wantState(ds[2].ID, retrystore.Pending)
}

func testCrashEndsLeases(x *suite) {
	ds := x.accept(x.target("a", 10), x.target("b", 0))
	claimed := x.claimOnly(ds[1])
	x.crash()
	// The workers died with the process, or live on elsewhere and their leases must lapse
	// first: in both cases this time is enough.
	x.advance(11)
	for _, d := range []*retrystore.Delivery{ds[0], claimed} {
		x.claimOnly(d)
		x.wantErr(x.store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Delivered}), retrystore.ErrLeaseLost)
	}
}

func testClockJumps(x *suite) {
	if x.Jump == nil {
		x.Skip("this backend's clock cannot be put forward or back")
	}
	for _, jump := range []float64{+1000, -1000} {
		want := make(map[string]bool)
		leased := x.accept(x.target(lane.Destination, 10))[0]
		retried := x.accept(x.target(lane.Destination, 10))[0]
		x.retry(retried, 5)
		due := x.acceptOne()
		for _, d := range []*retrystore.Delivery{leased, retried, due} {
			want[d.ID] = true
		}
		x.Jump(x.T, time.Duration(jump*float64(x.Unit)))
		fresh := x.acceptOne()
		want[fresh.ID] = true
		if n := len(x.all(retrystore.Filter{}, 1000)); n != 4 {
			x.Fatalf("%d deliveries after a jump of %v units, want 4", n, jump)
		}
		x.reopen() // a restart reads times written before the jump
		// Whatever was due before is due now; nothing waits for longer than
		// the jump and its own delay.
		got := make(map[string]bool)
		claim := func() {
			for _, d := range x.claim(lane, 10) {
				got[d.ID] = true
				x.delivered(d)
			}
		}
		claim()
		if !got[due.ID] || !got[fresh.ID] {
			x.Errorf("after a jump of %v units only %v are due", jump, got)
		}
		if jump < 0 {
			x.advance(-jump)
		}
		x.advance(11)
		claim()
		if !reflect.DeepEqual(got, want) {
			x.Errorf("after a jump of %v units got %v, want %v", jump, got, want)
		}
	}
}
