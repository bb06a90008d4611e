package ipsource

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// UnmarshalCaddyfile sets up the source. Syntax:
//
//	webhook_provider <provider> {
//	    interval <duration>|off
//	    url      <url>
//	    timeout  <duration>
//	}
func (s *Source) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the module's name
	if err := grammar.OneArg(d, &s.Provider); err != nil {
		return err
	}
	provider, ok := verify.Lookup(s.Provider)
	if !ok && s.Provider != verify.CustomName {
		return d.WrapErr(grammar.UnknownProvider(s.Provider))
	}
	if _, err := Of(provider); err != nil {
		return d.WrapErr(err)
	}
	return grammar.Lines{
		"interval": s.unmarshalInterval,
		"url":      func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &s.URL) },
		"timeout":  func(d *caddyfile.Dispenser) error { return grammar.Duration(d, &s.Timeout) },
	}.Parse(d)
}

// unmarshalInterval reads `interval <duration>|off`.
func (s *Source) unmarshalInterval(d *caddyfile.Dispenser) error {
	var text string
	if err := grammar.OneArg(d, &text); err != nil {
		return err
	}
	if text == "off" {
		s.Interval = -1
		return nil
	}
	value, err := caddy.ParseDuration(text)
	if err != nil || value < minListInterval {
		return d.Errf("interval is %s: want a duration of at least %s, or off", grammar.ShownValue(text), minListInterval)
	}
	s.Interval = caddy.Duration(value)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Source)(nil)
