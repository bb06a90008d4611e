package caddywebhooks

import (
	"errors"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/ipsource"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("webhooks", parseHandler)
	// The directive comes before every other one of the site that could answer a webhook, or change what
	// its matcher looks at: otherwise that webhook would not be verified.
	httpcaddyfile.RegisterDirectiveOrder("webhooks", httpcaddyfile.Before, "redir")
	httpcaddyfile.RegisterGlobalOption("webhooks", parseApp)
	grammar.Declare("the block of the directive, webhooks [<matcher>] <provider> { … }",
		"name", "secret", "public_key", "option", "tolerance", "verify", "require_https", "public_url", "block_ips", "allow_ips",
		"max_body", "content_type", "dedupe", "dedupe_ttl", "respond", "forward", "rate_limit")
}

// UnmarshalCaddyfile sets up the handler. Syntax:
//
//	webhooks [<matcher>] <provider> {
//	    name          <endpoint>
//	    secret        <secret>...
//	    public_key    <key>...
//	    option        <name> <value>...
//	    tolerance     <duration>
//	    verify        <algorithm> { … }
//	    require_https on|off
//	    public_url    <url>
//	    block_ips     <cidr>...
//	    allow_ips     <cidr>|provider... | <ip source module> [<arguments>]
//	    rate_limit    [ip|provider <burst> <rate> [token_bucket|sliding_window]]
//	    max_body      <size>
//	    content_type  <type>...
//	    dedupe        off | [<source>...] [content]
//	    dedupe_ttl    <duration>
//	    respond       accepted | upstream [<timeout>]
//	    forward [<upstream>...] {
//	        name          <destination>
//	        events        <glob>...
//	        timeout       <duration>
//	        retry         [exponential|linear|fibonacci] { … }
//	        dead_on       <status>...
//	        max_in_flight <number>
//	        priority      <0..10> [<glob>...]
//	        rate          <number>/s
//	        breaker       <failures> [<recovery> [<probes>]] | off
//	        resign        on|off
//	        handle        { <directives> }
//	    }
//	}
//
// A <source> is `header <name>`, `json <pointer>`, `query <name>` or `form <name>`.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	lines := grammar.Lines{
		"name":          func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &h.Name) },
		"secret":        func(d *caddyfile.Dispenser) error { return grammar.SomeArgs(d, &h.Secrets) },
		"public_key":    func(d *caddyfile.Dispenser) error { return grammar.SomeArgs(d, &h.PublicKeys) },
		"option":        h.unmarshalOption,
		"tolerance":     func(d *caddyfile.Dispenser) error { return grammar.Duration(d, &h.Tolerance) },
		"verify":        h.unmarshalVerify,
		"require_https": func(d *caddyfile.Dispenser) error { return grammar.OnOff(d, &h.RequireHTTPS) },
		"public_url":    func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &h.PublicURL) },
		"block_ips":     h.unmarshalBlockIPs,
		"allow_ips":     h.unmarshalAllowIPs,
		"rate_limit":    h.unmarshalRateLimit,
		"max_body":      func(d *caddyfile.Dispenser) error { return grammar.Size(d, &h.MaxBody, grammar.MostBody) },
		"content_type":  func(d *caddyfile.Dispenser) error { return grammar.SomeArgs(d, &h.ContentTypes) },
		"dedupe":        h.unmarshalDedupe,
		"dedupe_ttl":    func(d *caddyfile.Dispenser) error { return grammar.Duration(d, &h.DedupeTTL) },
		"respond":       h.unmarshalRespond,
		"forward":       h.unmarshalForward,
	}
	if err := errors.Join(lines.CheckOpening(d, "webhooks [<matcher>] <provider>", 1), grammar.CheckBrace(d)); err != nil {
		return err
	}
	if err := h.unmarshalProvider(d); err != nil {
		return err
	}
	return lines.Parse(d, "forward", "secret", "public_key", "option", "block_ips", "allow_ips", "rate_limit")
}

// unmarshalProvider reads what follows the directive's name; Caddy has taken the
// matcher away if it stands where it should.
func (h *Handler) unmarshalProvider(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("the provider is missing: webhooks [<matcher>] <provider> { … }")
	}
	h.Provider = d.Val()
	if grammar.IsMatcher(h.Provider) {
		return d.Errf("%q is a second matcher: want one, and then the provider: webhooks [<matcher>] <provider> { … }; for several paths name a matcher, `@hooks path /a /b`", grammar.ShownMatcher(h.Provider))
	}
	if _, ok := verify.Lookup(h.Provider); !ok && h.Provider != custom {
		return d.WrapErr(grammar.UnknownProvider(h.Provider))
	}
	if !d.NextArg() {
		return nil
	}
	if grammar.IsMatcher(d.Val()) {
		return d.Errf("the matcher %s goes before the provider: webhooks %[1]s %s { … }", grammar.ShownMatcher(d.Val()), h.Provider)
	}
	if _, ok := verify.Lookup(d.Val()); ok {
		return d.Errf("unexpected argument %q after the provider: an endpoint has one, give the other a directive of its own", d.Val())
	}
	// Not quoted: people put the secret there.
	return d.Errf("unexpected argument after the provider: what else there is goes into the block, webhooks [<matcher>] %s { secret … }, each on a line of its own", h.Provider)
}

