package forward

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// application is a Sender that fails while it is down.
type application struct {
	down    atomic.Bool
	service time.Duration
	fail    func(ctx context.Context) (Answer, error) // nil: 503
}

func (a *application) Send(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
	switch {
	case !a.down.Load():
		return takes(a.service).Send(ctx, d)
	case a.fail != nil:
		return a.fail(ctx)
	}
	return Answer{Status: 503}, nil
}

// The application is down for ten minutes, in every way of failing: it is asked
// five times, then by one probe a minute; everything else waits in the store,
// as if nothing had been tried, and is delivered in order once it is back.
func TestBreakerHoldsAndDrains(t *testing.T) {
	failures := map[string]func(ctx context.Context) (Answer, error){
		"status":  nil,
		"refused": func(context.Context) (Answer, error) { return Answer{}, errors.New("connection refused") },
		"error":   func(context.Context) (Answer, error) { return Answer{Status: 200}, errors.New("broke off") },
		"panic":   func(context.Context) (Answer, error) { panic("oops") },
		"hangs":   func(ctx context.Context) (Answer, error) { <-ctx.Done(); return Answer{}, ctx.Err() },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const s, n = time.Second, 50
				q, app := newFakeQueue(), &application{fail: fail, service: 100 * time.Millisecond}
				sender := newStarts(app)
				app.down.Store(true)
				for i := range n {
					q.add(laneA, 0, func(d *retrystore.Delivery) { d.Priority = i % 3 })
				}
				d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, MaxInFlight: 1, Timeout: s,
					Breaker: Breaker{Probes: 1}, Retry: Retry{Initial: time.Hour}})
				took := time.Duration(0)
				if name == "hangs" {
					took = s
				}
				want := []time.Duration{0, took, 2 * took, 3 * took, 4 * took}
				for range 10 {
					want = append(want, want[len(want)-1]+took+time.Minute)
				}
				time.Sleep(want[len(want)-1] + 30*s)
				synctest.Wait()
				if !slices.Equal(sender.at, want) {
					t.Fatalf("attempts after %v, want %v", sender.at, want)
				}
				if _, ok := d.reserve(laneA); ok {
					t.Error("reserved while open")
				}
				untried := 0
				for id := range q.entries {
					if e := q.get(id); e.d.State != retrystore.Pending {
						t.Errorf("held delivery is %s", e.d.State)
					} else if e.d.Attempts == 0 {
						untried++
					}
				}
				if untried != n-len(want) {
					t.Errorf("%d of %d untried", untried, n)
				}

				app.down.Store(false)
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := q.count(laneA, retrystore.Delivered); got != untried {
					t.Errorf("%d of %d delivered in the minute after", got, untried)
				}
				var priorities []int
				for _, id := range sender.of {
					priorities = append(priorities, -q.get(id).d.Priority)
				}
				if !slices.IsSorted(priorities) {
					t.Errorf("drained in the order %v", priorities)
				}
				if _, direct := accept(d, q, laneA); !direct {
					t.Error("the short way is still closed")
				}
				time.Sleep(time.Hour) // for those that were tried
				synctest.Wait()
				if got := q.count(laneA, retrystore.Delivered); got != n+1 {
					t.Errorf("%d of %d delivered in the end", got, n+1)
				}
			})
		})
	}
}

// Answers of an application that lives open nothing.
func TestBreakerIgnoresAnswers(t *testing.T) {
	for _, status := range []int{302, 400, 404, 410, 429, 499} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(status), DeadOn: []int{}})
			for range 20 {
				synctest.Wait()
				accept(d, q, laneA)
			}
			synctest.Wait()
			if got := d.Breakers()[laneA]; got.State != BreakerClosed || got.Failures != 0 {
				t.Errorf("status %d: %+v", status, got)
			}
		})
	}
}

