package forward

import (
	"fmt"
	"math"
	"time"
)

// validateRate reports what is wrong with a Destination.Rate, or nil.
func validateRate(rate float64) error {
	// Written so that NaN fails too.
	if !(rate >= 0) || math.IsInf(rate, 1) {
		return fmt.Errorf("rate %v is not a number of attempts per second", rate)
	}
	return nil
}

// pace spreads the starts of attempts: a token bucket that holds a tenth of a
// second's worth, but at least one. It is kept as the time when it will be full
// again, in whole nanoseconds, so that no rounding adds up. The zero pace sets
// no limit. The lane's lock guards it.
type pace struct {
	interval time.Duration // from one token to the next, rounded up; 0: no limit
	burst    int           // how many tokens fit in
	full     time.Time     // when nothing will be missing, if nothing is taken meanwhile
}

func newPace(rate float64) pace {
	if rate == 0 {
		return pace{}
	}
	// A rate so small that its interval is no Duration is one in a lifetime.
	interval := math.Min(math.Ceil(float64(time.Second)/rate), math.MaxInt64/4)
	return pace{interval: time.Duration(interval), burst: max(1, int(math.Min(rate/10, math.MaxInt32)))}
}

// room returns how many tokens there are.
func (p *pace) room(now time.Time) int {
	if p.interval == 0 {
		return math.MaxInt
	}
	missing := p.full.Sub(now)
	if missing <= 0 {
		return p.burst
	}
	return max(0, p.burst-1-int((missing-1)/p.interval)) // a token begun is none
}

// wait returns how long it is until there is a token; 0 if there is one.
func (p *pace) wait(now time.Time) time.Duration {
	return max(0, p.full.Sub(now)-time.Duration(p.burst-1)*p.interval)
}

// take takes n tokens, which must be there.
func (p *pace) take(n int, now time.Time) {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(time.Duration(n) * p.interval)
}

// giveBack returns n tokens that were not used.
func (p *pace) giveBack(n int) { p.full = p.full.Add(-time.Duration(n) * p.interval) }
