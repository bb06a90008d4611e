package limiter

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Algorithm says how a Limit counts.
type Algorithm string

// The algorithms. The empty Algorithm is TokenBucket.
const (
	// TokenBucket starts with Burst tokens; a request takes one, and they flow
	// back continuously at Rate, up to Burst. Long-run throughput is Rate; after
	// a pause a burst is let through at once, and while it is, tokens flow back:
	// up to Burst + Rate × t requests pass in a time t.
	TokenBucket Algorithm = "token_bucket"

	// SlidingWindow lets at most Burst requests pass in any time of length
	// Window (Burst / Rate), wherever it starts: never more, not even across
	// the edges of some fixed window. A request is counted for Window after it was made.
	//
	// Up to a Burst of Slots every request has its own time, and the count is
	// exact to the microsecond. Above that, to bound the memory of a key, time
	// is cut into slots of Window / Slots, and a request counts as made at the
	// end of its slot: it is counted for up to 1/Slots of Window longer, never shorter.
	SlidingWindow Algorithm = "sliding_window"
)

// Slots is into how many slots SlidingWindow cuts its window when Burst is above it.
const Slots = 32

// Limit is what a key may spend. It is comparable. The zero Limit stands for
// "no limit": it is not valid, and its tier is not asked for.
type Limit struct {
	// Burst is how many requests may come at once, from 1 up.
	Burst int64 `json:"burst"`
	// Rate is how fast they come back. In JSON a string: "5/s", "100/m",
	// "1000/h", "0.5/s" or per any duration, "1/10s".
	Rate Rate `json:"rate"`
	// Algorithm is how they are counted: "token_bucket" or "sliding_window". Default: token_bucket.
	Algorithm Algorithm `json:"algorithm,omitempty"`
}

// The limits of the tiers when none is given.
var (
	DefaultIP       = Limit{Burst: 50, Rate: Rate{count: 1, micros: 200_000}} // 5/s
	DefaultProvider = Limit{Burst: 200, Rate: Rate{count: 1, micros: 50_000}} // 20/s
)

// ParseLimit reads the words of a Caddyfile: <burst> <rate> [token_bucket|sliding_window].
// The rate is read by ParseRate. The Limit is valid if there is no error.
func ParseLimit(args []string) (Limit, error) {
	if len(args) < 2 || len(args) > 3 {
		return Limit{}, fmt.Errorf("rate limit: got %d words, want <burst> <rate> [token_bucket|sliding_window]", len(args))
	}
	burst, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return Limit{}, fmt.Errorf("rate limit: burst %q is not a whole number", args[0])
	}
	rate, err := ParseRate(args[1])
	if err != nil {
		return Limit{}, fmt.Errorf("rate limit: %w", err)
	}
	l := Limit{Burst: burst, Rate: rate}
	if len(args) == 3 {
		if args[2] == "" {
			return Limit{}, errors.New("rate limit: algorithm is empty: want token_bucket or sliding_window")
		}
		l.Algorithm = Algorithm(args[2])
	}
	if err := l.Validate(); err != nil {
		return Limit{}, err
	}
	return l, nil
}

// IsZero reports whether it is the zero Limit, which stands for no limit.
func (l Limit) IsZero() bool { return l == Limit{} }

// Validate reports everything that is wrong with the limit, or nil. The zero Limit is not valid.
func (l Limit) Validate() error {
	var errs []error
	if l.Burst < 1 {
		errs = append(errs, fmt.Errorf("rate limit: burst %d is not a number from 1 up", l.Burst))
	}
	if l.Rate == (Rate{}) {
		errs = append(errs, errors.New("rate limit: rate is missing"))
	} else if l.Burst > maxSpan/l.Rate.micros {
		errs = append(errs, fmt.Errorf("rate limit: burst %d is above %d, the most that can be counted exactly at %s",
			l.Burst, maxSpan/l.Rate.micros, l.Rate))
	}
	switch l.Algorithm {
	case "", TokenBucket, SlidingWindow:
	default:
		errs = append(errs, fmt.Errorf("rate limit: unknown algorithm %q: want token_bucket or sliding_window", string(l.Algorithm)))
	}
	return errors.Join(errs...)
}

// valid reports whether Validate would find nothing.
func (l *Limit) valid() bool {
	return l.Burst >= 1 && l.Rate.count >= 1 && l.Burst <= maxSpan/l.Rate.micros &&
		(l.Algorithm == "" || l.Algorithm == TokenBucket || l.Algorithm == SlidingWindow)
}

// Normal returns the limit with its Algorithm spelled out, so that equal limits are equal with ==.
func (l Limit) Normal() Limit {
	if l.Algorithm == "" {
		l.Algorithm = TokenBucket
	}
	return l
}

// Window is Burst / Rate, rounded up to a microsecond: the time in which a
// spent Burst comes back, and the window of SlidingWindow. The limit must be valid.
func (l Limit) Window() time.Duration { return micros(l.window()) }

// window is Window in microseconds.
func (l *Limit) window() int64 { return ceilDiv(l.Burst*l.Rate.micros, l.Rate.count) }

// grain is the length of a slot of SlidingWindow in microseconds.
func (l *Limit) grain() int64 {
	if l.Burst <= Slots {
		return 1
	}
	return ceilDiv(l.window(), Slots)
}

// String returns the words that ParseLimit reads, joined by spaces. The zero Limit is "none".
func (l Limit) String() string {
	if l.IsZero() {
		return "none"
	}
	text := strconv.FormatInt(l.Burst, 10) + " " + l.Rate.String()
	if l.Algorithm != "" {
		text += " " + string(l.Algorithm)
	}
	return text
}
