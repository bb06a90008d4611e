package forward

import (
	"fmt"
	"math"
	"time"
)

// validateRate reports what is wrong with a Destination.Rate, or nil.
func validateRate(rate float64) error {
	// Written so that NaN fails too.
	if !(rate >= 0 && rate <= MaxRate) {
		return fmt.Errorf("rate is %g: want attempts per second, up to %g", rate, float64(MaxRate))
	}
	return nil
}

// pace spreads the starts of attempts. It is a token bucket for the attempts of a tenth of
// a second, and for one at least. A planned attempt holds a token and spends it when the
// attempt starts. So the starts are exact, however long the store takes in between. The
// bucket is kept as the time at which it will be full, in whole nanoseconds, so that no
// rounding adds up. The zero pace sets no limit. The lane's lock guards it.
type pace struct {
	interval time.Duration // from one token to the next, rounded up; 0: no limit
	burst    int           // how many tokens fit in
	held     int           // how many of those in it belong to planned attempts
	full     time.Time     // when it is full, if nothing is started meanwhile
}

func newPace(rate float64) pace {
	if rate == 0 {
		return pace{}
	}
	// If the interval is too long for a Duration, take the longest one.
	interval := math.Min(math.Ceil(float64(time.Second)/rate), math.MaxInt64/4)
	return pace{interval: time.Duration(interval), burst: max(1, int(math.Min(rate/10, math.MaxInt32)))}
}

// room returns how many tokens can be taken.
func (p *pace) room(now time.Time) int {
	if p.interval == 0 {
		return math.MaxInt
	}
	there := p.burst
	if missing := p.full.Sub(now); missing > 0 {
		there -= 1 + int((missing-1)/p.interval) // a part of a token does not count
	}
	return there - p.held
}

// wait returns how long it takes at least until a token can be taken; 0 if one can be
// taken now.
func (p *pace) wait(now time.Time) time.Duration {
	missing := max(0, p.full.Sub(now))
	return max(0, missing-time.Duration(p.burst-1-p.held)*p.interval)
}

// take holds n tokens. There must be room for them.
func (p *pace) take(n int) { p.held += n }

// giveBack returns n tokens that were held.
func (p *pace) giveBack(n int) { p.held -= n }

// start spends a token that was held.
func (p *pace) start(now time.Time) {
	p.held--
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(p.interval)
}
