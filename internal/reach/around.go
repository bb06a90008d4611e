package reach

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// variant is a request that is not the endpoint's, and that the application may take for one.
type variant struct {
	level string
	how   string // it differs, if not by its URL or method
	r     *http.Request
}

// findWaysAround looks for requests that are not the endpoint's and that the application may take for the
// same: they would reach it without verification. With urls it looks for other URLs, too.
func (all Endpoints) findWaysAround(h *Endpoint, probe *http.Request, urls bool) (findings []Finding) {
	mine := all.applications(h, probe)
	isMine := func(u *reverseproxy.Upstream) bool { return slices.Contains(mine, SameDial(u.Dial)) }
	comes := func(v variant) bool {
		proxy, ok := First(h.Server, v.r, all.is).(*reverseproxy.Handler)
		return ok && slices.ContainsFunc(proxy.Upstreams, isMine)
	}
	for _, v := range h.conditions(probe) {
		if v.level == levelWarn && slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == levelWarn }) {
			break // one host is enough
		}
		if comes(v) {
			findings = append(findings, Finding{
				v.level, h.Name, titleAround,
				fmt.Sprintf("%s %s comes to the same application without having been verified", shown(v.r), v.how),
				"Match the path only (`webhooks /hook github { … }`), and let the endpoint refuse the rest: `allow_ips` for addresses, `content_type`, `require_https`. Or close the path for everything else: `handle /hook { … respond 404 }`, in each site.",
			})
		}
	}
	if !urls {
		return findings
	}
	for _, v := range variants(probe) {
		if comes(v) {
			return append(findings, Finding{
				v.level, h.Name, titleAround,
				fmt.Sprintf("%s comes to the same application without having been verified, and the application may take it for %s", shown(v.r), probe.URL.Path),
				"Close what lies around the endpoint's path (`handle /hooks* { … respond 404 }`, as examples/guard does), or give the webhooks of the application an address that no other route leads to.",
			})
		}
	}
	return findings
}

// applications are the addresses that the endpoint's webhooks go to.
func (all Endpoints) applications(h *Endpoint, probe *http.Request) []string {
	var dials []string
	add := func(proxy *reverseproxy.Handler) {
		for _, upstream := range proxy.Upstreams {
			dials = append(dials, SameDial(upstream.Dial))
		}
	}
	for _, f := range h.Destinations {
		Each(f.Routes, func(handler caddyhttp.MiddlewareHandler) {
			if proxy, ok := handler.(*reverseproxy.Handler); ok {
				add(proxy)
			}
		})
	}
	if len(h.Destinations) == 0 {
		behind := func(handler caddyhttp.MiddlewareHandler) bool {
			other := all.of(handler)
			return other != nil && other.Handler != h.Handler && len(other.Destinations) > 0
		}
		if proxy, ok := First(h.Server, probe, behind).(*reverseproxy.Handler); ok {
			add(proxy)
		}
	}
	return dials
}

// SameDial spells an upstream's address in one way: with placeholders expanded, and with one name for this
// machine.
func SameDial(dial string) string {
	dial = caddy.NewReplacer().ReplaceKnown(dial, "")
	host, port, err := net.SplitHostPort(dial)
	if err != nil {
		return dial
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

// conditions are requests for the URL of r, each without one of the further things that the
// matchers on the way to the endpoint may ask for. Only other hosts may be meant.
func (h *Endpoint) conditions(r *http.Request) (out []variant) {
	add := func(level, how string, change func(*http.Request)) {
		v := r.Clone(r.Context())
		change(v)
		v.RequestURI = v.URL.RequestURI()
		out = append(out, variant{level, how, v})
	}
	for name := range r.Header {
		add(levelError, "without the header "+name, func(v *http.Request) { v.Header.Del(name) })
	}
	if r.URL.RawQuery != "" {
		add(levelError, "without the query", func(v *http.Request) { v.URL.RawQuery = "" })
	}
	for _, address := range []string{"198.51.100.1:1", "[2001:db8::1]:1"} {
		add(levelError, "from another address", func(v *http.Request) { v.RemoteAddr = address })
	}
	if len(h.Server.TLSConnPolicies) == 0 {
		add(levelError, "by plain HTTP", func(v *http.Request) { v.TLS = nil })
	}
	for _, method := range h.Methods {
		if method != r.Method {
			add(levelError, "by the provider's method", func(v *http.Request) { v.Method = method })
		}
	}
	for _, host := range append(Hosts(h.Server), "elsewhere.example") {
		if !strings.EqualFold(host, r.Host) {
			add(levelWarn, "(another host)", func(v *http.Request) {
				v.Host = host
				if v.TLS != nil {
					v.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: host}
				}
			})
		}
	}
	slices.SortStableFunc(out, func(a, b variant) int { return cmp.Compare(levelOrder[a.level], levelOrder[b.level]) })
	return out
}

// variants are requests for other URLs that some applications route like that
// of r: with a slash or a path parameter behind it, escaped, in capitals, by another method.
func variants(r *http.Request) []variant {
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	if path == "" {
		return nil
	}
	var out []variant
	for _, escaped := range []string{path + "/", path + ";x", path + "%2f", path + "%00", path + "%20", "/" + path, path + ".json", strings.ToUpper(path)} {
		target, err := url.ParseRequestURI(escaped)
		if err != nil {
			continue
		}
		target.RawQuery = r.URL.RawQuery
		v := r.Clone(r.Context())
		v.URL, v.RequestURI = target, target.RequestURI()
		out = append(out, variant{levelWarn, "", v})
	}
	put := r.Clone(r.Context())
	put.Method = http.MethodPut
	return append(out, variant{levelWarn, "", put})
}
