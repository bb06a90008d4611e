// Package reach finds out which handler of a Caddy server a request would reach. It walks the server's
// routes with a request that is never sent: nothing is dialled, answered or logged. Only handlers run that
// prepare a request for later ones.
//
// Unknown modules are assumed to be middleware that passes requests on.
package reach

import (
	"net/http"
	"net/http/httptest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
)

// prepares lists the handlers that change what later matchers see, and do nothing else: they run.
var prepares = map[caddy.ModuleID]bool{
	"http.handlers.vars":    true,
	"http.handlers.map":     true,
	"http.handlers.rewrite": true,
	"http.handlers.headers": true,
}

// answers lists the handlers that answer requests, or ask for credentials that
// a provider does not have.
var answers = map[caddy.ModuleID]bool{
	"http.handlers.static_response": true,
	"http.handlers.error":           true,
	"http.handlers.reverse_proxy":   true,
	"http.handlers.file_server":     true,
	"http.handlers.authentication":  true,
	"http.handlers.metrics":         true,
	"http.handlers.acme_server":     true,
}

// walk is one request on its way.
type walk struct {
	server *caddyhttp.Server
	groups map[string]struct{} // of mutually exclusive routes, those that had their match
	stop   func(caddyhttp.MiddlewareHandler) bool
	taker  caddyhttp.MiddlewareHandler
	taken  *http.Request // as it came there
}

// First returns the handler that r reaches first, of those that stop names and those that answer requests
// by themselves; nil if the routes end before. A route that panics counts as one that ends.
func First(server *caddyhttp.Server, r *http.Request, stop func(caddyhttp.MiddlewareHandler) bool) caddyhttp.MiddlewareHandler {
	taker, _ := Arrive(server, r, stop)
	return taker
}

// Arrive is First, and returns the request as it comes there, rewritten on the way.
func Arrive(server *caddyhttp.Server, r *http.Request, stop func(caddyhttp.MiddlewareHandler) bool) (taker caddyhttp.MiddlewareHandler, taken *http.Request) {
	defer func() {
		if recover() != nil { // of a matcher that wants more of a request than this one has
			taker, taken = nil, nil
		}
	}()
	w := &walk{server: server, groups: make(map[string]struct{}), stop: stop}
	answer := httptest.NewRecorder()
	_ = w.list(server.Routes, end).ServeHTTP(answer, prepare(server, answer, r)) // an error ends the way, too
	return w.taker, w.taken
}

// end is what a route list ends in.
var end caddyhttp.Handler = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

func prepare(server *caddyhttp.Server, w http.ResponseWriter, r *http.Request) *http.Request {
	return caddyhttp.PrepareRequest(r.Clone(r.Context()), caddy.NewReplacer(), w, server)
}

// list chains routes as caddyhttp.RouteList.Compile does, as far as the request gets.
func (w *walk) list(routes caddyhttp.RouteList, next caddyhttp.Handler) caddyhttp.Handler {
	if len(routes) == 0 {
		return next
	}
	return caddyhttp.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) error {
		return w.route(&routes[0], w.list(routes[1:], next)).ServeHTTP(rw, r)
	})
}

func (w *walk) route(route *caddyhttp.Route, next caddyhttp.Handler) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) error {
		if _, satisfied := w.groups[route.Group]; satisfied {
			return next.ServeHTTP(rw, r)
		}
		matches, err := route.MatcherSets.AnyMatchWithError(r)
		if err != nil {
			return err
		}
		if !matches {
			return next.ServeHTTP(rw, r)
		}
		if route.Group != "" {
			w.groups[route.Group] = struct{}{}
		}
		stack := next
		if route.Terminal {
			stack = end
		}
		for i := len(route.Handlers) - 1; i >= 0; i-- {
			stack = w.handler(route.Handlers[i], stack)
		}
		return stack.ServeHTTP(rw, r)
	})
}

// handler is what happens to a request at h.
func (w *walk) handler(h caddyhttp.MiddlewareHandler, next caddyhttp.Handler) caddyhttp.Handler {
	take := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		w.taker, w.taken = h, r
		return nil
	})
	if w.stop(h) {
		return take
	}
	switch h := h.(type) {
	case *caddyhttp.Subroute:
		return w.list(h.Routes, next)
	case *caddyhttp.Invoke:
		if route, ok := w.server.NamedRoutes[h.Name]; ok {
			return w.route(route, next)
		}
		return take
	case *fileserver.FileServer:
		if h.PassThru {
			return next
		}
	}
	switch id := moduleID(h); {
	case answers[id]:
		return take
	case prepares[id]:
		return caddyhttp.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) error { return h.ServeHTTP(rw, r, next) })
	}
	return next
}

// moduleID is the empty string for what is no module.
func moduleID(h caddyhttp.MiddlewareHandler) caddy.ModuleID {
	if module, ok := h.(caddy.Module); ok {
		return module.CaddyModule().ID
	}
	return ""
}

// Name is how a Caddyfile calls the handler, such as reverse_proxy.
func Name(h caddyhttp.MiddlewareHandler) string {
	switch id := moduleID(h); id {
	case "http.handlers.static_response":
		if response, ok := h.(*caddyhttp.StaticResponse); ok && response.Abort {
			return "abort"
		}
		return "respond (or redir)"
	case "http.handlers.authentication":
		return "basic_auth"
	case "http.handlers.rewrite":
		return "rewrite"
	case "":
		return "a handler"
	default:
		return id.Name()
	}
}

// Each calls visit for every handler in the routes, and in those below them.
func Each(routes caddyhttp.RouteList, visit func(caddyhttp.MiddlewareHandler)) {
	for _, route := range routes {
		for _, h := range route.Handlers {
			visit(h)
			if below, ok := h.(*caddyhttp.Subroute); ok {
				Each(below.Routes, visit)
			}
		}
	}
}
