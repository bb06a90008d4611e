package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func TestNewReportsEverything(t *testing.T) {
	ok := answers(200)
	_, err := New(newFakeQueue(), []Destination{
		{Lane: laneA, Sender: ok},
		{Lane: laneA, Sender: ok},
		{Lane: laneB, Timeout: -1, MaxInFlight: -1, DeadOn: []int{204, 42},
			Rate: -1, Breaker: Breaker{Failures: -1, Recovery: -1, Probes: -1}, Retry: Retry{Strategy: "never"}},
	}, Options{})
	for _, want := range []string{"shop/a: configured twice", "shop/b", "no sender", "timeout", "max_in_flight", "204", "42", "never",
		"rate is -1", "failures -1", "recovery -1ns", "probes -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
	if _, err := New(nil, nil, Options{}); err == nil {
		t.Error("no queue: no error")
	}
}

// The short way: no claim, no waiting, one attempt, one settlement.
func TestSlotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, seen := newFakeQueue(), newRecorder()
		var sent *retrystore.Delivery
		d := start(t, q, Options{Observer: seen}, Destination{Lane: laneA, Sender: senderFunc(
			func(ctx context.Context, d *retrystore.Delivery) (Answer, error) {
				if deadline, _ := ctx.Deadline(); time.Until(deadline) != DefaultTimeout {
					t.Errorf("deadline in %s", time.Until(deadline))
				}
				sent = d
				return Answer{Status: 204, Body: bytes.Repeat([]byte("x"), 2*retrystore.MaxAnswer)}, nil
			})})
		synctest.Wait()
		claims := q.claimCount() // what was stored before the start

		slot, ok := d.reserve(laneA)
		if !ok {
			t.Fatal("no slot")
		}
		if slot.lane.lease != DefaultTimeout+leaseMargin {
			t.Errorf("lease %s", slot.lane.lease)
		}
		stored := q.add(laneA, slot.lane.lease, nil)
		slot.run(stored, nil)
		slot.cancel() // as a deferred cancel does
		synctest.Wait()

		if sent != stored {
			t.Errorf("sent %v", sent)
		}
		e := q.get(stored.ID)
		if e.d.State != retrystore.Delivered || len(e.history) != 1 {
			t.Fatalf("stored as %+v", e)
		}
		if a := e.history[0]; a.Status != 204 || a.Error != "" || len(a.Answer) != retrystore.MaxAnswer || !a.At.Equal(time.Now()) {
			t.Errorf("attempt %+v", a)
		}
		if q.claimCount() != claims {
			t.Errorf("%d claims", q.claimCount()-claims)
		}
		if seen.attempted["delivered"] != 1 || seen.settled["delivered"] != 1 {
			t.Errorf("observed %+v", seen)
		}
	})
}

func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		d, err := New(q, []Destination{{Lane: laneA, Sender: answers(200), MaxInFlight: 2}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		can := func() bool {
			slot, ok := d.reserve(laneA)
			if ok {
				slot.cancel()
				slot.cancel() // once counts
			}
			return ok
		}
		if can() {
			t.Error("reserved before Start")
		}
		d.Start()
		d.Start()
		synctest.Wait()
		if _, ok := d.reserve(laneB); ok {
			t.Error("reserved in an unknown lane")
		}
		one, _ := d.reserve(laneA)
		two, _ := d.reserve(laneA)
		if one.lane == nil || two.lane == nil || can() {
			t.Error("want two slots")
		}
		one.cancel()
		if !can() {
			t.Error("a cancelled slot is not free")
		}
		two.cancel()
		d.Stop(t.Context())
		if can() {
			t.Error("reserved after Stop")
		}
	})
}

func settled(s retrystore.State) bool {
	return s == retrystore.Delivered || s == retrystore.Dead
}

// schedule returns when each attempt was made, after the first, and how the
// delivery ended, where no breaker gives the destination a rest.
func schedule(t *testing.T, dest Destination) (waits []time.Duration, end fakeEntry) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		dest.Lane, dest.Breaker.Off = laneA, true
		d := start(t, q, Options{}, dest)
		id := q.add(laneA, 0, nil).ID
		for !settled(q.get(id).d.State) && q.now().Sub(q.get(id).d.Budget.Since) < 2*DefaultMaxAge {
			time.Sleep(time.Second)
		}
		d.Stop(t.Context())
		end = q.get(id)
		for i := 1; i < len(end.history); i++ {
			waits = append(waits, end.history[i].At.Sub(end.history[0].At))
		}
	})
	return waits, end
}

