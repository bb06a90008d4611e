package forward

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Why a delivery is dead (Settlement.Reason), besides "status_<code>" for a
// status in DeadOn.
const (
	ReasonMaxAttempts = "max_attempts" // Retry.MaxAttempts were made
	ReasonMaxAge      = "max_age"      // the next attempt would start after Retry.MaxAge
	ReasonTypeUnknown = "type_unknown" // dead from the start: the destination asks for types, and the event's could not be read
)

// Classify turns the answer to an attempt into an outcome: delivered, pending until the
// next attempt, or dead. Nothing else does. d.Attempts does
// not count the attempt; now is when it ended. A non-nil err means that there
// was no whole answer, whatever the status says. The returned
// Settlement has no Attempt yet.
//
// Shutdown is not an outcome: do not call Classify for an attempt that it cut off.
func (t *Destination) Classify(d *retrystore.Delivery, a Answer, err error, now time.Time, rnd func() float64) retrystore.Settlement {
	switch {
	case succeeded(a, err):
		return retrystore.Settlement{State: retrystore.Delivered}
	case err == nil && a.Refused != "":
		return dead(a.Refused)
	case err == nil && t.isDead(a.Status):
		return dead(fmt.Sprintf("status_%d", a.Status))
	}

	policy := t.Retry.withDefaults()
	made := d.Attempts + 1 - d.Budget.Attempts
	if made >= policy.MaxAttempts {
		return dead(ReasonMaxAttempts)
	}
	wait, asked := time.Duration(0), false
	if err == nil && (a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable) {
		wait, asked = ParseRetryAfter(a.RetryAfter, now)
		wait = min(wait, policy.MaxDelay)
	}
	if !asked {
		wait = policy.Delay(made, rnd)
	}
	next := now.Add(wait)
	if since := d.Budget.Since; !since.IsZero() && next.Sub(since) > policy.MaxAge {
		return dead(ReasonMaxAge)
	}
	return retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: next}
}

// succeeded reports whether the destination took the delivery.
func succeeded(a Answer, err error) bool {
	return err == nil && (a.Taken || a.Refused == "" && a.Status >= 200 && a.Status <= 299)
}

// answered reports whether there was an answer at all.
func answered(a Answer, err error) bool {
	return err == nil && (a.Taken || a.Refused != "" || a.Status >= 100)
}

// alive reports whether an answer shows that the application works, even if it refused
// the delivery. The breaker counts that; the delivery's outcome does not depend on it.
func alive(a Answer, err error) bool {
	return err == nil && a.Status < 500
}

func dead(reason string) retrystore.Settlement {
	return retrystore.Settlement{State: retrystore.Dead, Reason: reason}
}

func (t *Destination) isDead(status int) bool {
	if t.DeadOn == nil {
		return status == http.StatusGone
	}
	return slices.Contains(t.DeadOn, status)
}

// OutcomeName is the name of a settlement's state in logs and metrics: "delivered",
// "retry" or "dead".
func OutcomeName(s retrystore.State) string {
	switch s {
	case retrystore.Delivered:
		return "delivered"
	case retrystore.Dead:
		return "dead"
	default:
		return "retry"
	}
}

// ParseRetryAfter reads a Retry-After value (RFC 9110, section 10.2.3): seconds
// or a date. ok is false for values that ask for no wait (zero, a past date), and for
// malformed ones such as negative numbers. Then the policy's own backoff applies: an
// application that answers "Retry-After: 0" must not use up all attempts within a second.
func ParseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > math.MaxInt64/int64(time.Second) {
			return math.MaxInt64, true // a number, but too large for a Duration
		}
		return time.Duration(seconds) * time.Second, seconds > 0
	}
	date, err := http.ParseTime(value)
	if err != nil || !date.After(now) {
		return 0, false
	}
	return date.Sub(now), true
}
