package limiter

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxSpan bounds what is counted in microseconds or in parts of a token, so
// that no sum overflows, and so that a script whose numbers are doubles (exact
// up to 2^53, Redis) counts exactly too. As a time it is 142 years.
const maxSpan = 1 << 52

// maxRate is the highest rate, per microsecond: 1e9/s.
const maxRate = 1000

// Rate is how fast spent requests come back: an exact fraction, without
// rounding. Two equal rates are equal with ==, however they were written. The
// zero Rate is none at all, which no valid Limit has.
//
// As text and in JSON it is a string such as "5/s", as ParseRate reads it.
type Rate struct {
	count, micros int64 // in lowest terms
}

// NewRate returns the rate of n requests per the given time.
func NewRate(n int64, per time.Duration) (Rate, error) {
	switch {
	case n < 1 || per < 1:
		return Rate{}, fmt.Errorf("rate of %d per %s is not above 0", n, per)
	case n > math.MaxInt64/1000:
		return Rate{}, fmt.Errorf("rate of %d per %s is above 1e9/s", n, per)
	}
	count, micros := n*1000, int64(per) // n per nanoseconds is n×1000 per as many microseconds
	divisor := gcd(count, micros)
	count, micros = count/divisor, micros/divisor
	switch {
	case (count-1)/maxRate >= micros:
		return Rate{}, fmt.Errorf("rate of %d per %s is above 1e9/s", n, per)
	case micros > maxSpan:
		return Rate{}, fmt.Errorf("rate of %d per %s is too low or has too many digits to count exactly", n, per)
	}
	return Rate{count, micros}, nil
}

// ParseRate reads a rate: a count, which may have decimals, and what it is per:
// s, m, h, or a duration in Go's form. "5/s", "100/m", "1000/h", "0.5/s" and "1/10s" are rates.
func ParseRate(text string) (Rate, error) {
	number, unit, ok := strings.Cut(text, "/")
	if !ok || number == "" || unit == "" {
		return Rate{}, fmt.Errorf("rate %q: want a count per s, m or h, such as 5/s, 100/m, 1000/h or 0.5/s", text)
	}
	per, err := parsePer(unit)
	if err != nil {
		return Rate{}, fmt.Errorf("rate %q: %w", text, err)
	}
	whole, fraction, point := strings.Cut(number, ".")
	if !digits(whole) || point && !digits(fraction) {
		return Rate{}, fmt.Errorf("rate %q: %q is not a number above 0", text, number)
	}
	// 0.5 per second is 5 per 10 seconds.
	fraction = strings.TrimRight(fraction, "0")
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return Rate{}, fmt.Errorf("rate %q: %q is out of range", text, number)
	}
	for range fraction {
		if per > math.MaxInt64/10 {
			return Rate{}, fmt.Errorf("rate %q: too many decimals", text)
		}
		per *= 10
	}
	if n == 0 {
		return Rate{}, fmt.Errorf("rate %q: %q is not a number above 0", text, number)
	}
	r, err := NewRate(n, per)
	if err != nil {
		return Rate{}, fmt.Errorf("rate %q: %w", text, err)
	}
	return r, nil
}

func parsePer(unit string) (time.Duration, error) {
	switch unit {
	case "s":
		return time.Second, nil
	case "m":
		return time.Minute, nil
	case "h":
		return time.Hour, nil
	}
	per, err := time.ParseDuration(unit)
	if err != nil || per <= 0 {
		return 0, fmt.Errorf("%q is neither s, m, h nor a duration such as 10s", unit)
	}
	return per, nil
}

func digits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// Fraction returns the rate as count requests per that many microseconds, in lowest terms.
func (r Rate) Fraction() (count, micros int64) { return r.count, r.micros }

// String returns the rate in the form that ParseRate reads: per the shortest
// of s, m and h that gives a whole count, else per a duration. The zero Rate is "".
func (r Rate) String() string {
	if r == (Rate{}) {
		return ""
	}
	for _, unit := range []struct {
		name   string
		micros int64
	}{{"s", 1e6}, {"m", 60e6}, {"h", 3600e6}} {
		if unit.micros%r.micros == 0 {
			return strconv.FormatInt(r.count*(unit.micros/r.micros), 10) + "/" + unit.name
		}
	}
	return strconv.FormatInt(r.count, 10) + "/" + micros(r.micros).String()
}

// MarshalText writes the rate as String does.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the rate as ParseRate does. Empty text is an error.
func (r *Rate) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("rate is empty: want a count per s, m or h, such as 5/s")
	}
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// micros returns n microseconds, n being at most a little above maxSpan.
func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// ceilDiv returns a/b rounded up, for a from 0 and b from 1.
func ceilDiv(a, b int64) int64 {
	if a == 0 {
		return 0
	}
	return (a-1)/b + 1
}
