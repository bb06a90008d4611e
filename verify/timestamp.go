package verify

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Units of a Timestamp.
const (
	UnitSeconds      = "s"         // Unix time in seconds
	UnitMilliseconds = "ms"        // Unix time in milliseconds
	UnitRFC3339      = "rfc3339"   // "2026-01-02T15:04:05Z", with or without fractions
	UnitHTTPDate     = "http-date" // "Fri, 02 Jan 2026 15:04:05 GMT" (RFC 9110, section 5.6.7)
)

var units = []string{UnitSeconds, UnitMilliseconds, UnitRFC3339, UnitHTTPDate}

// wantUnit ends the errors about units.
const wantUnit = "want s, ms, rfc3339 or http-date"

// Timestamp says where the signed time of a webhook is, and how it is written.
type Timestamp struct {
	// Where it is. Omit `from` and `name` where `format` has {timestamp}: then it is
	// next to the signature.
	Source

	// How it is written: "s" (Unix seconds, the default), "ms" (Unix milliseconds),
	// "rfc3339" or "http-date".
	Unit string `json:"unit,omitempty"`
}

// ParseTimestamp reads the words of the configuration: a source and, at the end,
// an optional unit ("header X-Timestamp ms"), or a unit alone ("ms") where the
// timestamp is part of the signature's format.
func ParseTimestamp(args []string) (Timestamp, error) {
	var t Timestamp
	if last := len(args) - 1; last >= 0 && last != 1 && slices.Contains(units, args[last]) {
		t.Unit, args = args[last], args[:last]
	}
	if len(args) == 0 && t.Unit != "" {
		return t, nil
	}
	if len(args) == 3 && args[0] != FromFormJSON {
		return t, fmt.Errorf("timestamp: unknown unit %q: %s", args[2], wantUnit)
	}
	var err error
	t.Source, err = ParseSource(args)
	return t, err
}

// IsZero reports whether t says nothing.
func (t Timestamp) IsZero() bool { return t == Timestamp{} }

// Most digits of a Unix time, so that no sum can overflow: the year 5138.
const (
	maxSecondsDigits      = 11
	maxMillisecondsDigits = 14
)

// parse returns the time that text means: digits only, without sign or space.
func (t Timestamp) parse(text string) (time.Time, bool) {
	switch t.Unit {
	case UnitRFC3339:
		at, err := time.Parse(time.RFC3339Nano, text) // which takes T3:04:05 and commas, too
		return at, err == nil && text[13] == ':' && !strings.Contains(text, ",")
	case UnitHTTPDate:
		at, err := http.ParseTime(text)
		return at, err == nil
	case UnitMilliseconds:
		n, ok := parseDigits(text, maxMillisecondsDigits)
		return time.UnixMilli(n), ok
	default:
		n, ok := parseDigits(text, maxSecondsDigits)
		return time.Unix(n, 0), ok
	}
}

// exact reports whether text has the one length that times of today have, so that what meets it
// cannot give it digits, or take some: 10 digits (of 2001 to 2286), 13, or the form of RFC 9110.
func (t Timestamp) exact(text string, at time.Time) bool {
	switch t.Unit {
	case UnitRFC3339:
		return true // ends with its offset, as no longer one does
	case UnitHTTPDate:
		return text == at.UTC().Format(http.TimeFormat)
	case UnitMilliseconds:
		return len(text) == 13
	default:
		return len(text) == 10
	}
}

func parseDigits(text string, most int) (int64, bool) {
	if len(text) > most || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// Format writes a time as the provider would.
func (t Timestamp) Format(at time.Time) string {
	switch t.Unit {
	case UnitRFC3339:
		return at.UTC().Format(time.RFC3339)
	case UnitHTTPDate:
		return at.UTC().Format(http.TimeFormat)
	case UnitMilliseconds:
		return strconv.FormatInt(at.UnixMilli(), 10)
	default:
		return strconv.FormatInt(at.Unix(), 10)
	}
}

// checkWindow refuses a correctly signed time that is further from now than tolerance.
func checkWindow(at, now time.Time, tolerance time.Duration) *Error {
	age := now.Sub(at) // saturates
	switch {
	case age > tolerance:
		return &Error{Reason: TimestampExpired, Detail: DetailStaleTimestamp,
			About: fmt.Sprintf("%s old, tolerance %s", age.Round(time.Second), tolerance)}
	case age < -tolerance:
		return invalidTimestamp(DetailFutureTimestamp,
			fmt.Sprintf("%s ahead, tolerance %s", -age.Round(time.Second), tolerance))
	}
	return nil
}
