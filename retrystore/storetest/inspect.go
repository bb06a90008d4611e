package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var inspectTests = map[string]func(*suite){
	"Get":               testGet,
	"HistoryIsBounded":  testHistoryIsBounded,
	"Replay":            testReplay,
	"ReplayEndsLeases":  testReplayEndsLeases,
	"Delete":            testDelete,
	"DeliveredSiblings": testDeliveredSiblings,
	"Stats":             testStats,
	"Notify":            testNotify,
	"Closed":            testClosed,
}

func testGet(x *suite) {
	e := x.event()
	r, err := x.submit("k", e, x.target(lane.Destination, 10))
	x.check(err)
	id := r.Deliveries[0].ID
	d := x.wantState(id, retrystore.Leased)
	x.wantEvent(d.Event, e)
	if d.ID != id || d.Lane != lane || d.Priority != 5 || len(d.History) != 0 {
		x.Errorf("delivery %+v", *d)
	}
	attempts := []retrystore.Attempt{
		{At: x.Now().Truncate(time.Millisecond).UTC(), Duration: 123 * time.Millisecond, Status: 502, Answer: []byte("bad\x00gateway")},
		{At: x.Now().Truncate(time.Millisecond).UTC(), Duration: 5 * time.Second, Error: "timeout"},
	}
	x.settle(r.Deliveries[0], retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: x.Now(), Attempt: attempts[0]})
	x.settle(x.claimOnly(d), retrystore.Settlement{State: retrystore.Dead, Reason: "gone", Attempt: attempts[1]})
	d = x.wantState(id, retrystore.Dead)
	if len(d.History) != 2 {
		x.Fatalf("history %+v, want 2 attempts", d.History)
	}
	for i, a := range d.History {
		w := attempts[i]
		if !a.At.Equal(w.At) || a.Duration != w.Duration || a.Status != w.Status || a.Error != w.Error || !bytes.Equal(a.Answer, w.Answer) {
			x.Errorf("attempt %d is %+v, want %+v", i, a, w)
		}
	}
	if d.LastStatus != 0 || d.LastError != "timeout" {
		x.Errorf("last attempt: %d, %q", d.LastStatus, d.LastError)
	}
	for _, id := range []string{"", "nonsense", d.ID + "0", "0" + d.ID[1:], d.ID[:len(d.ID)-1] + "z"} {
		if id != d.ID {
			x.wantGone(id)
		}
	}
}

func testHistoryIsBounded(x *suite) {
	d := x.claimOnly(x.acceptOne())
	const n = retrystore.MaxHistory + 5
	for i := range n {
		x.settle(d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: x.Now(), Attempt: retrystore.Attempt{
			At: x.Now(), Status: i, Answer: bytes.Repeat([]byte{byte(i)}, retrystore.MaxAnswer+500),
		}})
		if i == n/2 {
			x.reopen() // half of them come from memory, half from storage
		}
		d = x.claimOnly(d)
	}
	got := x.get(d.ID)
	if got.Attempts != n || len(got.History) != retrystore.MaxHistory {
		x.Fatalf("%d attempts with %d in the history, want %d and %d", got.Attempts, len(got.History), n, retrystore.MaxHistory)
	}
	for i, a := range got.History {
		if want := n - retrystore.MaxHistory + i; a.Status != want {
			x.Errorf("history[%d] has status %d, want %d", i, a.Status, want)
		}
		if len(a.Answer) != retrystore.MaxAnswer {
			x.Errorf("history[%d] has an answer of %d bytes, want %d", i, len(a.Answer), retrystore.MaxAnswer)
		}
	}
}

func testReplay(x *suite) {
	d := x.claimOnly(x.acceptOne())
	x.wantErr(x.store.Replay(x.Context(), d.ID), retrystore.ErrState)
	x.kill(d)
	x.advance(5)
	x.check(x.store.Replay(x.Context(), d.ID))
	got := x.wantState(d.ID, retrystore.Pending)
	if got.Attempts != 1 || got.Budget.Attempts != 1 || !x.near(got.Budget.Since, x.Now()) || got.Reason != "" || got.LastStatus != 500 {
		x.Errorf("replayed %+v", *got)
	}
	got = x.claimOnly(d)
	if got.Attempts != 1 || got.Budget.Attempts != 1 {
		x.Errorf("claimed after replay %+v", *got)
	}
	x.retry(got, 50)
	x.claimNothing(lane)
	x.check(x.store.Replay(x.Context(), d.ID)) // of a pending one: now, not in 50 units
	got = x.claimOnly(d)
	if got.Budget.Attempts != 2 || len(x.get(d.ID).History) != 2 {
		x.Errorf("claimed after second replay %+v", *got)
	}
	x.delivered(got)
	x.wantErr(x.store.Replay(x.Context(), d.ID), retrystore.ErrNotFound)
	x.wantErr(x.store.Replay(x.Context(), "nonsense"), retrystore.ErrNotFound)
}

