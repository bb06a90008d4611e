package reach

import (
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// passes lists the handlers that never answer a request that they let through.
var passes = map[caddy.ModuleID]bool{
	"http.handlers.authentication":        true,
	"http.handlers.acme_server":           true,
	"http.handlers.copy_response_headers": true,
	"http.handlers.encode":                true,
	"http.handlers.headers":               true,
	"http.handlers.log_append":            true,
	"http.handlers.map":                   true,
	"http.handlers.push":                  true,
	"http.handlers.request_body":          true,
	"http.handlers.rewrite":               true,
	"http.handlers.templates":             true,
	"http.handlers.tracing":               true,
	"http.handlers.vars":                  true,
}

// Chain is what can happen to requests in a list of routes, as far as the config tells.
type Chain struct {
	// Answered: some handler may answer.
	Answered bool
	// Blocked is the first handler that no request reaches, since By, before it, answers all of them; nil
	// if there is none. Only handlers that may do work count, such as reverse_proxy.
	Blocked, By caddyhttp.MiddlewareHandler
}

// Follow looks at the routes without running any handler. With r, paths, hosts and methods are
// matched against it; without, and for all other matchers, a request may match or not.
func Follow(server *caddyhttp.Server, routes caddyhttp.RouteList, r *http.Request) Chain {
	f := &follower{groups: make(map[string]likelihood)}
	if r != nil {
		f.request = prepare(server, httptest.NewRecorder(), r)
	}
	f.list(routes)
	return f.chain
}

type likelihood int

const (
	never likelihood = iota
	maybe
	always
)

type follower struct {
	request *http.Request // nil: any, or one that a handler may have changed
	groups  map[string]likelihood
	by      caddyhttp.MiddlewareHandler // answers all requests that come to here
	chain   Chain
}

func (f *follower) list(routes caddyhttp.RouteList) {
	for i := range routes {
		f.route(&routes[i])
	}
}

func (f *follower) route(route *caddyhttp.Route) {
	match := f.sets(route.MatcherSets)
	if route.Group != "" { // of which a request takes one route
		before := f.groups[route.Group]
		f.groups[route.Group] = max(before, match)
		match = min(match, always-before)
	}
	if match == never {
		return
	}
	by := f.by
	for _, h := range route.Handlers {
		f.handler(h)
	}
	if match != always { // some go past the route
		f.by = by
	}
}

func (f *follower) handler(h caddyhttp.MiddlewareHandler) {
	if below, ok := h.(*caddyhttp.Subroute); ok {
		f.list(below.Routes)
		if below.Errors != nil && len(below.Errors.Routes) > 0 {
			f.chain.Answered = true
		}
		return
	}
	id := moduleID(h)
	_, isProxy := h.(*reverseproxy.Handler)
	if f.by != nil {
		if f.chain.Blocked == nil && (isProxy || !passes[id] && !answers[id]) {
			f.chain.Blocked, f.chain.By = h, f.by
		}
		return
	}
	if prepares[id] && id != "http.handlers.headers" {
		f.request = nil
	}
	if passes[id] {
		return
	}
	f.chain.Answered = true
	if answers[id] && !passesSome(h) {
		f.by = h
	}
}

// passesSome knows handlers that answer, and may leave some requests to the next handler.
func passesSome(h caddyhttp.MiddlewareHandler) bool {
	switch h := h.(type) {
	case *reverseproxy.Handler:
		return len(h.HandleResponse) > 0 // as forward_auth
	case *fileserver.FileServer:
		return h.PassThru
	}
	return false
}

func (f *follower) sets(sets caddyhttp.MatcherSets) likelihood {
	if len(sets) == 0 {
		return always
	}
	best := never
	for _, set := range sets {
		all := always
		for _, matcher := range set {
			all = min(all, f.matcher(matcher))
		}
		best = max(best, all)
	}
	return best
}

func (f *follower) matcher(matcher any) likelihood {
	switch m := matcher.(type) {
	case caddyhttp.MatchPath:
		return f.path(m)
	case *caddyhttp.MatchPath:
		return f.path(*m)
	case *caddyhttp.MatchPathRE, caddyhttp.MatchHost, *caddyhttp.MatchHost, caddyhttp.MatchMethod, *caddyhttp.MatchMethod:
		return f.decide(matcher)
	}
	return maybe
}

func (f *follower) path(patterns caddyhttp.MatchPath) likelihood {
	if slices.Contains(patterns, "*") || slices.Contains(patterns, "/*") {
		return always
	}
	return f.decide(patterns)
}

func (f *follower) decide(matcher any) likelihood {
	m, ok := matcher.(caddyhttp.RequestMatcherWithError)
	if f.request == nil || !ok {
		return maybe
	}
	switch matches, err := m.MatchWithError(f.request); {
	case err != nil:
		return maybe
	case matches:
		return always
	}
	return never
}
