package caddywebhooks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// reachFinding is a request that should come to an endpoint first, and does not.
type reachFinding struct {
	level    string
	endpoint string
	title    string // in the log
	message  string
	fix      string
}

// Titles of findings.
const (
	titleUnreached = "webhooks do not come to their endpoint"
	titleAround    = "requests come to the application past its endpoint, without having been verified"
	titleLoop      = "the handler behind an endpoint leads to the server that the endpoint is on"
	titleNobody    = "deliveries find no handler"
)

// findUnreached asks, for each endpoint on each server, where requests of its
// own would come to, and with around also where similar ones would. Nothing is sent.
func (a *App) findUnreached(around bool) []reachFinding {
	var findings []reachFinding
	for place, h := range a.servers {
		if place.server == nil {
			continue
		}
		ways := reach.Find(place.server, h)
		findings = append(findings, h.findDoubts(ways, around)...)
		for _, probe := range ways.Probes {
			// An endpoint in guard mode passes on what it has verified.
			stop := func(handler caddyhttp.MiddlewareHandler) bool {
				other, ok := handler.(*Handler)
				return ok && (other == h || len(other.Forward) > 0)
			}
			taker, arrived := reach.Arrive(place.server, probe, stop)
			if taker != caddyhttp.MiddlewareHandler(h) {
				findings = append(findings, takenFinding(h, probe, taker))
				continue
			}
			findings = append(findings, h.findNobody(place.server, probe, arrived)...)
			findings = append(findings, h.findWaysAround(place.server, probe, around)...)
		}
	}
	slices.SortFunc(findings, func(a, b reachFinding) int {
		return strings.Compare(a.endpoint+"\x00"+a.message, b.endpoint+"\x00"+b.message)
	})
	return slices.Compact(findings) // of one site on several servers
}

// findDoubts says what of the endpoint's matchers cannot be what was meant, and what cannot be checked.
func (h *Handler) findDoubts(ways reach.Ways, around bool) (findings []reachFinding) {
	for _, doubt := range ways.Doubts {
		findings = append(findings, reachFinding{api.LevelError, h.Name, titleUnreached, doubt, "Correct the matcher, and try it: `caddy webhooks send` to the URL that the provider calls."})
	}
	sent := func(r *http.Request) bool { return slices.Contains(h.provider.Methods, r.Method) }
	if len(ways.Probes) > 0 && !slices.ContainsFunc(ways.Probes, sent) {
		findings = append(findings, reachFinding{
			api.LevelError, h.Name, titleUnreached,
			fmt.Sprintf("no webhook comes to it: its matcher asks for another method than %s, by which the provider sends", strings.Join(h.provider.Methods, " or ")),
			"Take `method` out of the matcher: the endpoint refuses other methods by itself.",
		})
	}
	if around && len(ways.Unchecked) > 0 {
		slices.Sort(ways.Unchecked)
		findings = append(findings, reachFinding{
			api.LevelWarn, h.Name, titleUnreached,
			fmt.Sprintf("whether its webhooks come to it, and nothing else to the application, could not be checked: no request could be made up for %s on the way to it", strings.Join(slices.Compact(ways.Unchecked), ", ")),
			"Send a request without a signature to the URL that the provider calls: the endpoint answers 401. Or match the path only, and leave the rest to the endpoint.",
		})
	}
	return findings
}

// findNobody looks for destinations whose handlers have none for the endpoint's webhooks, and in
// guard mode whether the next handler leads back to this Caddy.
func (h *Handler) findNobody(server *caddyhttp.Server, probe, arrived *http.Request) (findings []reachFinding) {
	for _, f := range h.Forward {
		if !reach.Follow(server, f.routes, arrived).Answered {
			findings = append(findings, reachFinding{
				api.LevelError, h.Name, titleNobody,
				fmt.Sprintf("deliveries of %s to %s find no handler: nothing in `handle` matches them", shown(probe), f.Name),
				"Correct the matchers in `handle`; they see the path as the endpoint does.",
			})
		}
	}
	if len(h.Forward) > 0 {
		return findings
	}
	for _, dial := range h.applications(server, probe) {
		if listensOn(server.Listen, dial) {
			findings = append(findings, reachFinding{
				api.LevelWarn, h.Name, titleLoop,
				fmt.Sprintf("what stands behind it proxies to %s, which is the server that the endpoint is on: what comes back to the endpoint is refused (508 loop)", dial),
				"Give reverse_proxy the application's own address.",
			})
		}
	}
	return findings
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
		api.LevelError, h.Name, titleUnreached,
		fmt.Sprintf("%s does not come to it, and is not verified: %s", shown(probe), by),
		"In a Caddyfile the directive precedes those beside it, but not those outside of its `handle`: take it out of `handle`, and give it the matcher itself (`webhooks /hook github { … }`). In a `route`, put it first. In JSON, put its route before the other one.",
	}
}

// shown is a request as people write it.
func shown(r *http.Request) string { return r.Method + " " + r.Host + r.RequestURI }

// warnOfUnreached says at load that webhooks go past an endpoint, or nowhere: unverified, and silently.
func (a *App) warnOfUnreached() {
	for _, finding := range a.findUnreached(false) {
		a.logger.Warn(finding.title,
			zap.String("endpoint", finding.endpoint), zap.String("finding", finding.message), zap.String("remedy", finding.fix))
	}
}

// checkRoutes looks for requests that go past the endpoints.
func (d *diagnosis) checkRoutes() {
	if len(d.app.endpoints) == 0 {
		d.add(api.LevelWarn, "endpoints", "config", "there is no endpoint in the running config",
			"Put a `webhooks` directive into a site. One in a named route, &(name), counts where a site invokes it.")
	}
	for _, finding := range d.app.findUnreached(true) {
		d.add(finding.level, "route", finding.endpoint, finding.message, finding.fix)
	}
}
