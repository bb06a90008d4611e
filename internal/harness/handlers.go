package harness

import (
	"net/http"
	"runtime"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Hanger is a handler that answers nothing until Hanging is closed.
type Hanger struct{}

// Hanging is closed to let Hangers answer.
var Hanging = make(chan struct{})

func (*Hanger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_hang", New: func() caddy.Module { return new(Hanger) }}
}

func (*Hanger) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	select {
	case <-Hanging:
	case <-r.Context().Done():
	}
	return nil
}

// panicking is a handler with a bug.
type panicking struct{}

func (*panicking) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return new(panicking) }}
}

func (*panicking) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	panic("a bug in a handler")
}

// exiter is a handler that ends its goroutine.
type exiter struct{}

func (*exiter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_goexit", New: func() caddy.Module { return new(exiter) }}
}

func (*exiter) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	runtime.Goexit()
	return nil
}

// What handlers of somebody else may do, as directives.
func init() {
	for name, handler := range map[string]caddyhttp.MiddlewareHandler{
		"test_hang": new(Hanger), "test_panic": new(panicking), "test_goexit": new(exiter),
	} {
		caddy.RegisterModule(handler.(caddy.Module))
		httpcaddyfile.RegisterHandlerDirective(name, func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
			return handler, nil
		})
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}
