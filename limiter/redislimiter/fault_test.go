package redislimiter_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
)

func limit(words ...string) limiter.Limit {
	l, err := limiter.ParseLimit(words)
	if err != nil {
		panic(err)
	}
	return l
}

// slow is a limit of which nothing comes back in a test.
func slow(burst string) limiter.Limit { return limit(burst, "1/h") }

func global(l limiter.Limit) limiter.Ask { return limiter.Ask{Tier: limiter.Global, Limit: l} }

func ip(key string, l limiter.Limit) limiter.Ask {
	return limiter.Ask{Tier: limiter.IP, Scope: "shop", Key: key, Limit: l}
}

// take takes, and says how long it took. A limiter that fails has the zero Decision.
func take(t testing.TB, l *redislimiter.Limiter, asks ...limiter.Ask) (limiter.Decision, time.Duration) {
	t.Helper()
	begin := time.Now()
	d, err := l.Take(t.Context(), asks...)
	if err != nil && !errors.Is(err, redislimiter.ErrUnavailable) {
		t.Fatal(err)
	}
	return d, time.Since(begin)
}

// eventually calls f until it is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patient)
		}
	}
}

// TestOutage kills and pauses Redis. The first call that finds it away waits for the timeout
// at most, and later calls do not wait. As soon as Redis is back, it is used again.
func TestOutage(t *testing.T) {
	for _, outage := range []string{"killed", "paused"} {
		t.Run(outage, func(t *testing.T) { testOutage(t, outage) })
	}
}

func testOutage(t *testing.T, outage string) {
	const timeout = 200 * time.Millisecond
	s := redistest.Start(t)
	core, logs := observer.New(zap.InfoLevel)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}),
		redislimiter.Options{Timeout: timeout, Logger: zap.New(core)})
	ask := global(slow("2"))
	eventually(t, "redis is asked", func() bool {
		before := l.Unavailable() // a busy machine may take its time to connect
		take(t, l, ip("first", slow("1")))
		return l.Unavailable() == before && !l.Away()
	})
	before := l.Unavailable()
	logs.TakeAll()

	if outage == "killed" {
		s.Kill()
	} else {
		s.Pause()
	}
	_, first := take(t, l, ask)
	if first > timeout+2*time.Second { // a busy machine
		t.Errorf("the first one waited for %s", first)
	}
	if !l.Away() {
		t.Error("redis is not known to be away")
	}
	var all time.Duration
	for range 1000 {
		d, took := take(t, l, ask)
		all += took
		if d.Allowed || d.Tiers != nil || d.Tier != "" {
			t.Fatalf("%+v while redis is away", d)
		}
	}
	if all > 10*timeout { // if they waited, a thousand times the timeout
		t.Errorf("the others took %s", all)
	}
	if got := l.Unavailable() - before; got != 1001 {
		t.Errorf("%d takes are counted, want 1001", got)
	}
	if entries := logs.TakeAll(); len(entries) != 1 || entries[0].Level != zap.WarnLevel {
		t.Errorf("logged %v", entries)
	}

	if outage == "killed" {
		s.Restart()
	} else {
		s.Resume()
	}
	eventually(t, "redis is asked again", func() bool { return !l.Away() })
	counted := l.Unavailable()
	take(t, l, ask)
	if l.Unavailable() != counted {
		t.Error("redis is back, but was not asked")
	}
	if entries := logs.TakeAll(); len(entries) != 1 || entries[0].Level != zap.InfoLevel {
		t.Errorf("logged %v", entries)
	}
}

