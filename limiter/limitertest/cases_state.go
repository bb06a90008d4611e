package limitertest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func testReturn(x *suite) {
	for _, l := range []limiter.Limit{
		limit("3", "1/s"),
		limit("3", "1/s", "sliding_window"),
		limit("100", "1/s", "sliding_window"),
	} {
		ask := ip(l.String(), l)
		n := int(l.Burst)
		var decisions []limiter.Decision
		for range n {
			decisions = append(decisions, x.take(ask))
			x.clock.Move(time.Millisecond)
		}
		x.giveBack(x.refused(ask)) // took nothing, gives nothing
		x.refused(ask)
		x.giveBack(decisions[1])
		x.allowed(1, ask)
		for _, i := range []int{2, 0} {
			x.giveBack(decisions[i])
		}
		x.allowed(2, ask)
		x.giveBack(limiter.Decision{})
		x.refused(ask)
	}

	// All the tiers of a decision.
	asks := []limiter.Ask{ip("b", limit("1", "1/h")), provider(limit("2", "1/h", "sliding_window")), global(limit("3", "1/h"))}
	x.giveBack(x.take(asks...))
	for i, ask := range asks {
		x.allowed(i+1, ask)
	}
	// The way of a request: ip first, the rest refused, ip given back.
	first := x.take(ip("c", limit("5", "1/h")))
	x.refused(asks[1], asks[2])
	x.giveBack(first)
	x.allowed(5, ip("c", limit("5", "1/h")))
}

// What has come back by itself is not given back again.
func testReturnComesTooLate(x *suite) {
	for _, l := range []limiter.Limit{limit("3", "1/s"), limit("3", "1/s", "sliding_window"), limit("64", "64/s", "sliding_window")} {
		ask := ip(l.String(), l)
		d := x.take(ask)
		x.clock.Move(10 * time.Second)
		x.giveBack(d)
		x.allowed(int(l.Burst), ask)

		x.clock.Move(20 * time.Second)
		d = x.take(ask)
		x.clock.Move(10 * time.Second)
		x.allowed(int(l.Burst), ask)
		x.giveBack(d)
		x.refused(ask)
	}

	// Nor when its limit has changed since, even if it has changed back.
	old, now := ip("a", limit("3", "1/h")), ip("a", limit("3", "2/h"))
	d := x.take(old)
	x.takeAll(1, now)
	x.giveBack(d)
	x.allowed(1, now)
	old.Key, now.Key = "b", "b"
	d = x.take(old)
	x.takeAll(1, now)
	x.clock.Move(time.Microsecond)
	x.takeAll(1, now)
	x.refused(old)
	x.giveBack(d)
	x.refused(old)
}

func testRetune(x *suite) {
	for i, c := range []struct {
		from, to  limiter.Limit
		spend     int
		wait      time.Duration
		remaining int // then, under the new limit
	}{
		{limit("10", "1/m"), limit("50", "1/m"), 10, 0, 40},
		{limit("10", "1/m"), limit("50", "1/m"), 10, 30 * time.Second, 40},
		{limit("50", "1/m"), limit("10", "1/m"), 30, 0, 0},
		{limit("50", "1/m"), limit("10", "1/m"), 4, 0, 6},
		{limit("10", "1/m"), limit("10", "1/s"), 10, 0, 0},
		{limit("10", "1/m"), limit("10", "1/s"), 10, 90 * time.Second, 1}, // half a token does not count
		{limit("10", "1/s"), limit("10", "1/m"), 10, 3 * time.Second, 3},
		{limit("10", "1/s"), limit("10", "1/m"), 10, time.Minute, 10},
		{limit("10", "1/m"), limit("10", "1/m", "sliding_window"), 4, 30 * time.Second, 6},
		{limit("50", "1/m"), limit("10", "1/m", "sliding_window"), 40, 0, 0},
		{limit("10", "1/m", "sliding_window"), limit("10", "1/m"), 4, time.Minute, 6},
		{limit("50", "1/m", "sliding_window"), limit("10", "1/m"), 40, time.Minute, 0},
		{limit("10", "1/m", "sliding_window"), limit("12", "2/m", "sliding_window"), 10, 5 * time.Minute, 2},
		{limit("10", "1/m", "sliding_window"), limit("12", "2/m", "sliding_window"), 10, 7 * time.Minute, 12},
		{limit("100", "1/m", "sliding_window"), limit("3", "1/m", "sliding_window"), 100, time.Minute, 0},
	} {
		name := strconv.Itoa(i) + ": " + c.from.String() + " to " + c.to.String() + " after " + c.wait.String()
		x.takeAll(c.spend, ip(name, c.from))
		x.clock.Move(c.wait)
		d := x.take(ip(name, c.to))
		if got := d.Tiers[0].Remaining; d.Allowed != (c.remaining > 0) || got != int64(max(c.remaining-1, 0)) {
			x.Errorf("%s: %+v, want %d before it", name, d, c.remaining)
		}
		if d.RetryAfter > c.to.Window() {
			x.Errorf("%s: refused for %s, above the window", name, d.RetryAfter)
		}
	}
}