// While it is half-open no more than the probes are in flight, the short way
// included, and those that were before finish as usual.
func TestBreakerProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var in gauge
		var failing atomic.Bool
		failing.Store(true)
		sender := senderFunc(func(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
			defer in.enter(d)()
			if d.Priority == 7 { // a straggler from before: succeeds late
				return takes(70*time.Second).Send(ctx, d)
			}
			if failing.Load() {
				return Answer{}, errors.New("refused")
			}
			return takes(20*time.Second).Send(ctx, d)
		})
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, Timeout: 5 * time.Minute, Breaker: Breaker{Probes: 2}})
		straggler := q.add(laneA, 0, func(d *retrystore.Delivery) { d.Priority = 7 }).ID
		for range DefaultFailures {
			synctest.Wait()
			accept(d, q, laneA)
		}
		synctest.Wait()
		if now, _ := in.read(); d.Breakers()[laneA].State != BreakerOpen || now != 1 {
			t.Fatalf("%+v, %d in flight", d.Breakers()[laneA], now)
		}
		failing.Store(false)
		for range 10 {
			if _, direct := accept(d, q, laneA); direct {
				t.Fatal("reserved while open")
			}
		}
		time.Sleep(time.Minute) // half-open
		synctest.Wait()
		for range 10 {
			if _, direct := accept(d, q, laneA); direct {
				t.Fatal("reserved beyond the probes")
			}
		}
		time.Sleep(15 * time.Second) // the straggler ends meanwhile
		synctest.Wait()
		if got := q.get(straggler).d.State; got != retrystore.Delivered {
			t.Errorf("straggler is %s", got)
		}
		now, most := in.read()
		if got := d.Breakers()[laneA].State; got != BreakerHalfOpen || most != 3 || now != 2 {
			t.Errorf("%s, %d in flight, %d at most", got, now, most)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		now, _ = in.read()
		if got := d.Breakers()[laneA].State; got != BreakerClosed || now < 20 {
			t.Errorf("%s, %d in flight", got, now)
		}
	})
}

// Half-open with nothing stored, the short way takes the probes; a slot that is
// cancelled gives its probe back.
func TestBreakerProbesTheShortWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, app := newFakeQueue(), &application{}
		app.down.Store(true)
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: app, Retry: Retry{MaxAttempts: 1}})
		for range DefaultFailures {
			synctest.Wait()
			accept(d, q, laneA)
		}
		synctest.Wait()
		app.down.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		for range 10 {
			slot, ok := d.reserve(laneA)
			if !ok {
				t.Fatal("no probe although others were given back")
			}
			slot.cancel()
		}
		var slots []slot
		for range DefaultProbes {
			slot, ok := d.reserve(laneA)
			if !ok {
				t.Fatal("no slot for a probe")
			}
			slots = append(slots, slot)
		}
		if _, ok := d.reserve(laneA); ok {
			t.Error("one probe too many")
		}
		for _, slot := range slots {
			slot.run(q.add(laneA, slot.lane.lease, nil), nil)
		}
		synctest.Wait()
		if got := d.Breakers()[laneA]; got.State != BreakerClosed || got.Failures != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A slot that was reserved, or deliveries that were being claimed, when the
// breaker opened: no attempt is made.
func TestBreakerOpensBeforeTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, app := newFakeQueue(), &application{}
		app.down.Store(true)
		var slow atomic.Bool
		q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
			if slow.Load() {
				time.Sleep(time.Second)
			}
			return nil
		}
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: app, Breaker: Breaker{Failures: 1}, Retry: Retry{MaxAttempts: 1}})
		synctest.Wait()
		early, _ := d.reserve(laneA)
		late, _ := d.reserve(laneA)
		slow.Store(true)
		claimed := q.add(laneA, 0, nil).ID
		synctest.Wait()
		early.run(q.add(laneA, early.lane.lease, nil), nil)
		synctest.Wait()
		slow.Store(false)
		reserved := q.add(laneA, late.lane.lease, nil)
		told := 0
		late.run(reserved, func(a Answer, s retrystore.Settlement, made bool) {
			if told++; made || a.Status != 0 {
				t.Errorf("told %+v %+v %v", a, s, made)
			}
		})
		time.Sleep(59 * time.Second)
		synctest.Wait()
		for _, id := range []string{claimed, reserved.ID} {
			if e := q.get(id); e.d.State != retrystore.Pending || e.d.Attempts != 0 {
				t.Errorf("%+v", e.d)
			}
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		app.down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := q.count(laneA, retrystore.Delivered); n != 2 {
			t.Errorf("%d delivered afterwards", n)
		}
	})
}

