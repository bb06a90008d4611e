package caddywebhooks

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/deliver"
	"github.com/caddywebhooks/caddy-webhooks/internal/eventtypes"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/internal/references"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func init() {
	grammar.Declare("the block of a destination, forward <upstream>... { … }",
		"name", "events", "timeout", "retry", "dead_on", "max_in_flight", "priority", "rate", "breaker", "resign", "handle")
	grammar.Declare("the block of handle, in forward: handle { … }",
		"reverse_proxy", "rewrite", "header", "route", "uri")
}

// unmarshalForward reads one `forward`; UnmarshalCaddyfile shows its syntax.
func (h *Handler) unmarshalForward(d *caddyfile.Dispenser) error {
	start := *d // errors about the destination as a whole name its first line
	f := new(Forward)
	lines := grammar.Lines{
		"name":          func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &f.Name) },
		"events":        func(d *caddyfile.Dispenser) error { return f.unmarshalTypes(d, &f.Events) },
		"timeout":       f.unmarshalTimeout,
		"retry":         func(d *caddyfile.Dispenser) error { f.Retry = new(policy.Retry); return f.Retry.UnmarshalCaddyfile(d) },
		"dead_on":       f.unmarshalDeadOn,
		"max_in_flight": func(d *caddyfile.Dispenser) error { return grammar.Number(d, &f.MaxInFlight, 1) },
		"priority":      f.unmarshalPriority,
		"rate":          f.unmarshalRate,
		"breaker": func(d *caddyfile.Dispenser) error {
			f.Breaker = new(policy.Breaker)
			return f.Breaker.UnmarshalCaddyfile(d)
		},
		"resign": func(d *caddyfile.Dispenser) error { return grammar.OnOff(d, &f.Resign) },
		"handle": f.stashHandle,
	}
	if err := lines.CheckOpening(d, "forward <upstream>...", 0); err != nil {
		return err
	}
	f.Upstreams = d.RemainingArgs()
	if err := lines.Parse(d, "priority"); err != nil {
		return err
	}
	f.setDefaultName()
	if err := f.check(); err != nil {
		return start.WrapErr(err)
	}
	if missing := references.Check(f.referencing()); missing != nil { // in upstreams; finalize knows `handle`
		return start.WrapErr(fmt.Errorf("forward %s: %w", f.Name, missing))
	}
	if _, err := deliver.ReverseProxy(f.Upstreams, f.MaxInFlight); err != nil {
		return start.WrapErr(err)
	}
	for _, other := range h.Forward {
		if other.Name == f.Name {
			return start.WrapErr(errDestinationTaken(f.Name))
		}
	}
	h.Forward = append(h.Forward, f)
	return nil
}

// unmarshalPriority reads `priority <0..10> [<glob>...]`.
func (f *Forward) unmarshalPriority(d *caddyfile.Dispenser) error {
	types := *d
	types.NextArg() // the level
	f.typeLines = append(f.typeLines, types)
	var args []string
	if err := grammar.SomeArgs(d, &args); err != nil {
		return err
	}
	level, err := strconv.Atoi(args[0])
	if err != nil {
		return d.Errf("priority is %s: want 0 to %d", grammar.ShownValue(args[0]), retrystore.MaxPriority)
	}
	p := policy.Priority{Level: level, Events: args[1:]}
	if err := p.Check(); err != nil {
		return d.WrapErr(err)
	}
	if n := len(f.Priority); n > 0 && len(f.Priority[n-1].Events) == 0 {
		return d.Err("priority: the one before is for all types, so this one never counts: put the ones with types first")
	}
	f.Priority = append(f.Priority, p)
	return nil
}

// unmarshalTypes reads globs of event types and keeps their line: the provider that they are checked
// against may not be known yet.
func (f *Forward) unmarshalTypes(d *caddyfile.Dispenser, globs *[]string) error {
	f.typeLines = append(f.typeLines, *d)
	return grammar.SomeArgs(d, globs)
}

// checkTypeLines checks the globs of event types while their lines are known. A doubtful glob is a warning
// of Caddy's adapter.
func (h *Handler) checkTypeLines() error {
	provider, err := h.lookUpProvider()
	if err != nil {
		return nil // there is an error about that
	}
	for _, f := range h.Forward {
		for _, line := range f.typeLines {
			for _, glob := range line.RemainingArgs() {
				doubt, err := eventtypes.Check(provider, glob)
				if err != nil {
					return line.WrapErr(fmt.Errorf("endpoint %s: forward %s: %w", h.label(), f.Name, err))
				}
				if doubt != "" {
					caddy.Log().Named("webhooks").Warn(doubt, zap.String("file", line.File()), zap.Int("line", line.Line()))
				}
			}
		}
	}
	return nil
}

// leastTimeout is shorter than any answer takes.
const leastTimeout = time.Millisecond

func (f *Forward) unmarshalTimeout(d *caddyfile.Dispenser) error {
	if err := grammar.Duration(d, &f.Timeout); err != nil {
		return err
	}
	if time.Duration(f.Timeout) < leastTimeout {
		return d.Errf("timeout is %s: want at least %s", time.Duration(f.Timeout), leastTimeout)
	}
	return nil
}

func (f *Forward) unmarshalDeadOn(d *caddyfile.Dispenser) error {
	if err := grammar.Statuses(d, &f.DeadOn); err != nil {
		return err
	}
	return grammar.At(d, forward.ValidateDeadOn(f.DeadOn))
}

// unmarshalRate reads `rate <n>/s`.
func (f *Forward) unmarshalRate(d *caddyfile.Dispenser) error {
	var text string
	if err := grammar.OneArg(d, &text); err != nil {
		return err
	}
	digits, ok := strings.CutSuffix(text, "/s")
	value, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(value > 0) {
		return d.Errf("rate is %s: want attempts per second, such as 50/s", grammar.ShownValue(text))
	}
	f.Rate = value
	return nil
}

// stashHandle keeps the block of `handle` for finalize: parsing directives
// needs a Helper, which UnmarshalCaddyfile does not have.
func (f *Forward) stashHandle(d *caddyfile.Dispenser) error {
	if at := *d; at.NextArg() {
		return d.Err("handle wants a block, with each directive on a line of its own: handle { … }")
	}
	f.handleSegment = d.NewFromNextSegment()
	return nil
}

// finalize parses the stashed block.
func (f *Forward) finalize(helper httpcaddyfile.Helper) error {
	if f.handleSegment == nil {
		return nil
	}
	handler, err := httpcaddyfile.ParseSegmentAsSubroute(helper.WithDispenser(f.handleSegment))
	if err != nil {
		return err
	}
	subroute, ok := handler.(*caddyhttp.Subroute)
	if !ok {
		return f.handleSegment.Err("handle was not parsed as a subroute")
	}
	if len(subroute.Routes) == 0 {
		f.handleSegment.Next()
		return f.handleSegment.Err("handle is empty: put the directive into it that delivers, such as reverse_proxy localhost:3000")
	}
	f.Handle = subroute.Routes
	if missing := references.Check(f.referencing()); missing != nil {
		return f.at(missing)
	}
	f.handleSegment = nil
	return nil
}

// at names the line, in the block of `handle`, of the reference.
func (f *Forward) at(missing *references.Missing) error {
	d := f.handleSegment
	err := fmt.Errorf("forward %s: %w", f.Name, missing)
	for d.Reset(); d.Next(); {
		if strings.Contains(d.Val(), "{"+missing.Name+"}") {
			return d.WrapErr(err)
		}
	}
	d.Reset()
	d.Next() // a matcher from outside refers to it
	return d.WrapErr(err)
}
