// Package limitertest holds every backend of package limiter to one reference
// model, to the microsecond, under a clock that the test sets.
package limitertest

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// New makes an empty backend for one test, with room for at least 1000 keys per tier. It is to
// take the time from now, at every call anew; a backend whose server has a clock of its own
// hands this one's microseconds to the server instead. What is to be closed
// is left to t.Cleanup.
type New func(t testing.TB, now func() time.Time) limiter.Backend

// Run is the test of a backend: Cases, and 200 scripts of Random (50 with -short).
func Run(t *testing.T, backend New) {
	Cases(t, backend)
	scripts := 200
	if testing.Short() {
		scripts = 50
	}
	t.Run("Random", func(t *testing.T) { Random(t, backend, scripts) })
}

// Cases are the tests that say what a backend is to do.
func Cases(t *testing.T, backend New) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"TokenBucket", testTokenBucket},
		{"SlidingWindow", testSlidingWindow},
		{"SlidingWindowOfSlots", testSlidingWindowOfSlots},
		{"AllOrNone", testAllOrNone},
		{"KeysAreApart", testKeysAreApart},
		{"NoAsk", testNoAsk},
		{"BadAsks", testBadAsks},
		{"WaitsAreExact", testWaitsAreExact},
		{"Return", testReturn},
		{"ReturnComesTooLate", testReturnComesTooLate},
		{"Retune", testRetune},
		{"ClockGoesBack", testClockGoesBack},
		{"ClockSteps", testClockSteps},
		{"Extremes", testExtremes},
		{"NeverMoreThanTheLimit", testNeverMore},
		{"Concurrent", testConcurrent},
		{"ConcurrentClock", testConcurrentClock},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(newSuite(t, backend)) })
	}
}

// suite is what one test needs.
type suite struct {
	*testing.T
	clock   *faketime.Clock
	backend limiter.Backend
}

func newSuite(t *testing.T, backend New) *suite {
	c := newClock()
	return &suite{t, c, backend(t, c.Now)}
}

func newClock() *faketime.Clock {
	return faketime.At(time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC))
}

func (x *suite) take(asks ...limiter.Ask) limiter.Decision {
	x.Helper()
	d, err := x.backend.Take(x.Context(), asks...)
	if err != nil {
		x.Fatal(err)
	}
	return d
}

func (x *suite) giveBack(d limiter.Decision) {
	x.Helper()
	if err := x.backend.Return(x.Context(), d); err != nil {
		x.Fatal(err)
	}
}

// allowed takes n times and wants every one allowed, then one refused.
func (x *suite) allowed(n int, ask limiter.Ask) {
	x.Helper()
	x.takeAll(n, ask)
	x.refused(ask)
}

// takeAll takes n times and wants every one allowed.
func (x *suite) takeAll(n int, ask limiter.Ask) {
	x.Helper()
	for i := range n {
		if d := x.take(ask); !d.Allowed {
			x.Fatalf("request %d of %d is refused: %+v", i+1, n, d)
		}
	}
}

func (x *suite) refused(asks ...limiter.Ask) limiter.Decision {
	x.Helper()
	d := x.take(asks...)
	if d.Allowed {
		x.Fatalf("a request beyond the limit is allowed: %+v", d)
	}
	return d
}

func (x *suite) want(s limiter.Status, remaining int64, next, reset time.Duration) {
	x.Helper()
	if s.Remaining != remaining || s.Next != next || s.Reset != reset {
		x.Fatalf("remaining %d, next %s, reset %s, want %d, %s, %s", s.Remaining, s.Next, s.Reset, remaining, next, reset)
	}
}

// limit reads the words of a limit.
func limit(words ...string) limiter.Limit {
	l, err := limiter.ParseLimit(words)
	if err != nil {
		panic(err)
	}
	return l
}

func ip(key string, l limiter.Limit) limiter.Ask {
	return limiter.Ask{Tier: limiter.IP, Scope: "shop", Key: key, Limit: l}
}

func provider(l limiter.Limit) limiter.Ask {
	return limiter.Ask{Tier: limiter.Provider, Scope: "shop", Limit: l}
}

func global(l limiter.Limit) limiter.Ask {
	return limiter.Ask{Tier: limiter.Global, Limit: l}
}