// unmarshalVerify reads how provider "custom" signs; see grammar.Scheme.
func (h *Handler) unmarshalVerify(d *caddyfile.Dispenser) error {
	if h.Provider != custom {
		return d.Errf("verify is for provider %s; provider %s has a scheme of its own", custom, h.Provider)
	}
	h.Verify = new(verify.Scheme)
	return grammar.Scheme(d, h.Verify)
}

// unmarshalRateLimit reads one of several lines of limits.
func (h *Handler) unmarshalRateLimit(d *caddyfile.Dispenser) error {
	if h.RateLimit == nil {
		h.RateLimit = new(policy.RateLimits)
	}
	return h.RateLimit.UnmarshalCaddyfile(d)
}

// unmarshalOption reads `option <name> <value>...`; a name may be repeated to give more values.
func (h *Handler) unmarshalOption(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || slices.Contains(args, "") {
		return d.Err("option wants a name and its value, none of them empty")
	}
	if h.Options == nil {
		h.Options = make(map[string][]string)
	}
	h.Options[args[0]] = append(h.Options[args[0]], args[1:]...)
	return nil
}

// unmarshalDedupe reads `dedupe off`, or `dedupe <source>...`, of which the last may be `content`.
func (h *Handler) unmarshalDedupe(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	h.Dedupe = new(Dedupe)
	if len(args) == 1 && args[0] == "off" {
		h.Dedupe.Off = true
		return nil
	}
	if len(args) == 0 {
		return d.Err("dedupe wants `off`, sources such as `header X-Event-Id` or `json /id`, or `content`")
	}
	for len(args) > 0 {
		if len(args) == 1 && args[0] == "content" {
			h.Dedupe.Content = true
			return nil
		}
		words := 2
		if args[0] == verify.FromFormJSON {
			words = 3
		}
		source, err := verify.ParseSource(args[:min(words, len(args))])
		if err != nil {
			return d.WrapErr(err)
		}
		h.Dedupe.Sources = append(h.Dedupe.Sources, source)
		args = args[min(words, len(args)):]
	}
	return nil
}

// unmarshalRespond reads `respond accepted` or `respond upstream [<timeout>]`.
func (h *Handler) unmarshalRespond(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch {
	case len(args) == 1 && (args[0] == respondAccepted || args[0] == respondUpstream):
	case len(args) == 2 && args[0] == respondUpstream:
		timeout, err := caddy.ParseDuration(args[1])
		if err != nil || timeout <= 0 {
			return d.Errf("respond upstream %s: want a duration above zero, such as 2500ms", grammar.ShownValue(args[1]))
		}
		h.RespondTimeout = caddy.Duration(timeout)
	default:
		return d.Errf("respond wants one of: %s, %s [<timeout>]", respondAccepted, respondUpstream)
	}
	h.Respond = args[0]
	return nil
}

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
	if !ipsource.IsAddress(d.Val()) {
		name := d.Val()
		if ipsource.LooksLikeAddress(name) {
			return d.Errf("allow_ips: %v", ipsource.BadAddress(name))
		}
		module, err := caddyfile.UnmarshalModule(d, "http.ip_sources."+name)
		if err != nil && !ipsource.Exists(name) {
			return d.Errf("allow_ips: %s is neither an address, a CIDR, `provider`, nor an IP source module: this Caddy has no http.ip_sources of that name; private networks are `allow_ips static private_ranges`", grammar.ShownWord(name, []string{"static", "provider", "private_ranges", "webhooks"}))
		}
		if err != nil {
			return err
		}
		if static, ok := module.(*caddyhttp.StaticIPRange); ok { // which looks at them later, where no line is known
			for _, text := range static.Ranges {
				if _, err := caddyhttp.CIDRExpressionToPrefix(text); err != nil {
					return d.Errf("allow_ips static: %v", ipsource.BadAddress(text))
				}
			}
		}
		h.AllowIPSourcesRaw = append(h.AllowIPSourcesRaw, caddyconfig.JSONModuleObject(module, "source", name, nil))
		return nil
	}
	for _, text := range append([]string{d.Val()}, d.RemainingArgs()...) {
		if !ipsource.IsAddress(text) && ipsource.LooksLikeAddress(text) {
			return d.Errf("allow_ips: %v", ipsource.BadAddress(text))
		}
		if !ipsource.IsAddress(text) {
			return d.Errf("allow_ips: %s is neither an address, a CIDR nor `provider`; a module goes on a line of its own", grammar.ShownValue(text))
		}
		if text == ipsource.Provider {
			p, _ := verify.Lookup(h.Provider) // nil for custom
			if _, err := ipsource.Of(p); err != nil {
				return d.Errf("allow_ips provider: %v", err)
			}
		}
		h.AllowIPs = append(h.AllowIPs, text)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