func TestRetrySchedule(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		dest   Destination
		waits  []time.Duration
		reason string
	}{
		"max_attempts": {Destination{Sender: answers(500), Retry: Retry{MaxAttempts: 5}},
			[]time.Duration{1 * s, 3 * s, 7 * s, 15 * s}, "max_attempts"},
		"linear": {Destination{Sender: answers(500), Retry: Retry{Strategy: Linear, MaxAttempts: 4}},
			[]time.Duration{1 * s, 3 * s, 6 * s}, "max_attempts"},
		"fibonacci": {Destination{Sender: answers(500), Retry: Retry{Strategy: Fibonacci, MaxAttempts: 6}},
			[]time.Duration{1 * s, 2 * s, 4 * s, 7 * s, 12 * s}, "max_attempts"},
		"max_age": {Destination{Sender: answers(500), Retry: Retry{MaxAge: 10 * s}},
			[]time.Duration{1 * s, 3 * s, 7 * s}, "max_age"},
		"dead_on": {Destination{Sender: answers(410)}, nil, "status_410"},
		"retry-after": {Destination{Retry: Retry{MaxAttempts: 3}, Sender: senderFunc(
			func(context.Context, *retrystore.Delivery) (Answer, error) {
				return Answer{Status: 429, RetryAfter: "60"}, nil
			})}, []time.Duration{60 * s, 120 * s}, "max_attempts"},
		"timeout": {Destination{Sender: hangs(), Timeout: 5 * s, Retry: Retry{MaxAttempts: 3}},
			[]time.Duration{6 * s, 13 * s}, "max_attempts"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			waits, end := schedule(t, test.dest)
			if !slices.Equal(waits, test.waits) {
				t.Errorf("attempts after %v, want %v", waits, test.waits)
			}
			if end.d.State != retrystore.Dead || end.reason != test.reason {
				t.Errorf("%s, reason %q", end.d.State, end.reason)
			}
		})
	}
}

func TestDefaultScheduleTakesSixteenAttempts(t *testing.T) {
	waits, end := schedule(t, Destination{Sender: answers(500)})
	if len(waits) != 15 || end.reason != ReasonMaxAttempts {
		t.Errorf("%d retries, reason %q", len(waits), end.reason)
	}
	// 1+2+…+2048 s, then three waits of an hour.
	if want := 4095*time.Second + 3*time.Hour; waits[14] != want {
		t.Errorf("last attempt after %s, want %s", waits[14], want)
	}
}

func TestRecoversOnceTheApplicationDoes(t *testing.T) {
	calls := 0
	_, end := schedule(t, Destination{Sender: senderFunc(func(_ context.Context, d *retrystore.Delivery) (Answer, error) {
		if calls++; d.Attempts != calls-1 {
			t.Errorf("attempt %d has Attempts %d", calls, d.Attempts)
		}
		if calls < 4 {
			return Answer{Status: 503}, nil
		}
		return Answer{Status: 200}, nil
	})})
	if end.d.State != retrystore.Delivered || end.d.Attempts != 4 {
		t.Errorf("%s after %d attempts", end.d.State, end.d.Attempts)
	}
}

