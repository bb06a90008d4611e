package caddywebhooks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// parseHandler sets up the directive.
func parseHandler(helper httpcaddyfile.Helper) (_ caddyhttp.MiddlewareHandler, err error) {
	h, start := new(Handler), *helper.Dispenser // errors about the whole name its first line
	whole := start
	defer func() { err = grammar.HideKeys(whole, err) }()
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	grammar.RememberOrigins(cmp.Or(h.Name, h.Provider), start)
	start.Next()
	if err := h.checkTypeLines(); err != nil {
		return nil, err
	}
	if err := h.checkAdapted(); err != nil {
		return nil, h.wrap(start, err)
	}
	if helper.Option("servers") == nil { // else a server may expect them
		if err := h.checkHeaderNames(nil); err != nil {
			return nil, h.wrap(start, err)
		}
	}
	if err := claimName(helper, h); err != nil {
		return nil, h.wrap(start, err)
	}
	for _, f := range h.Forward {
		if err := f.finalize(helper); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// checkAdapted refuses, where the lines are known, what Provision would refuse
// without them. What depends on the values of placeholders, which another
// process may have, is left to Provision.
func (h *Handler) checkAdapted() error {
	provider, err := h.lookUpProvider()
	if err != nil {
		return err
	}
	c := *h // with defaults, which are not for the config that comes out
	c.ContentTypes = slices.Clone(h.ContentTypes)
	c.setDefaults()
	if err := c.checkValues(); err != nil {
		return err
	}
	if err := errors.Join(h.checkOptionNames(provider), h.checkWrittenValues()); err != nil {
		return err
	}
	if _, err := checkSecretForms(provider, slices.DeleteFunc(slices.Clone(h.Secrets), grammar.Refers)); err != nil {
		return err
	}
	if h.hasPlaceholders() {
		if err := h.checkPartly(provider); err != nil {
			return err
		}
		if traits := provider.Traits(); len(traits.Ways) == 1 { // of several the keys choose
			return c.checkDedupeTTL(traits.SignsTimestamp)
		}
		return nil
	}
	v, err := provider.NewVerifier(verify.Options{
		Secrets: h.Secrets, PublicKeys: h.PublicKeys, Settings: h.Options, Tolerance: time.Duration(c.Tolerance),
	})
	if err != nil {
		return err
	}
	defer v.Close()
	if err := h.checkDestinations(v); err != nil {
		return err
	}
	return c.checkDedupeTTL(v.SignedTimestamp())
}

// checkWrittenValues refuses keys and options that cannot be meant as they are written, where
// their lines are known.
func (h *Handler) checkWrittenValues() error {
	if err := grammar.CheckValues("secret", h.Secrets); err != nil {
		return err
	}
	if err := grammar.CheckValues("public_key", h.PublicKeys); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(h.Options)) {
		if err := grammar.CheckValues("option "+name, h.Options[name]); err != nil {
			return err
		}
	}
	return nil
}

// hasPlaceholders reports whether keys or options are known to a running Caddy only.
func (h *Handler) hasPlaceholders() bool {
	for _, values := range h.Options {
		if slices.ContainsFunc(values, grammar.Refers) {
			return true
		}
	}
	return slices.ContainsFunc(h.Secrets, grammar.Refers) || slices.ContainsFunc(h.PublicKeys, grammar.Refers)
}

// checkPartly checks, where the lines are known, what does not depend on the values
// of placeholders: it builds the verifier with values in their place that have the form of real ones.
func (h *Handler) checkPartly(p *verify.Provider) error {
	for _, s := range p.Settings {
		if s.Required && len(h.Options[s.Name]) == 0 {
			return fmt.Errorf("option %s is missing: %s", s.Name, strings.TrimSuffix(s.Doc, "."))
		}
	}
	if slices.ContainsFunc(h.PublicKeys, grammar.Refers) {
		return nil // no key is like another
	}
	for _, values := range h.Options {
		if slices.ContainsFunc(values, grammar.Refers) {
			return nil
		}
	}
	var first error
	for _, stand := range []string{
		p.SecretPrefix + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "0123456789abcdef0123456789abcdef",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "user:0123456789abcdef",
	} {
		secrets := slices.Clone(h.Secrets)
		for i, secret := range secrets {
			if grammar.Refers(secret) {
				secrets[i] = stand
			}
		}
		v, err := p.NewVerifier(verify.Options{Secrets: secrets, PublicKeys: h.PublicKeys, Settings: h.Options})
		if err == nil {
			defer v.Close()
			return h.checkDestinations(v)
		}
		if first == nil {
			first = err
		}
	}
	// Of a form of secrets that none of these has, nothing is known.
	if text := first.Error(); strings.HasPrefix(text, "public_key") || strings.HasPrefix(text, "option ") ||
		strings.Contains(text, "is not what this provider signs with") || strings.Contains(text, "is not needed") {
		return first
	}
	return nil
}

// checkDestinations checks what the destinations want of the verifier.
func (h *Handler) checkDestinations(v *verify.Verifier) error {
	for _, f := range h.Forward {
		if err := f.checkResign(v); err != nil {
			return fmt.Errorf("forward %s: %w", f.Name, err)
		}
	}
	return nil
}

// wrap names the endpoint and the line of the setting that an error is about, with
// which our errors begin; else the line of the directive, at which d stands.
func (h *Handler) wrap(d caddyfile.Dispenser, err error) error {
	setting := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == ' ' || r == ':' })[0]
	err = fmt.Errorf("endpoint %s: %w", h.label(), err)
	at := d
	at.RemainingArgs()
	for nesting := at.Nesting(); at.NextBlock(nesting); at.NextSegment() {
		if at.Val() == setting {
			return at.WrapErr(err)
		}
	}
	return d.WrapErr(err)
}

// claimName refuses a second endpoint of one name in a Caddyfile. (App.register
// does for any config, but knows no lines.)
func claimName(helper httpcaddyfile.Helper, h *Handler) error {
	const key = "webhooks.endpoints"
	names, ok := helper.State[key].(map[string]struct{})
	if !ok {
		names = make(map[string]struct{})
		helper.State[key] = names
	}
	name := cmp.Or(h.Name, h.Provider)
	if _, taken := names[name]; taken {
		return errNameTaken
	}
	names[name] = struct{}{}
	return nil
}