// What people did by hand while a worker was late must stand.
func testReplayEndsLeases(x *suite) {
	a, b := x.acceptOne(), x.acceptOne()
	late := x.claim(lane, 2)
	x.advance(11)
	x.check(x.store.Replay(x.Context(), a.ID))
	x.check(x.store.Delete(x.Context(), b.ID))
	for _, d := range late {
		x.wantErr(x.store.Settle(x.Context(), d, retrystore.Settlement{State: retrystore.Dead, Reason: "late"}), retrystore.ErrLeaseLost)
	}
	x.wantState(a.ID, retrystore.Pending)
	x.wantGone(b.ID)
}

func testDelete(x *suite) {
	r, err := x.submit("k", x.event(), x.target("app", 0), x.target("audit", 10))
	x.check(err)
	app, audit := r.Deliveries[0], r.Deliveries[1]
	x.wantErr(x.store.Delete(x.Context(), audit.ID), retrystore.ErrState)
	x.check(x.store.Delete(x.Context(), app.ID))
	x.wantGone(app.ID)
	x.claimNothing(app.Lane)
	x.wantErr(x.store.Delete(x.Context(), app.ID), retrystore.ErrNotFound)
	x.wantErr(x.store.Replay(x.Context(), app.ID), retrystore.ErrNotFound)
	x.wantDuplicate("k", retrystore.Pending) // the other one is still open
	x.kill(audit)
	x.check(x.store.Delete(x.Context(), audit.ID))
	x.wantGone(audit.ID)
	x.wantDuplicate("k", retrystore.Delivered)
	if all := x.all(retrystore.Filter{}, 10); len(all) > 0 {
		x.Errorf("listed %v after all were deleted", ids(all))
	}
}

func testDeliveredSiblings(x *suite) {
	ds := x.accept(x.target("app", 10), x.target("audit", 10))
	x.delivered(ds[0])
	got := x.wantState(ds[0].ID, retrystore.Delivered)
	if got.Attempts != 1 || got.LastStatus != 200 || len(got.History) != 1 {
		x.Errorf("delivered with an open sibling %+v", *got)
	}
	if all := x.all(retrystore.Filter{States: []retrystore.State{retrystore.Delivered}}, 10); len(all) != 1 || all[0].ID != ds[0].ID {
		x.Errorf("listed as delivered %v, want %s", ids(all), ds[0].ID)
	}
	x.wantErr(x.store.Replay(x.Context(), ds[0].ID), retrystore.ErrState)
	x.wantErr(x.store.Delete(x.Context(), ds[0].ID), retrystore.ErrState)
	x.delivered(ds[1])
	x.wantGone(ds[0].ID)
	x.wantGone(ds[1].ID)
}

func testStats(x *suite) {
	oldest := x.acceptOne()
	x.advance(1)
	for range 4 {
		x.acceptOne()
	}
	x.accept(x.target("audit", 10))
	if got := x.stats(lane); got.Pending != 5 || got.Leased != 0 || got.Dead != 0 || got.Retrying != 0 || !x.near(got.OldestPending, oldest.Event.ReceivedAt) {
		x.Errorf("five pending: %+v", got)
	}
	ds := x.claim(lane, 3)
	if got := x.stats(lane); got.Pending != 2 || got.Leased != 3 || !x.near(got.OldestPending, oldest.Event.ReceivedAt) {
		x.Errorf("three leased: %+v", got)
	}
	x.kill(ds[0])
	x.retry(ds[1], 1)
	x.delivered(ds[2])
	if got := x.stats(lane); got.Pending != 3 || got.Leased != 0 || got.Dead != 1 || got.Retrying != 1 || !x.near(got.OldestPending, ds[1].Event.ReceivedAt) {
		x.Errorf("one dead, one to retry, one delivered: %+v", got)
	}
	if got := x.stats(retrystore.Lane{Endpoint: "shop", Destination: "audit"}); got.Leased != 1 || got.Pending != 0 {
		x.Errorf("other lane: %+v", got)
	}
	x.advance(11)
	if got := x.stats(retrystore.Lane{Endpoint: "shop", Destination: "audit"}); got.Leased != 0 || got.Pending != 1 {
		x.Errorf("other lane after its lease lapsed: %+v", got)
	}
	x.check(x.store.Replay(x.Context(), ds[0].ID))
	if got := x.stats(lane); got.Dead != 0 || got.Retrying != 2 || got.Pending != 4 {
		x.Errorf("after a replay: %+v", got)
	}
	_, err := x.submit("k", x.event(), x.target("audit", 0))
	x.check(err)
	s, err := x.store.Stats(x.Context())
	x.check(err)
	keys := 1
	if x.NoKeyCount {
		keys = -1
	}
	if s.Keys != keys || len(s.Lanes) != 2 || s.Lanes[0].Destination != "app" || s.Lanes[1].Destination != "audit" {
		x.Errorf("stats %+v", s)
	}
}

