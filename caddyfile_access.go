package caddywebhooks

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/ipsource"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// unmarshalBlockIPs reads `block_ips <cidr>...`.
func (h *Handler) unmarshalBlockIPs(d *caddyfile.Dispenser) error {
	if err := grammar.SomeArgs(d, &h.BlockIPs); err != nil {
		return err
	}
	for _, text := range h.BlockIPs {
		if _, err := verify.ParsePrefix(text); err != nil {
			return d.Errf("block_ips: %v", err)
		}
	}
	return nil
}

// unmarshalAllowIPs reads `allow_ips <cidr>|provider...`, or the name of a
// module in http.ip_sources with its own arguments, as trusted_proxies does.
func (h *Handler) unmarshalAllowIPs(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("allow_ips wants addresses, `provider`, or the name of an IP source module")
	}
	if !isAddress(d.Val()) {
		name := d.Val()
		if looksLikeAddress(name) {
			return d.Errf("allow_ips: %v", badAddress(name))
		}
		module, err := caddyfile.UnmarshalModule(d, "http.ip_sources."+name)
		if err != nil && caddyNoModule(name) {
			return d.Errf("allow_ips: %s is neither an address, a CIDR, `provider`, nor an IP source module: this Caddy has no http.ip_sources of that name; private networks are `allow_ips static private_ranges`", grammar.ShownWord(name, []string{"static", "provider", "private_ranges", "webhooks"}))
		}
		if err != nil {
			return err
		}
		if static, ok := module.(*caddyhttp.StaticIPRange); ok { // which looks at them later, where no line is known
			for _, text := range static.Ranges {
				if _, err := caddyhttp.CIDRExpressionToPrefix(text); err != nil {
					return d.Errf("allow_ips static: %v", badAddress(text))
				}
			}
		}
		h.AllowIPSourcesRaw = append(h.AllowIPSourcesRaw, caddyconfig.JSONModuleObject(module, "source", name, nil))
		return nil
	}
	for _, text := range append([]string{d.Val()}, d.RemainingArgs()...) {
		if !isAddress(text) && looksLikeAddress(text) {
			return d.Errf("allow_ips: %v", badAddress(text))
		}
		if !isAddress(text) {
			return d.Errf("allow_ips: %s is neither an address, a CIDR nor `provider`; a module goes on a line of its own", grammar.ShownValue(text))
		}
		if text == providerRanges {
			p, _ := verify.Lookup(h.Provider) // nil for custom
			if _, err := ipsource.Of(p); err != nil {
				return d.Errf("allow_ips provider: %v", err)
			}
		}
		h.AllowIPs = append(h.AllowIPs, text)
	}
	return nil
}

func isAddress(text string) bool {
	_, err := verify.ParsePrefix(text)
	return err == nil || text == providerRanges
}

// looksLikeAddress tells a mistyped address or host name from the name of a module.
func looksLikeAddress(text string) bool {
	return strings.ContainsAny(text, ":/") || strings.Contains(text, ".") && caddyNoModule(text) || text[0] >= '0' && text[0] <= '9'
}

// caddyNoModule reports whether no source of addresses has that name.
func caddyNoModule(name string) bool {
	_, err := caddy.GetModule("http.ip_sources." + name)
	return err != nil
}

// badAddress says what to write instead.
func badAddress(text string) error {
	return fmt.Errorf("%s is not an address or an address range: want one such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32; names of hosts are not looked up", grammar.ShownRange(text))
}

// unmarshalRateLimit reads `rate_limit [ip|provider <burst> <rate> [<algorithm>]]`.
// Without arguments both tiers have their defaults.
func (h *Handler) unmarshalRateLimit(d *caddyfile.Dispenser) error {
	first := h.RateLimit == nil
	if first {
		h.RateLimit = new(RateLimits)
	}
	args := d.RemainingArgs()
	if len(args) == 0 {
		if !first {
			return d.Err("rate_limit without arguments stands for both tiers: it must be the only one")
		}
		h.RateLimit.IP, h.RateLimit.Provider = rateLimitOf(limiter.DefaultIP), rateLimitOf(limiter.DefaultProvider)
		return nil
	}
	var into *RateLimit
	switch args[0] {
	case string(limiter.IP):
		into = &h.RateLimit.IP
	case string(limiter.Provider):
		into = &h.RateLimit.Provider
	default:
		return d.Errf("rate_limit %s: want ip or provider; the global one belongs into the global option webhooks", grammar.ShownValue(args[0]))
	}
	return limit(d, args, into)
}

// limit reads the limit of the tier args[0].
func limit(d *caddyfile.Dispenser, args []string, into *RateLimit) error {
	if !into.IsZero() {
		return d.Errf("rate_limit %s is repeated", args[0])
	}
	value, err := limiter.ParseLimit(args[1:])
	if err != nil {
		return d.Errf("rate_limit %s: %v", args[0], err)
	}
	*into = rateLimitOf(value)
	return nil
}
