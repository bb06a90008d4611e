package caddywebhooks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/credentials"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// parseHandler sets up the handler from the directive.
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

// checkAdapted refuses, while line numbers are known, what Provision would refuse without them. Checks
// that depend on the values of placeholders are left to Provision, as another process may have other
// values.
func (h *Handler) checkAdapted() error {
	provider, err := h.lookUpProvider()
	if err != nil {
		return err
	}
	given := h.credentials(provider)
	c := *h // with defaults, which must not appear in the adapted config
	c.ContentTypes = slices.Clone(h.ContentTypes)
	c.setDefaults()
	if err := c.checkValues(); err != nil {
		return err
	}
	if err := errors.Join(given.CheckOptionNames(), given.CheckWritten()); err != nil {
		return err
	}
	if _, err := credentials.CheckForms(provider, slices.DeleteFunc(slices.Clone(h.Secrets), grammar.Refers)); err != nil {
		return err
	}
	if given.HasPlaceholders() {
		if err := given.CheckPartly(h.checkDestinations); err != nil {
			return err
		}
		if traits := provider.Traits(); len(traits.Ways) == 1 { // with several providers, the keys decide
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

// checkDestinations checks what the destinations need from the verifier.
func (h *Handler) checkDestinations(v *verify.Verifier) error {
	for _, f := range h.Forward {
		if err := f.checkResign(v); err != nil {
			return fmt.Errorf("forward %s: %w", f.Name, err)
		}
	}
	return nil
}

// wrap adds the endpoint and a line to an error. The line is that of the setting with which the error's
// text begins; otherwise it is the directive's line, at which d stands.
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
