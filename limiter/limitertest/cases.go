package limitertest

import (
	"math"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func testTokenBucket(x *suite) {
	ask := ip("a", limit("3", "2/s"))
	x.want(x.take(ask).Tiers[0], 2, 500*time.Millisecond, 500*time.Millisecond)
	x.want(x.take(ask).Tiers[0], 1, 500*time.Millisecond, time.Second)
	x.want(x.take(ask).Tiers[0], 0, 500*time.Millisecond, 1500*time.Millisecond)
	d := x.refused(ask)
	x.want(d.Tiers[0], 0, 500*time.Millisecond, 1500*time.Millisecond)
	if d.Tier != limiter.IP || d.RetryAfter != 500*time.Millisecond {
		x.Errorf("refused by %q for %s", d.Tier, d.RetryAfter)
	}
	x.clock.Move(1200 * time.Millisecond)
	x.allowed(2, ask)
	x.clock.Move(300 * time.Millisecond) // the 200 ms that were over are not lost
	x.allowed(1, ask)
	x.clock.Move(1000 * time.Hour)
	x.allowed(3, ask)
}

func testSlidingWindow(x *suite) {
	ask := ip("a", limit("3", "3/s", "sliding_window"))
	x.want(x.take(ask).Tiers[0], 2, time.Second, time.Second)
	x.clock.Move(600 * time.Millisecond)
	x.want(x.take(ask).Tiers[0], 1, 400*time.Millisecond, time.Second)
	x.allowed(1, ask)
	x.clock.Move(399_999 * time.Microsecond)
	x.want(x.refused(ask).Tiers[0], 0, time.Microsecond, 600_001*time.Microsecond)
	x.clock.Move(time.Microsecond)
	x.allowed(1, ask)
	x.clock.Move(600 * time.Millisecond)
	x.allowed(2, ask)
}

// With more than Slots, requests count as made at the end of their slot.
func testSlidingWindowOfSlots(x *suite) {
	ask := ip("a", limit("320", "10/s", "sliding_window")) // 32 slots of a second
	x.clock.Move(-678 * time.Microsecond)                  // to the start of a slot
	x.takeAll(300, ask)
	x.clock.Move(999_999 * time.Microsecond)
	x.takeAll(10, ask)
	x.clock.Move(time.Microsecond)
	x.allowed(10, ask)
	x.clock.Move(32*time.Second - 2*time.Microsecond)
	if d := x.refused(ask); d.RetryAfter != time.Microsecond {
		x.Errorf("retry after %s", d.RetryAfter)
	}
	x.clock.Move(time.Microsecond)
	x.allowed(310, ask)
}

func testAllOrNone(x *suite) {
	asks := []limiter.Ask{global(limit("2", "1/h")), ip("a", limit("5", "1/h")), provider(limit("3", "1/m"))}
	for range 2 {
		if d := x.take(asks...); !d.Allowed || len(d.Tiers) != 3 || d.Tiers[0].Tier != limiter.Global || d.Tiers[2].Tier != limiter.Provider {
			x.Fatalf("%+v", d)
		}
	}
	d := x.refused(asks...)
	if d.Tier != limiter.Global || d.RetryAfter != time.Hour || d.Tiers[1].Remaining != 3 || d.Tiers[2].Remaining != 1 {
		x.Fatalf("%+v", d)
	}
	x.allowed(1, asks[2])
	if d := x.refused(asks[2], asks[0]); d.Tier != limiter.Global { // of two, the longest wait
		x.Fatalf("%+v", d)
	}
	x.allowed(3, asks[1])
}

func testKeysAreApart(x *suite) {
	l := limit("1", "1/h")
	for _, ask := range []limiter.Ask{
		{Tier: limiter.IP, Scope: "a", Key: "bc", Limit: l},
		{Tier: limiter.IP, Scope: "ab", Key: "c", Limit: l},
		{Tier: limiter.IP, Scope: "abc", Limit: l},
		{Tier: limiter.IP, Key: "abc", Limit: l},
		{Tier: limiter.IP, Limit: l},
		{Tier: limiter.Provider, Scope: "a", Key: "bc", Limit: l},
		{Tier: limiter.Global, Scope: "a", Key: "bc", Limit: l},
	} {
		x.allowed(1, ask)
	}
}

func testNoAsk(x *suite) {
	if d := x.take(); !d.Allowed || d.Tiers != nil {
		x.Errorf("%+v", d)
	}
}

func testBadAsks(x *suite) {
	good := limit("1", "1/s")
	for name, asks := range map[string][]limiter.Ask{
		"no tier":       {{Limit: good}},
		"unknown tier":  {{Tier: "planet", Limit: good}},
		"twice":         {ip("a", good), ip("b", good)},
		"no limit":      {ip("a", limiter.Limit{})},
		"no rate":       {ip("a", limiter.Limit{Burst: 1})},
		"no burst":      {ip("a", limiter.Limit{Rate: good.Rate})},
		"large":         {ip("a", limiter.Limit{Burst: math.MaxInt64, Rate: good.Rate})},
		"algorithm":     {ip("a", limiter.Limit{Burst: 1, Rate: good.Rate, Algorithm: "leaky"})},
		"one of them":   {ip("a", good), global(limiter.Limit{})},
		"below nothing": {ip("a", limiter.Limit{Burst: -1, Rate: good.Rate})},
	} {
		if d, err := x.backend.Take(x.Context(), asks...); err == nil || d.Allowed || d.Tiers != nil {
			x.Errorf("%s: %+v, error %v", name, d, err)
		}
	}
	x.allowed(1, ip("a", good)) // nothing was taken by the bad ones
}

// Waiting RetryAfter is enough, a microsecond less is not.
func testWaitsAreExact(x *suite) {
	for _, l := range limits {
		for _, offset := range []time.Duration{0, 1, 777, 142857 * time.Microsecond} {
			ask := ip(offset.String()+l.String(), l)
			x.clock.Move(offset)
			x.takeAll(1, ask)
			x.clock.Move(offset)
			for x.take(ask).Allowed {
				continue
			}
			for range 3 {
				d := x.take(ask)
				if d.Allowed {
					continue // more than one came back together
				}
				x.clock.Move(d.RetryAfter - time.Microsecond)
				x.refused(ask)
				x.clock.Move(time.Microsecond)
				x.takeAll(1, ask)
			}
			d := x.take(ask)
			x.clock.Move(d.Tiers[0].Reset - time.Microsecond)
			if s := x.take(ask).Tiers[0]; s.Remaining == l.Burst-1 && s.Reset == x.fresh(l).Reset && s.Next == x.fresh(l).Next {
				x.Errorf("%s: as if never used before Reset", l)
			}
			d = x.take(ask)
			x.clock.Move(d.Tiers[0].Reset)
			if s, want := x.take(ask).Tiers[0], x.fresh(l); s.Remaining != want.Remaining || s.Next != want.Next || s.Reset != want.Reset {
				x.Errorf("%s: %+v after Reset, want %+v", l, s, want)
			}
		}
	}
}

// fresh returns how a key stands after its first request.
func (x *suite) fresh(l limiter.Limit) limiter.Status {
	ask := ip("never", l)
	d := x.take(ask)
	x.giveBack(d)
	return d.Tiers[0]
}

// Numbers at the edge of what counts, and a clock that jumps centuries.
func testExtremes(x *suite) {
	for _, words := range [][]string{
		{"4503599627370496", "1000000/s"},
		{"4503599627370496", "1000000000/s"},
		{"4503599627370496", "1000000/s", "sliding_window"},
		{"4503599627370496", "1000000000/s", "sliding_window"},
		{"1", "1/1250999h"},
		{"1", "1/1250999h", "sliding_window"},
		{"33", "1/37000h", "sliding_window"},
	} {
		l := limit(words...)
		ask := ip(l.String(), l)
		for range 3 {
			s := x.take(ask).Tiers[0]
			if s.Remaining < 0 || s.Remaining > l.Burst || s.Next < 0 || s.Reset < s.Next {
				x.Fatalf("%s: %+v", l, s)
			}
		}
		for _, step := range []time.Duration{math.MaxInt64, math.MaxInt64, math.MinInt64, math.MinInt64, time.Second} {
			x.clock.Move(step)
			s := x.take(ask).Tiers[0]
			if s.Remaining < 0 || s.Remaining > l.Burst || s.Next < 0 || s.Reset < s.Next || s.Reset > l.Window()+l.Window()/limiter.Slots+time.Second {
				x.Fatalf("%s after %s: %+v", l, step, s)
			}
		}
	}
}
