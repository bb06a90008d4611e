// Package policy is what may be configured about rates: when failed attempts are retried and when they are
// not, what goes first, how many webhooks may come in, and what is kept of them.
package policy

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func init() {
	grammar.Declare("the block of retry, in forward: retry { … }",
		"initial", "multiplier", "max_delay", "max_attempts", "max_age", "jitter")
}

// Retry says when a failed attempt is retried. A zero field has its default.
type Retry struct {
	// How the delay grows: "exponential" (default), "linear" or "fibonacci".
	Strategy string `json:"strategy,omitempty"`
	// The delay after the first failed attempt. Default: 1s.
	Initial caddy.Duration `json:"initial,omitempty"`
	// The factor between one delay and the next; exponential only. Default: 2.
	Multiplier float64 `json:"multiplier,omitempty"`
	// The longest delay; it also bounds the application's Retry-After. Default: 1h.
	MaxDelay caddy.Duration `json:"max_delay,omitempty"`
	// How many attempts are made before a delivery becomes a dead letter. Default: 16.
	MaxAttempts int `json:"max_attempts,omitempty"`
	// How old a delivery may become before it is a dead letter. Default: 3d.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
	// How much each delay is randomly lengthened or shortened, as a fraction of
	// it, so that failed deliveries do not come back all at once. Default: 0.1.
	// A negative value means none.
	Jitter float64 `json:"jitter,omitempty"`
}

// Policy translates the settings for package forward. nil has the defaults.
func (r *Retry) Policy() forward.Retry {
	if r == nil {
		return forward.Retry{}
	}
	return forward.Retry{
		Strategy:    forward.Strategy(r.Strategy),
		Initial:     time.Duration(r.Initial),
		Multiplier:  r.Multiplier,
		MaxDelay:    time.Duration(r.MaxDelay),
		MaxAttempts: r.MaxAttempts,
		MaxAge:      time.Duration(r.MaxAge),
		Jitter:      r.Jitter,
	}
}

// Priority says how urgent events are.
type Priority struct {
	// From 0 to 10. Higher goes first among due deliveries.
	Level int `json:"level"`
	// Event types. `*` stands for any characters. Default: all.
	Events []string `json:"events,omitempty"`
}

// Check refuses a level that does not exist.
func (p Priority) Check() error {
	if p.Level < 0 || p.Level > retrystore.MaxPriority {
		return fmt.Errorf("priority is %d: want 0 to %d", p.Level, retrystore.MaxPriority)
	}
	return nil
}

// Breaker stops attempts while a destination fails: its deliveries stay in the store, spend no attempts
// and are not dropped. A failure is a missing answer, or a status of 500 or above. A zero field has its
// default.
type Breaker struct {
	// Always try.
	Off bool `json:"off,omitempty"`
	// How many failures in a row open it. Default: 5.
	Failures int `json:"failures,omitempty"`
	// How long it holds deliveries back before it probes. Default: 60s.
	Recovery caddy.Duration `json:"recovery,omitempty"`
	// How many attempts must succeed to close it. Default: 3.
	Probes int `json:"probes,omitempty"`
}

// Policy translates the settings for package forward. nil has the defaults.
func (b *Breaker) Policy() forward.Breaker {
	if b == nil {
		return forward.Breaker{}
	}
	return forward.Breaker{
		Off: b.Off, Failures: b.Failures, Recovery: time.Duration(b.Recovery), Probes: b.Probes,
	}
}

// UnmarshalCaddyfile reads what follows `retry`:
//
//	retry [exponential|linear|fibonacci] {
//	    initial      <duration>
//	    multiplier   <number>
//	    max_delay    <duration>
//	    max_attempts <number>
//	    max_age      <duration>
//	    jitter       <percent>
//	}
func (r *Retry) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	lines := grammar.Lines{
		"initial":      func(d *caddyfile.Dispenser) error { return grammar.Duration(d, &r.Initial) },
		"multiplier":   func(d *caddyfile.Dispenser) error { return grammar.Factor(d, &r.Multiplier) },
		"max_delay":    func(d *caddyfile.Dispenser) error { return grammar.Duration(d, &r.MaxDelay) },
		"max_attempts": func(d *caddyfile.Dispenser) error { return grammar.Number(d, &r.MaxAttempts, 1) },
		"max_age":      func(d *caddyfile.Dispenser) error { return grammar.Duration(d, &r.MaxAge) },
		"jitter":       r.unmarshalJitter,
	}
	if err := lines.CheckOpening(d, "retry [<strategy>]", 0); err != nil {
		return err
	}
	start := *d // errors about the policy as a whole name its first line
	if d.NextArg() {
		r.Strategy = d.Val()
	}
	if d.NextArg() {
		return d.Errf("unexpected argument %s after the strategy", grammar.ShownValue(d.Val()))
	}
	if err := lines.Parse(d); err != nil {
		return err
	}
	if err := r.Policy().Validate(); err != nil {
		return start.WrapErr(err)
	}
	return nil
}

// unmarshalJitter writes "none" as a negative share, since zero means the default.
func (r *Retry) unmarshalJitter(d *caddyfile.Dispenser) error {
	if err := grammar.Fraction(d, &r.Jitter); err != nil {
		return err
	}
	if r.Jitter == 0 {
		r.Jitter = -1
	}
	return nil
}

// UnmarshalCaddyfile reads `breaker <failures> [<recovery> [<probes>]]` or `breaker off`.
func (b *Breaker) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	var args []string
	if err := grammar.SomeArgs(d, &args); err != nil {
		return err
	}
	if len(args) == 1 && args[0] == "off" {
		b.Off = true
		return nil
	}
	var errs [3]error
	b.Failures, errs[0] = strconv.Atoi(args[0])
	if len(args) > 1 {
		var recovery time.Duration
		recovery, errs[1] = caddy.ParseDuration(args[1])
		b.Recovery = caddy.Duration(recovery)
	}
	if len(args) > 2 {
		b.Probes, errs[2] = strconv.Atoi(args[2])
	}
	if errors.Join(errs[:]...) != nil || len(args) > 3 || b.Failures < 1 ||
		len(args) > 1 && b.Recovery <= 0 || len(args) > 2 && b.Probes < 1 {
		return d.Errf("breaker %s: want `off`, or failures, recovery and probes, such as 5 60s 3", grammar.ShownValues(args))
	}
	return nil
}