// The recovery time is kept to the moment, also when the pump had nothing to do
// when the breaker opened; and then all probes are for what is stored.
func TestBreakerRecoversOnTime(t *testing.T) {
	for _, stored := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q, app, seen := newFakeQueue(), &application{}, newRecorder()
			app.down.Store(true)
			d := start(t, q, Options{Observer: seen}, Destination{Lane: laneA, Sender: app, Retry: Retry{MaxAttempts: 1},
				Breaker: Breaker{Failures: 1, Recovery: time.Second}})
			synctest.Wait()
			accept(d, q, laneA)
			synctest.Wait()
			if stored {
				q.onClaim = func(context.Context, retrystore.ClaimRequest) error {
					time.Sleep(time.Second)
					return nil
				}
				q.add(laneA, 0, nil)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			slot, ok := d.reserve(laneA)
			if got := d.Breakers()[laneA].State; got != BreakerHalfOpen || ok == stored || len(seen.breaker) != 2 {
				t.Errorf("stored %v: %s, reserved %v, told %v", stored, got, ok, seen.breaker)
			}
			if ok {
				slot.cancel()
			}
		})
	}
}

// A slot that is held while the breaker opens and closes again is a good one,
// and its attempt counts.
func TestBreakerCountsOldSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, app := newFakeQueue(), &application{}
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: app, Retry: Retry{MaxAttempts: 1}, Breaker: Breaker{Failures: 1, Probes: 1}})
		synctest.Wait()
		old, _ := d.reserve(laneA)
		app.down.Store(true)
		accept(d, q, laneA)
		synctest.Wait()
		app.down.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		accept(d, q, laneA)
		synctest.Wait()
		if got := d.Breakers()[laneA].State; got != BreakerClosed {
			t.Fatalf("%s", got)
		}
		app.down.Store(true)
		old.run(q.add(laneA, old.lane.lease, nil), nil)
		synctest.Wait()
		if got := d.Breakers()[laneA]; got.State != BreakerOpen || !got.Since.Equal(time.Now()) {
			t.Errorf("%+v", got)
		}
	})
}

// Observer, log and Breakers tell the same, once.
func TestBreakerIsVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, app, seen := newFakeQueue(), &application{}, newRecorder()
		logger, logs := logged()
		begin := time.Now()
		app.down.Store(true)
		d := start(t, q, Options{Observer: seen, Logger: logger},
			Destination{Lane: laneA, Sender: app, Breaker: Breaker{Failures: 3, Recovery: time.Minute, Probes: 1}, Retry: Retry{Initial: time.Second}},
			Destination{Lane: laneB, Sender: app, Breaker: Breaker{Off: true}})
		closed := BreakerState{State: BreakerClosed, Since: begin}
		if got := d.Breakers(); len(got) != 1 || got[laneA] != closed {
			t.Errorf("at first %+v", got)
		}
		q.add(laneA, 0, nil) // tried at 0, 1, 3 s; 63 s
		q.add(laneB, 0, nil)
		time.Sleep(2 * time.Minute)
		app.down.Store(false)
		time.Sleep(time.Minute)
		d.Stop(t.Context())

		at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
		states := []BreakerState{
			closed,
			{State: BreakerOpen, Since: at(3), Until: at(63), Failures: 3},
			{State: BreakerHalfOpen, Since: at(63), Failures: 3},
			{State: BreakerOpen, Since: at(63), Until: at(123), Failures: 4},
			{State: BreakerHalfOpen, Since: at(123), Failures: 4},
			{State: BreakerClosed, Since: at(123)},
		}
		var want []breakerChange
		for i := range states[1:] {
			want = append(want, breakerChange{states[i], states[i+1]})
		}
		want[0].from.Failures = 2 // as it stood before
		if !slices.Equal(seen.breaker, want) {
			t.Errorf("observed %+v\nwant     %+v", seen.breaker, want)
		}
		for i, c := range seen.breaker {
			if !seen.toldAt[i].Equal(c.to.Since) {
				t.Errorf("told of change %d %s late", i, seen.toldAt[i].Sub(c.to.Since))
			}
		}
		if got := d.Breakers()[laneA]; got != states[5] {
			t.Errorf("in the end %+v", got)
		}
		lines := logs.FilterMessageSnippet("breaker").All()
		levels := []zapcore.Level{zapcore.WarnLevel, zapcore.InfoLevel, zapcore.WarnLevel, zapcore.InfoLevel, zapcore.InfoLevel}
		if len(lines) != len(levels) {
			t.Fatalf("logged %v", lines)
		}
		for i, line := range lines {
			if line.Level != levels[i] || line.ContextMap()["destination"] != "a" {
				t.Errorf("line %d: %s %v", i, line.Level, line.ContextMap())
			}
		}
	})
}
