package httpserver

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
)

// Server is what Caddy's HTTP server does with an endpoint's answers.
type Server struct {
	// ErrorRoutes is whether the server's error routes may answer for the next handler; see WatchErrorRoutes.
	ErrorRoutes bool
}

// ArrivalOf is what the server knows of a request.
func ArrivalOf(w http.ResponseWriter, r *http.Request) intake.Arrival {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	a := intake.Arrival{Writer: w, Request: r, Client: clientIP(r), Trusted: trusted, URI: r.RequestURI, Path: r.URL.EscapedPath()}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		a.URI = original.RequestURI
		if original.URL != nil {
			a.Path = original.URL.EscapedPath()
		}
	}
	return a
}

// clientIP is the client's address as Caddy determined it; invalid if unknown.
func clientIP(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}

// PastInterceptors implements intake.Server.
func (Server) PastInterceptors(w http.ResponseWriter) http.ResponseWriter { return pastInterceptors(w) }

// WatchStatus implements intake.Server. The status that went out is known only where the server logs
// access, since only then Caddy keeps it.
func (Server) WatchStatus(w http.ResponseWriter, r *http.Request, changed func(status int)) {
	recorder := outermostRecorder(w)
	if recorder == nil {
		return
	}
	AtEnd(r, func() {
		if status := recorder.Status(); status >= 200 && status < 300 {
			changed(status)
		}
	})
}

// StatusOf implements intake.Server.
func (Server) StatusOf(err error) (status int, cause error) {
	refused, ok := errors.AsType[caddyhttp.HandlerError](err)
	if ok && refused.Err != nil {
		err = refused.Err // without Caddy's trace of where it was made
	}
	return refused.StatusCode, err
}

// undecidedVar is where error routes find the webhook that they are to answer.
const undecidedVar = "webhooks.guarded"

// LeaveToErrorRoutes implements intake.Server.
func (s Server) LeaveToErrorRoutes(r *http.Request, u *intake.Undecided) bool {
	if s.ErrorRoutes {
		caddyhttp.SetVar(r.Context(), undecidedVar, u)
	}
	return s.ErrorRoutes
}

// errorWatch is the first of a server's error routes. If the error routes answer a webhook that the next
// handler failed at, that answer decides about it.
type errorWatch struct{}

// WatchErrorRoutes adds an errorWatch to the server's error routes, once, and
// reports whether there are any. It must be called while the server's own routes
// are provisioned: Caddy compiles the error routes after that.
func WatchErrorRoutes(server *caddyhttp.Server) bool {
	if server.Errors == nil || len(server.Errors.Routes) == 0 {
		return false
	}
	if first := server.Errors.Routes[0].Handlers; len(first) > 0 {
		if _, there := first[0].(errorWatch); there {
			return true
		}
	}
	watch := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{errorWatch{}}}
	server.Errors.Routes = append(caddyhttp.RouteList{watch}, server.Errors.Routes...)
	return true
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (errorWatch) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if u, ok := caddyhttp.GetVar(r.Context(), undecidedVar).(*intake.Undecided); ok {
		called, err := u.AnsweredBy(w, func(w http.ResponseWriter) error { return next.ServeHTTP(w, r) })
		if called {
			return err
		}
	}
	return next.ServeHTTP(w, r)
}

// Interface guards
var (
	_ intake.Server               = Server{}
	_ caddyhttp.MiddlewareHandler = errorWatch{}
)