func testClockGoesBack(x *suite) {
	for _, l := range []limiter.Limit{limit("3", "1/s"), limit("3", "1/s", "sliding_window"), limit("99", "99/s", "sliding_window")} {
		ask := ip(l.String(), l)
		x.takeAll(int(l.Burst), ask)
		for _, back := range []time.Duration{time.Microsecond, time.Hour, 40 * 365 * 24 * time.Hour} {
			x.clock.Move(-back)
			d := x.refused(ask) // nothing came back for it
			if d.RetryAfter > l.Window()+l.Window()/limiter.Slots {
				x.Fatalf("%s: refused for %s", l, d.RetryAfter)
			}
			x.clock.Move(d.RetryAfter)
			x.takeAll(1, ask) // and nobody is locked out
			for x.take(ask).Allowed {
				continue
			}
		}
		x.clock.Move(100 * 365 * 24 * time.Hour)
	}
}

// What NTP, suspend and people do to a clock: one that steps forward gives back no more than the
// limit, one that steps back locks no client out for longer than the limit says.
func testClockSteps(x *suite) {
	for _, by := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, -time.Minute, -time.Hour, -24 * time.Hour} {
		for _, l := range []limiter.Limit{limit("5", "1/1m"), limit("5", "1/1m", "sliding_window")} {
			ask := ip(by.String()+l.String(), l)
			x.allowed(5, ask)
			x.clock.Move(by)
			n := 0
			for x.take(ask).Allowed {
				n++
			}
			if by < 0 && n > 0 || by > time.Minute && n != 5 || n > 5 {
				x.Fatalf("%s: %d are allowed after a step of %s", l, n, by)
			}
			d := x.refused(ask)
			if d.RetryAfter > l.Window()+l.Window()/limiter.Slots {
				x.Fatalf("%s: refused for %s after a step of %s", l, d.RetryAfter, by)
			}
			x.clock.Move(d.RetryAfter)
			x.takeAll(1, ask)
		}
	}
}

// However the takes are spaced, no time sees more of them than the limit says.
func testNeverMore(x *suite) {
	for _, l := range limits {
		ask := ip(l.String(), l)
		window := l.Window()
		step := max(window/time.Duration(3*l.Burst), time.Microsecond).Truncate(time.Microsecond)
		var allowed []time.Time
		for i := range 12 * l.Burst {
			if x.take(ask).Allowed {
				allowed = append(allowed, x.clock.Now())
			}
			x.clock.Move((step * time.Duration(i%5) / 2).Truncate(time.Microsecond))
		}
		count, micros := l.Rate.Fraction()
		for i, start := range allowed {
			for j, end := range allowed[i:] {
				n, d := int64(j)+1, end.Sub(start)
				if l.Algorithm == limiter.SlidingWindow {
					if d < window && n > l.Burst {
						x.Fatalf("%s: %d in %s", l, n, d)
					}
				} else if most := l.Burst + (int64(d/time.Microsecond)+1)*count/micros; n > most {
					x.Fatalf("%s: %d in %s, want at most %d", l, n, d, most)
				}
			}
		}
	}
}

// crowd runs f on 8 goroutines and waits for them.
func crowd(f func(i int)) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// At one moment the order does not matter: what is granted is exact, and what
// one tier refuses is not taken from another.
func testConcurrent(x *suite) {
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		a, b := ip(algorithm, limit("500", "1/s", algorithm)), provider(limit("300", "1/s", algorithm))
		a.Scope, b.Scope = algorithm, algorithm
		c := global(limit("800", "1/s", algorithm))
		c.Scope = algorithm
		var granted, returned atomic.Int64
		crowd(func(i int) {
			orders := [][]limiter.Ask{{a, b, c}, {c, b, a}, {b, a, c}, {c, a, b}}
			for n := range 100 {
				d, err := x.backend.Take(x.Context(), orders[(i+n)%len(orders)]...)
				if err != nil {
					x.Error(err)
					return
				}
				if !d.Allowed {
					continue
				}
				granted.Add(1)
				if n%3 == 0 {
					returned.Add(1)
					if err := x.backend.Return(x.Context(), d); err != nil {
						x.Error(err)
					}
				}
			}
		})
		held := granted.Load() - returned.Load()
		if held > 300 {
			x.Errorf("%s: %d are granted, more than 300", algorithm, held)
		}
		x.allowed(int(300-held), b)
		x.allowed(int(500-held), a)
		x.allowed(int(800-held), c)
	}
}

// While the clock runs, no more is granted than it allows.
func testConcurrentClock(x *suite) {
	ask := ip("a", limit("100", "1000/s"))
	start := x.clock.Now()
	var granted atomic.Int64
	crowd(func(int) {
		for range 400 {
			d, err := x.backend.Take(x.Context(), ask)
			if err != nil {
				x.Error(err)
				return
			}
			if d.Allowed {
				granted.Add(1)
			}
			x.clock.Move(300 * time.Microsecond)
		}
	})
	if most := 100 + int64(x.clock.Now().Sub(start)/time.Millisecond); granted.Load() > most {
		x.Errorf("%d are granted, more than %d", granted.Load(), most)
	}
}
