package caddywebhooks

import (
	"errors"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func init() {
	// rate_limit is left out: where it is misplaced, the directive's is meant.
	grammar.Declare("the block of the global option at the beginning of the file, { webhooks { … } }",
		"store", "node", "max_pending", "max_stored", "max_body_memory", "retain")
}

// parseApp sets up the app from the global option. Syntax:
//
//	webhooks {
//	    store       file [<path>] | redis <url>... { … }
//	    rate_limit  global <burst> <rate> [token_bucket|sliding_window]
//	    rate_limit  on_error allow|deny|local
//	    node        <name>
//	    max_pending <number>
//	    max_stored  <size>
//	    max_body_memory <size>
//	    retain      delivered <number>|<duration>... [bodies]
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // to a line that errors can name
		return nil, d.Err("the global option webhooks is repeated: merge the two")
	}
	app := new(App)
	whole := *d
	grammar.RememberOrigins("store", whole)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, grammar.HideKeys(whole, err)
	}
	return httpcaddyfile.App{Name: "webhooks", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app; see parseApp for the syntax.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	lines := grammar.Lines{
		"store":           a.unmarshalStore,
		"rate_limit":      a.unmarshalGlobalRateLimit,
		"node":            func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &a.Node) },
		"max_pending":     func(d *caddyfile.Dispenser) error { return grammar.Number(d, &a.MaxPending, 1) },
		"max_body_memory": func(d *caddyfile.Dispenser) error { return grammar.Size(d, &a.MaxBodyMemory, grammar.MostBody) },
		"max_stored":      func(d *caddyfile.Dispenser) error { return grammar.Size(d, &a.MaxStored, maxMaxStored) },
		"retain": func(d *caddyfile.Dispenser) error {
			a.RetainDelivered = new(policy.Retain)
			return a.RetainDelivered.UnmarshalCaddyfile(d)
		},
	}
	if err := errors.Join(lines.CheckOpening(d, "webhooks", 0), grammar.CheckBrace(d)); err != nil {
		return err
	}
	if d.NextArg() {
		return d.Errf("unexpected argument %s: the global option takes a block, webhooks { … }; the directive of a site goes into the site's block", grammar.ShownValue(d.Val()))
	}
	return lines.Parse(d, "rate_limit")
}

// unmarshalStore lets the module of that name read the rest of the line and its block.
func (a *App) unmarshalStore(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("store wants a backend: store file [<path>], or store redis <url>...")
	}
	backend := d.Val()
	if strings.ContainsAny(backend, ":/.") { // not quoted: a URL may have a password
		return d.Err("store: the backend is missing before the path or URL: store file <path>, or store redis <url>...")
	}
	if _, err := caddy.GetModule("webhooks.stores." + backend); err != nil {
		return d.Errf("unknown store %s: this Caddy has %s; others are modules to build in with xcaddy", grammar.ShownValue(backend), strings.Join(storeNames(), ", "))
	}
	unmarshaler, err := caddyfile.UnmarshalModule(d, "webhooks.stores."+backend)
	if err != nil {
		return err
	}
	a.StoreRaw = caddyconfig.JSONModuleObject(unmarshaler, "backend", backend, nil)
	return nil
}

// storeNames are the stores that are built in.
func storeNames() (names []string) {
	for _, m := range caddy.GetModules("webhooks.stores") {
		names = append(names, m.ID.Name())
	}
	return names
}

// unmarshalGlobalRateLimit reads `rate_limit global <burst> <rate> [<algorithm>]`
// and `rate_limit on_error allow|deny|local`.
func (a *App) unmarshalGlobalRateLimit(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 2 && args[0] == "on_error":
		if a.RateLimitOnError != "" {
			return d.Err("rate_limit on_error is repeated")
		}
		a.RateLimitOnError = args[1]
		if err := policy.CheckOnError(a.RateLimitOnError); err != nil {
			return d.WrapErr(err)
		}
		return nil
	case len(args) == 0 || args[0] != string(limiter.Global):
		return d.Err("rate_limit wants: global <burst> <rate>, such as global 1000 100/s, or on_error allow|deny|local")
	}
	return a.RateLimit.Unmarshal(d, args)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
