package reach

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Finding is a request that should reach an endpoint first, and does not.
type Finding struct {
	// Level is "error" where webhooks are lost or unverified, else "warn".
	Level    string
	Endpoint string
	Title    string // in the log
	Message  string
	Fix      string
}

// Levels of findings, as package api has them.
const (
	levelWarn  = "warn"
	levelError = "error"
)

// levelOrder is worst first.
var levelOrder = map[string]int{levelError: 0, levelWarn: 1}

// Endpoint is a handler that receives webhooks on a server.
type Endpoint struct {
	Handler caddyhttp.MiddlewareHandler
	Server  *caddyhttp.Server
	Name    string

	// Methods are those by which its provider sends.
	Methods []string

	// Destinations are where it delivers to. None: the next handler does the work (guard mode).
	Destinations []Destination
}

// Destination is the handlers that deliver.
type Destination struct {
	Name   string
	Routes caddyhttp.RouteList
}

// Endpoints are all of a config, each once for each of its servers.
type Endpoints []Endpoint

// of returns the endpoint that a handler is; nil if it is none.
func (all Endpoints) of(handler caddyhttp.MiddlewareHandler) *Endpoint {
	i := slices.IndexFunc(all, func(e Endpoint) bool { return e.Handler == handler })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// is reports whether a handler is an endpoint.
func (all Endpoints) is(handler caddyhttp.MiddlewareHandler) bool { return all.of(handler) != nil }

// Titles of findings.
const (
	titleUnreached = "webhooks do not come to their endpoint"
	titleAround    = "requests come to the application past its endpoint, without having been verified"
	titleLoop      = "the handler behind an endpoint leads to the server that the endpoint is on"
	titleNobody    = "deliveries find no handler"
)

// Findings asks, for each endpoint on each server, which handler its own requests would reach, and with
// around also which one similar requests would reach. Nothing is sent.
func (all Endpoints) Findings(around bool) []Finding {
	var findings []Finding
	for i := range all {
		h := &all[i]
		ways := Find(h.Server, h.Handler)
		findings = append(findings, h.findDoubts(ways, around)...)
		for _, probe := range ways.Probes {
			// An endpoint in guard mode passes on what it has verified.
			stop := func(handler caddyhttp.MiddlewareHandler) bool {
				other := all.of(handler)
				return other != nil && (other.Handler == h.Handler || len(other.Destinations) > 0)
			}
			taker, arrived := Arrive(h.Server, probe, stop)
			if taker != h.Handler {
				findings = append(findings, all.takenFinding(h, probe, taker))
				continue
			}
			findings = append(findings, all.findNobody(h, probe, arrived)...)
			findings = append(findings, all.findWaysAround(h, probe, around)...)
		}
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return strings.Compare(a.Endpoint+"\x00"+a.Message, b.Endpoint+"\x00"+b.Message)
	})
	return slices.Compact(findings) // of one site on several servers
}

// findDoubts reports what in the endpoint's matchers cannot be meant, and what cannot be checked.
func (h *Endpoint) findDoubts(ways Ways, around bool) (findings []Finding) {
	for _, doubt := range ways.Doubts {
		findings = append(findings, Finding{levelError, h.Name, titleUnreached, doubt, "Correct the matcher, and try it: `caddy webhooks send` to the URL that the provider calls."})
	}
	sent := func(r *http.Request) bool { return slices.Contains(h.Methods, r.Method) }
	if len(ways.Probes) > 0 && !slices.ContainsFunc(ways.Probes, sent) {
		findings = append(findings, Finding{
			levelError, h.Name, titleUnreached,
			fmt.Sprintf("no webhook comes to it: its matcher asks for another method than %s, by which the provider sends", strings.Join(h.Methods, " or ")),
			"Take `method` out of the matcher: the endpoint refuses other methods by itself.",
		})
	}
	if around && len(ways.Unchecked) > 0 {
		slices.Sort(ways.Unchecked)
		findings = append(findings, Finding{
			levelWarn, h.Name, titleUnreached,
			fmt.Sprintf("whether its webhooks come to it, and nothing else to the application, could not be checked: no request could be made up for %s on the way to it", strings.Join(slices.Compact(ways.Unchecked), ", ")),
			"Send a request without a signature to the URL that the provider calls: the endpoint answers 401. Or match the path only, and leave the rest to the endpoint.",
		})
	}
	return findings
}

// findNobody looks for destinations in which no handler takes the endpoint's webhooks. In guard mode it
// looks whether the next handler leads back to this Caddy.
func (all Endpoints) findNobody(h *Endpoint, probe, arrived *http.Request) (findings []Finding) {
	for _, f := range h.Destinations {
		if !Follow(h.Server, f.Routes, arrived).Answered {
			findings = append(findings, Finding{
				levelError, h.Name, titleNobody,
				fmt.Sprintf("deliveries of %s to %s find no handler: nothing in `handle` matches them", shown(probe), f.Name),
				"Correct the matchers in `handle`; they see the path as the endpoint does.",
			})
		}
	}
	if len(h.Destinations) > 0 {
		return findings
	}
	for _, dial := range all.applications(h, probe) {
		if ListensOn(h.Server.Listen, dial) {
			findings = append(findings, Finding{
				levelWarn, h.Name, titleLoop,
				fmt.Sprintf("what stands behind it proxies to %s, which is the server that the endpoint is on: what comes back to the endpoint is refused (508 loop)", dial),
				"Give reverse_proxy the application's own address.",
			})
		}
	}
	return findings
}

// takenFinding is about a webhook that something else answers.
func (all Endpoints) takenFinding(h *Endpoint, probe *http.Request, taker caddyhttp.MiddlewareHandler) Finding {
	by := "no handler gets it"
	if other := all.of(taker); other != nil {
		by = fmt.Sprintf("endpoint %s gets it first", other.Name)
	} else if taker != nil {
		by = Name(taker) + " gets it first"
	}
	return Finding{
		levelError, h.Name, titleUnreached,
		fmt.Sprintf("%s does not come to it, and is not verified: %s", shown(probe), by),
		"In a Caddyfile the directive precedes those beside it, but not those outside of its `handle`: take it out of `handle`, and give it the matcher itself (`webhooks /hook github { … }`). In a `route`, put it first. In JSON, put its route before the other one.",
	}
}

// shown is a request as people write it.
func shown(r *http.Request) string { return r.Method + " " + r.Host + r.RequestURI }
