package caddywebhooks

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// reachFinding is a request that should come to an endpoint first, and does not.
type reachFinding struct {
	level    string
	endpoint string
	message  string
	fix      string
}

// findUnreached asks, for each endpoint on each server, where requests of its
// own would come to, and with around also where similar ones would. Nothing is sent.
func (a *App) findUnreached(around bool) []reachFinding {
	var findings []reachFinding
	for place, h := range a.servers {
		if place.server == nil {
			continue
		}
		for _, probe := range reach.Probes(place.server, h) {
			taker := reach.First(place.server, probe, isEndpoint)
			switch {
			case taker != caddyhttp.MiddlewareHandler(h):
				findings = append(findings, takenFinding(h, probe, taker))
			case around:
				findings = append(findings, h.findWayAround(place.server, probe)...)
			}
		}
	}
	slices.SortFunc(findings, func(a, b reachFinding) int {
		return strings.Compare(a.endpoint+"\x00"+a.message, b.endpoint+"\x00"+b.message)
	})
	return slices.Compact(findings) // of one site on several servers
}

func isEndpoint(h caddyhttp.MiddlewareHandler) bool {
	_, ok := h.(*Handler)
	return ok
}

// takenFinding is about a webhook that something else answers.
func takenFinding(h *Handler, probe *http.Request, taker caddyhttp.MiddlewareHandler) reachFinding {
	by := "no handler gets it"
	if other, ok := taker.(*Handler); ok {
		by = fmt.Sprintf("endpoint %s gets it first", other.Name)
	} else if taker != nil {
		by = reach.Name(taker) + " gets it first"
	}
	return reachFinding{
		levelError, h.Name,
		fmt.Sprintf("%s does not come to it, and is not verified: %s", shown(probe), by),
		"In a Caddyfile the directive precedes those that answer, unless a `route` or an `order` says otherwise: put it first there. In JSON, put its route before the other one.",
	}
}

// shown is a request as people write it.
func shown(r *http.Request) string { return r.Method + " " + r.Host + r.RequestURI }

// findWayAround looks for requests that are not the endpoint's, and that the
// application may take for the same: those come to it without having been verified.
func (h *Handler) findWayAround(server *caddyhttp.Server, probe *http.Request) []reachFinding {
	mine := h.applications(server, probe)
	for _, variant := range variants(probe) {
		proxy, ok := reach.First(server, variant, isEndpoint).(*reverseproxy.Handler)
		if !ok || !slices.ContainsFunc(proxy.Upstreams, func(u *reverseproxy.Upstream) bool { return slices.Contains(mine, u.Dial) }) {
			continue
		}
		return []reachFinding{{
			levelWarn, h.Name,
			fmt.Sprintf("%s comes to the same application without having been verified, and the application may take it for %s", shown(variant), probe.URL.Path),
			"Close what lies around the endpoint's path (`handle /hooks* { … respond 404 }`, as examples/guard does), or give the webhooks of the application an address that no other route leads to.",
		}}
	}
	return nil
}

// applications are the addresses that the endpoint's webhooks go to.
func (h *Handler) applications(server *caddyhttp.Server, probe *http.Request) []string {
	var dials []string
	add := func(proxy *reverseproxy.Handler) {
		for _, upstream := range proxy.Upstreams {
			dials = append(dials, upstream.Dial)
		}
	}
	for _, f := range h.Forward {
		reach.Each(f.routes, func(handler caddyhttp.MiddlewareHandler) {
			if proxy, ok := handler.(*reverseproxy.Handler); ok {
				add(proxy)
			}
		})
	}
	if len(h.Forward) == 0 {
		behind := func(handler caddyhttp.MiddlewareHandler) bool {
			return isEndpoint(handler) && handler != caddyhttp.MiddlewareHandler(h)
		}
		if proxy, ok := reach.First(server, probe, behind).(*reverseproxy.Handler); ok {
			add(proxy)
		}
	}
	return dials
}

// variants are requests for other URLs that some applications route like that
// of r: with a slash or a path parameter behind it, escaped, in capitals, by another method.
func variants(r *http.Request) []*http.Request {
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	if path == "" {
		return nil
	}
	var out []*http.Request
	for _, escaped := range []string{path + "/", path + ";x", path + "%2f", path + "%00", path + "%20", "/" + path, path + ".json", strings.ToUpper(path)} {
		target, err := url.ParseRequestURI(escaped)
		if err != nil {
			continue
		}
		target.RawQuery = r.URL.RawQuery
		variant := r.Clone(r.Context())
		variant.URL, variant.RequestURI = target, target.RequestURI()
		out = append(out, variant)
	}
	put := r.Clone(r.Context())
	put.Method = http.MethodPut
	return append(out, put)
}

// warnOfUnreached says at load that webhooks go past an endpoint: unverified, and silently.
func (a *App) warnOfUnreached() {
	for _, finding := range a.findUnreached(false) {
		a.logger.Warn("webhooks do not come to their endpoint",
			zap.String("endpoint", finding.endpoint), zap.String("finding", finding.message), zap.String("remedy", finding.fix))
	}
}

// checkRoutes looks for requests that go past the endpoints.
func (d *diagnosis) checkRoutes() {
	for _, finding := range d.app.findUnreached(true) {
		d.add(finding.level, "route", finding.endpoint, finding.message, finding.fix)
	}
}