// Calls that wait when Redis stops answering wait for the timeout at most, all together
// and not one after the other.
func TestManyWaitTogether(t *testing.T) {
	s := redistest.Start(t)
	const timeout = 200 * time.Millisecond
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: timeout})
	ask := global(slow("100000"))
	take(t, l, ask)
	s.Pause()
	var wg sync.WaitGroup
	var slowest atomic.Int64
	for range 500 {
		wg.Go(func() {
			begin := time.Now()
			if _, err := l.Take(t.Context(), ask); !errors.Is(err, redislimiter.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
			for took := int64(time.Since(begin)); ; {
				if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
					return
				}
			}
		})
	}
	wg.Wait()
	if took := time.Duration(slowest.Load()); took > 20*timeout { // one after the other, 500 times the timeout
		t.Errorf("one waited for %s", took)
	}
	s.Resume()
	eventually(t, "redis is asked again", func() bool { return !l.Away() })
	// Abandoned calls spend nothing later, except for those of the two round trips that
	// were under way.
	if d, _ := take(t, l, ask); d.Tiers[0].Remaining < 100000-2-2*128 {
		t.Errorf("%+v", d)
	}
}

// What Redis gave cannot be given back without it, and says so.
func TestReturnWhileAway(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	ours, _ := take(t, l, global(slow("1")))
	if !ours.Allowed {
		t.Fatalf("%+v", ours)
	}
	s.Kill()
	take(t, l, ip("finds it away", slow("1")))
	if err := l.Return(t.Context(), ours); !errors.Is(err, redislimiter.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// Scripts that Redis forgets under load are sent again, and no call fails.
func TestScriptFlush(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}),
		redislimiter.Options{Timeout: patient})
	admin := s.Client()
	done := make(chan struct{})
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				d, err := l.Take(t.Context(), global(slow("1000000")))
				if err != nil || !d.Allowed {
					t.Errorf("%+v, error %v", d, err)
					return
				}
				granted.Add(1)
				if i%3 == 0 {
					if err := l.Return(t.Context(), d); err != nil {
						t.Error(err)
						return
					}
					granted.Add(-1)
				}
			}
		})
	}
	for range 100 {
		if err := admin.ScriptFlush(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
	d, _ := take(t, l, global(slow("1000000")))
	if left := 1000000 - granted.Load() - 1; d.Tiers[0].Remaining != left || l.Unavailable() != 0 {
		t.Errorf("%d remain, want %d; %d were not answered", d.Tiers[0].Remaining, left, l.Unavailable())
	}
}

// Keys that were removed count as never used.
func TestFlushAll(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	for range 3 {
		old, _ := take(t, l, global(slow("1")))
		if d, _ := take(t, l, global(slow("1"))); !old.Allowed || d.Allowed {
			t.Fatalf("%+v, %+v", old, d)
		}
		if err := s.Client().FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := l.Return(t.Context(), old); err != nil { // too late
			t.Error(err)
		}
	}
	if l.Unavailable() != 0 {
		t.Errorf("%d were not answered", l.Unavailable())
	}
}

// A full Redis takes no writes; what is refused is told as before.
func TestFullRedis(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	take(t, l, global(slow("2")))
	admin := s.Client()
	if err := admin.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if d, _ := take(t, l, global(slow("2"))); d.Allowed || l.Unavailable() != 1 || !l.Away() {
		t.Errorf("%+v, away %v", d, l.Away())
	}
	if err := admin.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "redis is asked again", func() bool { return !l.Away() })
	if d, _ := take(t, l, global(slow("2"))); !d.Allowed || d.Tiers[0].Remaining != 0 {
		t.Errorf("%+v", d)
	}
}

// A client that hangs up is no outage.
func TestContextEnds(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	take(t, l, global(slow("9")))
	s.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := l.Take(ctx, global(slow("9")))
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	s.Resume()
	if d, _ := take(t, l, global(slow("9"))); !d.Allowed || l.Away() || l.Unavailable() != 0 {
		t.Errorf("%+v, away %v", d, l.Away())
	}
}

// A closed limiter is as if Redis were away.
func TestClose(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{})
	take(t, l, global(slow("1")))
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := l.Take(t.Context(), global(slow("1"))); !errors.Is(err, redislimiter.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	// One that was never up ends its probes.
	s.Kill()
	l = open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{})
	take(t, l, global(slow("1")))
	if !l.Away() {
		t.Error("redis is not known to be away")
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []redislimiter.Options{{Prefix: "a}b"}, {Prefix: "{"}} {
		if _, err := redislimiter.New(nil, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
