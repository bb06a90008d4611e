package caddywebhooks

import (
	"fmt"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// Values of App.RateLimitOnError.
const (
	onErrorAllow = "allow"
	onErrorDeny  = "deny"
	onErrorLocal = "local"
)

func (a *App) checkOnError() error {
	switch a.RateLimitOnError {
	case "":
		a.RateLimitOnError = onErrorAllow
	case onErrorAllow, onErrorDeny, onErrorLocal:
	default:
		return fmt.Errorf("rate_limit on_error %s: want allow, deny or local", grammar.ShownValue(a.RateLimitOnError))
	}
	return nil
}

// countedBy is who counts the rate limits. Before the app was started, that is
// this process.
func (a *App) countedBy() limiter.Backend {
	select {
	case <-a.started:
		return a.limits
	default:
		return process.Limits
	}
}

// RateLimits bound how many webhooks come in. A tier that is absent has no limit.
type RateLimits struct {
	// What each client address may send, before its webhooks are verified: a
	// cheap shield. An IPv6 address counts with its /64.
	IP RateLimit `json:"ip,omitzero"`

	// What the endpoint takes in all. Only verified webhooks count.
	Provider RateLimit `json:"provider,omitzero"`
}

// RateLimit is what may come in of one tier. The zero RateLimit is no limit.
type RateLimit struct {
	// How many webhooks may come at once, from 1 up. Required.
	Burst int64 `json:"burst"`

	// How fast they come back: "5/s", "100/m", "1000/h", "0.5/s", or per any
	// duration, "1/10s". Required.
	Rate string `json:"rate"`

	// How they are counted: "token_bucket" or "sliding_window". Default: token_bucket.
	Algorithm string `json:"algorithm,omitempty"`

	limit limiter.Limit // what they say; set by check
}

func rateLimitOf(l limiter.Limit) RateLimit {
	return RateLimit{Burst: l.Burst, Rate: l.Rate.String(), Algorithm: string(l.Algorithm), limit: l}
}

// IsZero reports whether there is no limit.
func (l RateLimit) IsZero() bool { return l.Burst == 0 && l.Rate == "" && l.Algorithm == "" }

// check reads what was configured, and reports everything that is wrong with it.
func (l *RateLimit) check() error {
	if l.IsZero() {
		return nil
	}
	l.limit = limiter.Limit{Burst: l.Burst, Algorithm: limiter.Algorithm(l.Algorithm)}
	if l.Rate != "" {
		rate, err := limiter.ParseRate(l.Rate)
		if err != nil {
			return err
		}
		l.limit.Rate = rate
	}
	return l.limit.Validate()
}
