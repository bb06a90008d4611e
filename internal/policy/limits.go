package policy

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

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
	// How many webhooks may come at once, at least 1. Required.
	Burst int64 `json:"burst"`

	// How fast this number is restored: "5/s", "100/m", "1000/h", "0.5/s", or per any duration, "1/10s".
	// Required.
	Rate string `json:"rate"`

	// How they are counted: "token_bucket" or "sliding_window". Default: token_bucket.
	Algorithm string `json:"algorithm,omitempty"`

	limit limiter.Limit // the parsed settings; Check sets them
}

func rateLimitOf(l limiter.Limit) RateLimit {
	return RateLimit{Burst: l.Burst, Rate: l.Rate.String(), Algorithm: string(l.Algorithm), limit: l}
}

// Limit is the parsed limit, after a Check without error.
func (l *RateLimit) Limit() limiter.Limit { return l.limit }

// IsZero reports whether there is no limit.
func (l RateLimit) IsZero() bool { return l.Burst == 0 && l.Rate == "" && l.Algorithm == "" }

// Check reads what was configured, and reports everything that is wrong with it.
func (l *RateLimit) Check() error {
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

// UnmarshalCaddyfile reads `rate_limit [ip|provider <burst> <rate> [<algorithm>]]`.
// Without arguments both tiers have their defaults.
func (all *RateLimits) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	first := *all == RateLimits{}
	args := d.RemainingArgs()
	if len(args) == 0 {
		if !first {
			return d.Err("rate_limit without arguments stands for both tiers: it must be the only one")
		}
		all.IP, all.Provider = rateLimitOf(limiter.DefaultIP), rateLimitOf(limiter.DefaultProvider)
		return nil
	}
	var into *RateLimit
	switch args[0] {
	case string(limiter.IP):
		into = &all.IP
	case string(limiter.Provider):
		into = &all.Provider
	default:
		return d.Errf("rate_limit %s: want ip or provider; the global one goes into the global option webhooks", grammar.ShownValue(args[0]))
	}
	return into.Unmarshal(d, args)
}

// Unmarshal reads the limit of a tier: its name is args[0], the rest are its arguments.
func (l *RateLimit) Unmarshal(d *caddyfile.Dispenser, args []string) error {
	if !l.IsZero() {
		return d.Errf("rate_limit %s is repeated", args[0])
	}
	value, err := limiter.ParseLimit(args[1:])
	if err != nil {
		return d.Errf("rate_limit %s: %v", args[0], err)
	}
	*l = rateLimitOf(value)
	return nil
}

// What happens to webhooks while rate limits cannot be checked.
const (
	OnErrorAllow = "allow" // they are let through; the default
	OnErrorDeny  = "deny"  // they are answered 503
	OnErrorLocal = "local" // this process counts by itself
)

// CheckOnError refuses anything else. Empty is the default.
func CheckOnError(word string) error {
	switch word {
	case "", OnErrorAllow, OnErrorDeny, OnErrorLocal:
		return nil
	}
	return fmt.Errorf("rate_limit on_error %s: want allow, deny or local", grammar.ShownValue(word))
}
