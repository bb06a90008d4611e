package forward

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// outcome is what done was told.
type outcome struct {
	Answer
	retrystore.Settlement
	made  bool
	after time.Duration
	state retrystore.State // of the delivery in the store at that moment
}

// runSlot makes one attempt and returns what was told, each time it was.
func runSlot(d *Dispatcher, q *fakeQueue) (id string, told *[]outcome) {
	begin := time.Now()
	slot, ok := d.reserve(laneA)
	if !ok {
		panic("no slot")
	}
	stored := q.add(laneA, slot.lane.lease, nil)
	told = new([]outcome)
	done := func(a Answer, s retrystore.Settlement, made bool) {
		*told = append(*told, outcome{a, s, made, time.Since(begin), q.get(stored.ID).d.State})
	}
	slot.run(stored, done)
	slot.run(stored, done) // as little as a deferred cancel
	slot.cancel()
	return stored.ID, told
}

func TestDone(t *testing.T) {
	long := strings.Repeat("x", 3*retrystore.MaxAnswer)
	tests := map[string]struct {
		sender senderFunc
		status int // that is told
		state  retrystore.State
		text   string
		after  time.Duration
	}{
		"answer": {func(context.Context, *retrystore.Delivery) (Answer, error) {
			time.Sleep(time.Second)
			return Answer{Status: 200, Header: http.Header{"Content-Type": {"text/xml"}}, Body: []byte(long)}, nil
		}, 200, retrystore.Delivered, "", time.Second},
		"refusal": {answers(404).(senderFunc), 404, retrystore.Pending, "", 0},
		"dead":    {answers(410).(senderFunc), 410, retrystore.Dead, "", 0},
		"timeout": {hangs().(senderFunc), 0, retrystore.Pending, "timeout after 30s", 30 * time.Second},
		"panic":   {func(context.Context, *retrystore.Delivery) (Answer, error) { panic("oops") }, 0, retrystore.Pending, "panic: oops", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newFakeQueue()
				d := start(t, q, Options{}, Destination{Lane: laneA, Sender: test.sender})
				synctest.Wait()
				id, told := runSlot(d, q)
				time.Sleep(test.after)
				synctest.Wait()
				if len(*told) != 1 {
					t.Fatalf("told %d times", len(*told))
				}
				got := (*told)[0]
				if !got.made || got.Status != test.status || got.State != test.state || got.state != test.state ||
					got.Attempt.Error != test.text || got.after != test.after {
					t.Errorf("told %+v, want %+v", got, test)
				}
				if name == "answer" && (string(got.Body) != long || got.Header.Get("Content-Type") != "text/xml") {
					t.Errorf("told %d bytes, header %v", len(got.Body), got.Header)
				}
				if n := len(q.get(id).history[0].Answer); n > retrystore.MaxAnswer {
					t.Errorf("%d bytes kept", n)
				}
			})
		})
	}
}

// An outcome that the store did not take is told all the same.
func TestDoneWithoutStore(t *testing.T) {
	for _, failure := range []error{retrystore.ErrLeaseLost, retrystore.ErrClosed, errAway} {
		synctest.Test(t, func(t *testing.T) {
			q := newFakeQueue()
			q.onSettle = func(*retrystore.Delivery, retrystore.Settlement) error { return failure }
			d := start(t, q, Options{}, Destination{Lane: laneA, Sender: answers(200)})
			synctest.Wait()
			_, told := runSlot(d, q)
			time.Sleep(DefaultTimeout + leaseMargin)
			d.Stop(t.Context())
			if len(*told) != 1 || !(*told)[0].made || (*told)[0].Status != 200 {
				t.Errorf("%v: told %+v", failure, *told)
			}
		})
	}
}

// Shutdown before or during the attempt: told at once that there was none.
func TestDoneAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: hangs()})
		synctest.Wait()
		cut, told := runSlot(d, q)
		late, _ := d.reserve(laneA)
		stopAfter(d, time.Second)
		if len(*told) != 1 || (*told)[0].made || (*told)[0].Status != 0 || (*told)[0].state != retrystore.Pending {
			t.Errorf("cut off: told %+v", *told)
		}
		calls := 0
		stored := q.add(laneA, late.lane.lease, nil)
		late.run(stored, func(_ Answer, _ retrystore.Settlement, made bool) {
			if calls++; made {
				t.Error("made after Stop")
			}
		})
		if calls != 1 {
			t.Errorf("told %d times before run returned", calls)
		}
		for _, id := range []string{cut, stored.ID} {
			if e := q.get(id); e.d.State != retrystore.Pending || e.d.Attempts != 0 {
				t.Errorf("%+v", e.d)
			}
		}
	})
}

// A receiver that panics costs a line of log, not a slot; Stop waits for one
// that takes its time.
func TestDoneReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		logger, logs := logged()
		d := start(t, q, Options{Logger: logger}, Destination{Lane: laneA, Sender: answers(200), MaxInFlight: 1})
		synctest.Wait()
		for range 3 {
			slot, ok := d.reserve(laneA)
			if !ok {
				t.Fatal("the slot is lost")
			}
			slot.run(q.add(laneA, slot.lane.lease, nil), func(Answer, retrystore.Settlement, bool) { panic("oops") })
			synctest.Wait()
		}
		if n := logs.FilterMessage("receiver of an outcome panicked").Len(); n != 3 {
			t.Errorf("logged %d times", n)
		}
		slot, _ := d.reserve(laneA)
		slot.run(q.add(laneA, slot.lane.lease, nil), func(Answer, retrystore.Settlement, bool) { time.Sleep(time.Second) })
		if took := stopAfter(d, time.Minute); took != time.Second {
			t.Errorf("Stop took %s", took)
		}
	})
}

// TestGoexit: a Sender that ends its goroutine costs neither the slot, nor the
// outcome, nor the breaker's probe.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		var back atomic.Bool
		sender := senderFunc(func(context.Context, *retrystore.Delivery) (Answer, error) {
			if !back.Load() {
				runtime.Goexit()
			}
			return Answer{Status: 200}, nil
		})
		d := start(t, q, Options{}, Destination{Lane: laneA, Sender: sender, MaxInFlight: 1,
			Breaker: Breaker{Failures: 2, Recovery: time.Minute, Probes: 1}, Retry: Retry{Initial: time.Second, Jitter: -1}})
		synctest.Wait()
		id, told := runSlot(d, q)
		synctest.Wait()
		if len(*told) != 1 || !(*told)[0].made || (*told)[0].Attempt.Error != errGoexit.Error() {
			t.Fatalf("told %+v", *told)
		}
		time.Sleep(time.Second) // the second attempt opens the breaker
		synctest.Wait()
		if state := d.Breakers()[laneA].State; state != BreakerOpen {
			t.Errorf("breaker is %v", state)
		}
		time.Sleep(time.Minute) // the probe goes the same way
		synctest.Wait()
		back.Store(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := q.get(id); got.d.State != retrystore.Delivered || len(got.history) != 4 {
			t.Errorf("%v after %d attempts", got.d.State, len(got.history))
		}
		if slot, ok := d.reserve(laneA); !ok {
			t.Error("the slot is lost")
		} else {
			slot.cancel()
		}
		if took := stopAfter(d, time.Minute); took != 0 {
			t.Errorf("stopping took %s", took)
		}
	})
}
