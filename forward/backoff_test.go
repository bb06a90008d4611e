package forward

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		retry Retry
		want  []time.Duration
	}{
		"zero value":      {Retry{}, []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 16 * s}},
		"exponential":     {Retry{Initial: 2 * s, Multiplier: 3, MaxDelay: time.Minute}, []time.Duration{2 * s, 6 * s, 18 * s, 54 * s, 60 * s, 60 * s}},
		"multiplier of 1": {Retry{Multiplier: 1}, []time.Duration{1 * s, 1 * s, 1 * s}},
		"linear":          {Retry{Strategy: Linear, Initial: 5 * s, MaxDelay: 12 * s}, []time.Duration{5 * s, 10 * s, 12 * s}},
		"fibonacci":       {Retry{Strategy: Fibonacci, MaxDelay: 9 * s}, []time.Duration{1 * s, 1 * s, 2 * s, 3 * s, 5 * s, 8 * s, 9 * s}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for i, want := range test.want {
				if got := test.retry.Delay(i+1, nil); got != want {
					t.Errorf("Delay(%d) = %s, want %s", i+1, got, want)
				}
			}
		})
	}
}

func TestDelayBounds(t *testing.T) {
	extremes := []Retry{
		{},
		{Strategy: Linear},
		{Strategy: Fibonacci},
		{Initial: 1, MaxDelay: math.MaxInt64},
		{Strategy: Linear, Initial: math.MaxInt64, MaxDelay: math.MaxInt64},
		{Strategy: Fibonacci, Initial: 1, MaxDelay: math.MaxInt64},
		{Multiplier: math.MaxFloat64, Jitter: 1, MaxDelay: math.MaxInt64},
	}
	for _, r := range extremes {
		for _, n := range []int{math.MinInt, -1, 0, 1, 2, 50, 63, 64, 91, 92, 93, 1000, 1_000_000, math.MaxInt} {
			for _, f := range []float64{0, 0.5, math.Nextafter(1, 0)} {
				got := r.Delay(n, func() float64 { return f })
				if limit := r.withDefaults().MaxDelay; got < 0 || got > limit {
					t.Errorf("%+v.Delay(%d) with %v = %d, want 0 to %d", r, n, f, got, limit)
				}
			}
		}
		if got, want := r.Delay(1_000_000, nil), r.withDefaults().MaxDelay; got != want {
			t.Errorf("%+v.Delay(1000000) = %s, want %s", r, got, want)
		}
	}
}

func TestDelayJitter(t *testing.T) {
	at := func(f float64) func() float64 { return func() float64 { return f } }
	tests := []struct {
		retry Retry
		rnd   float64
		want  time.Duration
	}{
		{Retry{Initial: 10 * time.Second}, 0, 9 * time.Second},
		{Retry{Initial: 10 * time.Second}, 0.5, 10 * time.Second},
		{Retry{Initial: 10 * time.Second}, 0.75, 10500 * time.Millisecond},
		{Retry{Initial: 10 * time.Second, Jitter: 1}, 0, 0},
		{Retry{Initial: 10 * time.Second, Jitter: -1}, 0, 10 * time.Second},
		{Retry{Initial: 10 * time.Second, MaxDelay: 10 * time.Second}, 0.99, 10 * time.Second}, // capped again
		{Retry{Initial: 10 * time.Second, MaxDelay: 10 * time.Second}, 0, 9 * time.Second},
	}
	for _, test := range tests {
		if got := test.retry.Delay(1, at(test.rnd)); got != test.want {
			t.Errorf("%+v with %v: %s, want %s", test.retry, test.rnd, got, test.want)
		}
	}
}

func FuzzDelay(f *testing.F) {
	f.Add(0, int64(time.Second), 2.0, int64(time.Hour), 0.1, 5, 0.5)
	f.Add(2, int64(1), 1.0, int64(math.MaxInt64), 1.0, 1_000_000, 0.999)
	f.Fuzz(func(t *testing.T, strategy int, initial int64, multiplier float64, maxDelay int64, jitter float64, n int, rnd float64) {
		names := []Strategy{Exponential, Linear, Fibonacci}
		r := Retry{Strategy: names[uint(strategy)%3], Initial: time.Duration(initial), Multiplier: multiplier,
			MaxDelay: time.Duration(maxDelay), Jitter: jitter}
		if r.Validate() != nil || !(rnd >= 0 && rnd < 1) {
			t.Skip("not a policy")
		}
		limit := r.withDefaults().MaxDelay
		if got := r.Delay(n, func() float64 { return rnd }); got < 0 || got > limit {
			t.Errorf("%+v.Delay(%d) = %d, want 0 to %d", r, n, got, limit)
		}
		if a, b := r.Delay(n, nil), r.Delay(max(n, n+1), nil); a > b {
			t.Errorf("%+v: Delay(%d) = %d is above the next, %d", r, n, a, b)
		}
	})
}

func TestRetryValidate(t *testing.T) {
	if err := (Retry{}).Validate(); err != nil {
		t.Errorf("zero value: %v", err)
	}
	if err := (Retry{Jitter: -1}).Validate(); err != nil {
		t.Errorf("no jitter: %v", err)
	}
	bad := map[string]Retry{
		"strategy":     {Strategy: "quadratic"},
		"initial":      {Initial: -1},
		"above":        {Initial: 2 * time.Hour},
		"multiplier":   {Multiplier: 0.5},
		"multiplier N": {Multiplier: math.NaN()},
		"multiplier +": {Multiplier: math.Inf(1)},
		"max_delay":    {MaxDelay: -1},
		"max_attempts": {MaxAttempts: -1},
		"max_age":      {MaxAge: -1},
		"jitter":       {Jitter: 1.5},
		"jitter NaN":   {Jitter: math.NaN()},
	}
	for word, r := range bad {
		err := r.Validate()
		if word, _, _ = strings.Cut(word, " "); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%+v: error %v, want one about %s", r, err, word)
		}
	}
}
