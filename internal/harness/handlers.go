package harness

import (
	"net/http"

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

func init() {
	caddy.RegisterModule(new(Hanger))
	httpcaddyfile.RegisterHandlerDirective("test_hang", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) { return new(Hanger), nil })
	httpcaddyfile.RegisterDirectiveOrder("test_hang", httpcaddyfile.Before, "respond")
}