// nilError is an error whose text cannot be had from a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestFailuresAreRecorded(t *testing.T) {
	long := strings.Repeat("é", maxError) // two bytes each
	tests := map[string]struct {
		send   senderFunc
		status int
		text   string
	}{
		"error": {func(context.Context, *retrystore.Delivery) (Answer, error) { return Answer{}, errors.New("refused") }, 0, "refused"},
		"with status": {func(context.Context, *retrystore.Delivery) (Answer, error) {
			return Answer{Status: 502}, errors.New("dial")
		}, 502, "dial"},
		"no answer":   {func(context.Context, *retrystore.Delivery) (Answer, error) { return Answer{}, nil }, 0, "no answer"},
		"panic":       {func(context.Context, *retrystore.Delivery) (Answer, error) { panic("oops") }, 0, "panic: oops"},
		"panic slice": {func(context.Context, *retrystore.Delivery) (Answer, error) { panic([]int{1}) }, 0, "panic: [1]"},
		"abort":       {func(context.Context, *retrystore.Delivery) (Answer, error) { panic(http.ErrAbortHandler) }, 0, "panic: net/http: abort Handler"},
		"timeout":     {hangs().(senderFunc), 0, "timeout after 30s"},
		"timeout nil": {func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) { <-ctx.Done(); return Answer{}, nil }, 0, "timeout after 30s"},
		"timeout 499": {func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 499}, nil
		}, 0, "timeout after 30s"},
		"timeout 504": {func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 504}, ctx.Err()
		}, 0, "timeout after 30s"},
		"just in time": {func(ctx context.Context, _ *retrystore.Delivery) (Answer, error) {
			<-ctx.Done()
			return Answer{Status: 500}, nil
		}, 500, ""},
		"long": {func(context.Context, *retrystore.Delivery) (Answer, error) { return Answer{}, errors.New("a" + long) }, 0, "a" + long[:510]},
		"url": {func(context.Context, *retrystore.Delivery) (Answer, error) {
			return Answer{}, fmt.Errorf("x: %w", &url.Error{Op: "Post", URL: "http://app/?token=hunter2", Err: errors.New("EOF")})
		}, 0, "Post: EOF"},
		"nil pointer": {func(context.Context, *retrystore.Delivery) (Answer, error) { return Answer{}, (*nilError)(nil) }, 0, "error without text"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, end := schedule(t, Destination{Sender: test.send, Retry: Retry{MaxAttempts: 2}})
			if end.d.State != retrystore.Dead || len(end.history) != 2 {
				t.Fatalf("ended %s after %d attempts: the first was not retried", end.d.State, len(end.history))
			}
			if a := end.history[0]; a.Status != test.status || a.Error != test.text || !utf8.ValidString(a.Error) {
				t.Errorf("recorded %d %q, want %d %q", a.Status, a.Error, test.status, test.text)
			}
		})
	}
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, statuses := newFakeQueue(), []int{500, 200, 410}
		logger, logs := logged()
		start(t, q, Options{Logger: logger}, Destination{Lane: laneA, Sender: senderFunc(
			func(context.Context, *retrystore.Delivery) (a Answer, err error) {
				a.Status, statuses = statuses[0], statuses[1:]
				return a, nil
			})})
		one := q.add(laneA, 0, nil)
		time.Sleep(time.Minute)
		two := q.add(laneA, 0, nil)
		time.Sleep(time.Minute)

		lines := logs.FilterMessage("delivery settled").AllUntimed()
		if len(lines) != 3 {
			t.Fatalf("%d lines: %v", len(lines), lines)
		}
		want := []struct {
			level   zapcore.Level
			id      string
			attempt int64
			outcome string
			status  int64
			extra   string
		}{
			{zapcore.InfoLevel, one.ID, 1, "retry", 500, "next_attempt_at"},
			{zapcore.InfoLevel, one.ID, 2, "delivered", 200, ""},
			{zapcore.WarnLevel, two.ID, 1, "dead", 410, "reason"},
		}
		for i, line := range lines {
			f, w := line.ContextMap(), want[i]
			if line.Level != w.level || f["delivery_id"] != w.id || f["attempt"] != w.attempt || f["outcome"] != w.outcome || f["status"] != w.status {
				t.Errorf("line %d: %s %v, want %+v", i, line.Level, f, w)
			}
			for _, key := range []string{"endpoint", "destination", "event_id", "event_type", "correlation_id", "duration", w.extra} {
				if _, ok := f[key]; key != "" && !ok {
					t.Errorf("line %d has no %s: %v", i, key, f)
				}
			}
			if text := fmt.Sprint(f); strings.Contains(text, "secret") {
				t.Errorf("line %d holds the body: %s", i, text)
			}
		}
	})
}

func TestRetryShare(t *testing.T) {
	for maxInFlight, want := range map[int]int{1: 1, 2: 1, 3: 2, 4: 3, 8: 6, 32: 24} {
		l := newLane(newFakeQueue(), Destination{MaxInFlight: maxInFlight}, Options{Logger: zap.NewNop(), Now: time.Now})
		l.cancel()
		if l.retryShare != want {
			t.Errorf("of %d slots retries may take %d, want %d", maxInFlight, l.retryShare, want)
		}
	}
}

// gauge counts what is in flight at once.
type gauge struct {
	mu                   sync.Mutex
	now, most            int
	retriesNow, retryMax int
}

// read returns what is in flight, and the most that was.
func (g *gauge) read() (now, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.most
}

func (g *gauge) enter(d *retrystore.Delivery) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	retry := min(d.Attempts, 1)
	g.now++
	g.retriesNow += retry
	g.most, g.retryMax = max(g.most, g.now), max(g.retryMax, g.retriesNow)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.now--
		g.retriesNow -= retry
	}
}