func testNotify(x *suite) {
	woken := make(chan retrystore.Lane, 100)
	stop := x.store.Notify(func(l retrystore.Lane) { woken <- l })
	// wakes wants these lanes and no other to be woken, in any order.
	mark := 0
	wakes := func(want ...retrystore.Lane) {
		x.Helper()
		mark++ // the wake of this lane comes after all that are under way
		last := retrystore.Lane{Endpoint: "shop", Destination: fmt.Sprint("mark", mark)}
		x.accept(x.target(last.Destination, 0))
		got := make(map[retrystore.Lane]bool)
		for {
			select {
			case l := <-woken:
				if l == last {
					for _, l := range want {
						if !got[l] {
							x.Errorf("lane %s was not woken", l)
						}
						delete(got, l)
					}
					for l := range got {
						x.Errorf("lane %s was woken for nothing", l)
					}
					return
				}
				got[l] = true
			case <-time.After(10 * time.Second):
				x.Fatalf("lane %s was not woken", last)
			}
		}
	}
	a := retrystore.Lane{Endpoint: "shop", Destination: "a"}
	b := retrystore.Lane{Endpoint: "shop", Destination: "b"}
	x.accept(x.target("a", 0))
	wakes(a)
	ds := x.accept(x.target("a", 10), x.target("b", 0))
	wakes(b)
	x.check(x.store.Release(x.Context(), ds[0]))
	wakes(a)
	x.check(x.store.Settle(x.Context(), x.claim(a, 1)[0], retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now().Add(time.Hour)}))
	wakes(a)
	d := x.claim(b, 1)[0]
	x.kill(d)
	wakes()
	x.check(x.store.Replay(x.Context(), d.ID))
	wakes(b)

	var mu sync.Mutex
	second := 0
	stop2 := x.store.Notify(func(retrystore.Lane) { mu.Lock(); second++; mu.Unlock() })
	x.accept(x.target("a", 0))
	wakes(a)
	stop2()
	stop2()
	wakes() // a call that was under way has ended by now
	mu.Lock()
	before := second
	mu.Unlock()
	if before == 0 {
		x.Error("the second callback was not called")
	}
	x.accept(x.target("a", 0))
	wakes(a)
	stop()
	mu.Lock()
	defer mu.Unlock()
	if second != before {
		x.Error("a callback was called after it was stopped")
	}
}

func testClosed(x *suite) {
	d := x.claimOnly(x.acceptOne())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := x.store.Close(); err != nil {
				x.Error(err)
			}
		})
	}
	wg.Wait()
	ctx := x.Context()
	_, accept := x.submit("k", x.event(), x.target("app", 0))
	_, claim := x.store.Claim(ctx, retrystore.ClaimRequest{Lane: lane, Max: 1, Lease: x.Unit})
	_, get := x.store.Get(ctx, d.ID)
	_, list := x.store.List(ctx, retrystore.Filter{}, "", 10)
	_, stats := x.store.Stats(ctx)
	for name, err := range map[string]error{
		"Accept": accept, "Claim": claim, "Get": get, "List": list, "Stats": stats,
		"Settle":  x.store.Settle(ctx, d, retrystore.Settlement{State: retrystore.Delivered}),
		"Renew":   x.store.Renew(ctx, d, x.Unit),
		"Release": x.store.Release(ctx, d),
		"Replay":  x.store.Replay(ctx, d.ID),
		"Delete":  x.store.Delete(ctx, d.ID),
	} {
		if !errors.Is(err, retrystore.ErrClosed) {
			x.Errorf("%s on a closed store: error %v, want ErrClosed", name, err)
		}
	}
	x.open()
	x.lapse()
	x.claimOnly(d) // what was leased is pending again
}
