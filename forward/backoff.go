package forward

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Strategy says how the wait grows from one retry to the next.
type Strategy string

// The strategies. The empty Strategy is Exponential.
const (
	Exponential Strategy = "exponential" // Initial × Multiplier^(n-1)
	Linear      Strategy = "linear"      // Initial × n
	Fibonacci   Strategy = "fibonacci"   // Initial × 1, 1, 2, 3, 5, 8, …
)

// Defaults of a Retry.
const (
	DefaultInitial     = time.Second
	DefaultMultiplier  = 2.0
	DefaultMaxDelay    = time.Hour
	DefaultMaxAttempts = 16
	DefaultMaxAge      = 72 * time.Hour
	DefaultJitter      = 0.10
)

// Retry is the policy of a destination: how long to wait after a failed
// attempt, and when to give up. A zero field means its default, so the zero
// Retry is a usable policy.
type Retry struct {
	// Strategy is how the wait grows. Default: Exponential.
	Strategy Strategy
	// Initial is the wait after the first failed attempt. Default: 1s.
	Initial time.Duration
	// Multiplier is the growth of Exponential, at least 1. Default: 2.
	Multiplier float64
	// MaxDelay bounds every wait, also one that Retry-After asks for. Default: 1h.
	MaxDelay time.Duration
	// MaxAttempts is how many attempts are made, the first one included,
	// before the delivery is dead. Default: 16.
	MaxAttempts int
	// MaxAge is how long after acceptance (or the last replay) an attempt may
	// still start. The first attempt is made however late it is. Default: 72h.
	MaxAge time.Duration
	// Jitter is the fraction, up to 1, by which a wait is randomly shortened
	// or lengthened, so that deliveries that failed together do not come back
	// together. Below zero: none. Default: 0.10.
	Jitter float64
}

// withDefaults fills the zero fields.
func (r Retry) withDefaults() Retry {
	if r.Strategy == "" {
		r.Strategy = Exponential
	}
	if r.Initial == 0 {
		r.Initial = DefaultInitial
	}
	if r.Multiplier == 0 {
		r.Multiplier = DefaultMultiplier
	}
	if r.MaxDelay == 0 {
		r.MaxDelay = DefaultMaxDelay
	}
	if r.MaxAttempts == 0 {
		r.MaxAttempts = DefaultMaxAttempts
	}
	if r.MaxAge == 0 {
		r.MaxAge = DefaultMaxAge
	}
	if r.Jitter == 0 {
		r.Jitter = DefaultJitter
	}
	return r
}

// Validate reports everything that is wrong with the policy, or nil.
func (r Retry) Validate() error {
	r = r.withDefaults()
	var errs []error
	switch r.Strategy {
	case Exponential, Linear, Fibonacci:
	default:
		errs = append(errs, fmt.Errorf("retry: unknown strategy %q: want exponential, linear or fibonacci", string(r.Strategy)))
	}
	if r.Initial < 0 {
		errs = append(errs, fmt.Errorf("retry: initial %s is negative", r.Initial))
	}
	// Written so that NaN fails too.
	if !(r.Multiplier >= 1) || math.IsInf(r.Multiplier, 1) {
		errs = append(errs, fmt.Errorf("retry: multiplier %v is not a number from 1 up", r.Multiplier))
	}
	if r.MaxDelay < 0 {
		errs = append(errs, fmt.Errorf("retry: max_delay %s is negative", r.MaxDelay))
	}
	if r.Initial > r.MaxDelay {
		errs = append(errs, fmt.Errorf("retry: initial %s is above max_delay %s", r.Initial, r.MaxDelay))
	}
	if r.MaxAttempts < 0 {
		errs = append(errs, fmt.Errorf("retry: max_attempts %d is negative", r.MaxAttempts))
	}
	if r.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("retry: max_age %s is negative", r.MaxAge))
	}
	if !(r.Jitter <= 1) {
		errs = append(errs, fmt.Errorf("retry: jitter %v is above 1", r.Jitter))
	}
	return errors.Join(errs...)
}

// Delay returns how long to wait after the n-th failed attempt, n from 1 up.
// The result is never negative and never above MaxDelay, however large n is.
// rnd returns numbers in [0, 1); nil means no jitter.
func (r Retry) Delay(n int, rnd func() float64) time.Duration {
	r = r.withDefaults()
	n = max(n, 1)

	// Floating point saturates at +Inf where integers would wrap around.
	wait := float64(r.Initial)
	switch r.Strategy {
	case Linear:
		wait *= float64(n)
	case Fibonacci:
		wait *= fibonacci(n)
	default:
		wait *= math.Pow(r.Multiplier, float64(n-1))
	}

	wait = math.Min(wait, float64(r.MaxDelay))
	if rnd != nil && r.Jitter > 0 {
		wait *= 1 + r.Jitter*(2*rnd()-1)
	}
	if wait >= float64(r.MaxDelay) {
		return r.MaxDelay // not converted back: the largest Duration would overflow
	}
	return max(time.Duration(wait), 0)
}

// fibonacci returns the n-th number of 1, 1, 2, 3, 5, …, or, once it is beyond
// any Duration, some number that is too.
func fibonacci(n int) float64 {
	a, b := 1.0, 1.0
	for i := 1; i < n && a < math.MaxInt64; i++ {
		a, b = b, a+b
	}
	return a
}
