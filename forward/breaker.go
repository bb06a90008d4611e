package forward

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Defaults of a Breaker.
const (
	DefaultFailures = 5
	DefaultRecovery = time.Minute
	DefaultProbes   = 3
)

// Breaker says when a destination gets no attempts because it fails. A closed breaker
// allows attempts. After Failures failed attempts in a row it opens: no attempt starts,
// and due deliveries wait in the store. They lose no attempts, and none is dropped.
// After Recovery the breaker is half-open and allows Probes attempts. If all of them
// succeed, it closes; if one fails, it opens again.
//
// For the breaker an attempt fails if there was no answer (an error, a timeout, a panic)
// or a status from 500 up, whatever DeadOn says. Any other answer, 404 and 429
// included, shows that the application works, and counts as a success. Attempts that
// shutdown cut off do not count, nor do attempts that end in another state of the
// breaker than they started in.
//
// A zero field means its default, so the zero Breaker is usable.
type Breaker struct {
	// Failures is how many attempts in a row must fail to open it. Default: 5.
	Failures int
	// Recovery is how long it stays open. Default: 60s.
	Recovery time.Duration
	// Probes is how many attempts it allows while it is half-open. They may start at
	// the same time. Default: 3.
	Probes int
	// Off turns the breaker off: attempts are always allowed.
	Off bool
}

// withDefaults fills the zero fields.
func (b Breaker) withDefaults() Breaker {
	if b.Failures == 0 {
		b.Failures = DefaultFailures
	}
	if b.Recovery == 0 {
		b.Recovery = DefaultRecovery
	}
	if b.Probes == 0 {
		b.Probes = DefaultProbes
	}
	return b
}

// Validate reports everything that is wrong with the breaker, or nil.
func (b Breaker) Validate() error {
	var errs []error
	if b.Failures < 0 {
		errs = append(errs, fmt.Errorf("breaker: failures %d is negative", b.Failures))
	}
	if b.Recovery < 0 {
		errs = append(errs, fmt.Errorf("breaker: recovery %s is negative", b.Recovery))
	}
	if b.Probes < 0 {
		errs = append(errs, fmt.Errorf("breaker: probes %d is negative", b.Probes))
	}
	return errors.Join(errs...)
}

// The states of a breaker (BreakerState.State).
const (
	BreakerClosed   = "closed"
	BreakerOpen     = "open"
	BreakerHalfOpen = "half_open"
)

// BreakerState is how the breaker of a lane stands.
type BreakerState struct {
	State string    // "closed", "open" or "half_open"
	Since time.Time // when the state began
	Until time.Time // when an open one becomes half-open; zero otherwise
	// Failures is how many attempts in a row have failed. While the breaker is not
	// closed, only failed probes add to it.
	Failures int
}

// breakerChange is a change of state that is yet to be announced.
type breakerChange struct{ from, to BreakerState }

// breaker is a Breaker at work. The lane's lock guards it.
type breaker struct {
	conf  Breaker // defaults filled in
	state BreakerState
	// generation counts the changes of state. The breaker ignores rights and attempts
	// of an earlier generation.
	generation uint64
	probes     int // half-open: how many attempts were allowed, and not given back
	passed     int // half-open: how many of those succeeded
	changes    []breakerChange
}

func newBreaker(conf Breaker, now time.Time) breaker {
	return breaker{conf: conf.withDefaults(), state: BreakerState{State: BreakerClosed, Since: now}}
}

// room returns how many attempts may be started.
func (b *breaker) room() int {
	switch b.state.State {
	case BreakerOpen:
		return 0
	case BreakerHalfOpen:
		return b.conf.Probes - b.probes
	default:
		return math.MaxInt
	}
}

// take takes the right to start n attempts. There must be room for them.
func (b *breaker) take(n int) {
	if b.state.State == BreakerHalfOpen {
		b.probes += n
	}
}

// giveBack returns the right to start n attempts, which was taken in the generation and
// not used.
func (b *breaker) giveBack(n int, generation uint64) {
	if b.state.State == BreakerHalfOpen && generation == b.generation {
		b.probes -= n
	}
}

// admits reports whether an attempt may still be started with a right taken in
// the generation.
func (b *breaker) admits(generation uint64) bool {
	return b.state.State == BreakerClosed || generation == b.generation && b.state.State == BreakerHalfOpen
}

// tick lets an open breaker become half-open when it is time.
func (b *breaker) tick(now time.Time) {
	if b.state.State == BreakerOpen && !now.Before(b.state.Until) {
		b.become(BreakerHalfOpen, b.state.Failures, now)
	}
}

// ended counts an attempt that was started in the generation. It reports
// whether that changed the state.
func (b *breaker) ended(alive bool, generation uint64, now time.Time) (changed bool) {
	if b.conf.Off || generation != b.generation {
		return false
	}
	halfOpen := b.state.State == BreakerHalfOpen
	failures := b.state.Failures + 1
	switch {
	case !alive && (halfOpen || failures >= b.conf.Failures):
		b.become(BreakerOpen, failures, now)
	case !alive:
		b.state.Failures = failures
	case !halfOpen:
		b.state.Failures = 0
	default:
		if b.passed++; b.passed == b.conf.Probes {
			b.become(BreakerClosed, 0, now)
		}
	}
	return generation != b.generation
}

// become changes the state.
func (b *breaker) become(state string, failures int, now time.Time) {
	to := BreakerState{State: state, Since: now, Failures: failures}
	if state == BreakerOpen {
		to.Until = now.Add(b.conf.Recovery)
	}
	b.changes = append(b.changes, breakerChange{b.state, to})
	b.state, b.probes, b.passed = to, 0, 0
	b.generation++
}
