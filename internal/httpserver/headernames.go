package httpserver

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Caddy drops request headers whose names have underscores or dots, unless the server's settings expect
// them. A setting that reads a dropped header would never find it.

// ServerOf is the server that a handler is provisioned for; nil if it is not known.
func ServerOf(ctx caddy.Context) *caddyhttp.Server {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return server
}

// CheckHeader refuses a setting that reads a header which the server drops; nil stands for a
// server that expects none of those that servers drop.
func CheckHeader(server *caddyhttp.Server, setting, name string) error {
	if !dropped(server, name) {
		return nil
	}
	what, option := "underscores", "expected_underscore_headers"
	if !strings.Contains(name, "_") {
		what, option = "dots", "expected_dot_headers"
	}
	return fmt.Errorf("%s: header %s never arrives, since Caddy drops headers with %s in their names: have the sender call it %s; "+
		"or, if it cannot, put `%s %s` into `servers` of the global options",
		setting, name, what, http.CanonicalHeaderKey(strings.NewReplacer("_", "-", ".", "-").Replace(name)), option, name)
}

// dropped reports whether requests have lost the header when they reach a handler.
func dropped(server *caddyhttp.Server, name string) bool {
	underscore, dot := strings.Contains(name, "_"), strings.Contains(name, ".")
	if !underscore && !dot {
		return false
	}
	server = cmp.Or(server, new(caddyhttp.Server))
	for list, separates := range map[*[]string]bool{&server.ExpectedUnderscoreHeaders: underscore, &server.ExpectedDotHeaders: dot} {
		for _, entry := range *list {
			prefix, glob := strings.CutSuffix(entry, "*")
			switch {
			case !separates:
			case !glob && strings.EqualFold(entry, name):
				return false
			case glob && !(underscore && dot) && len(name) >= len(prefix) && strings.EqualFold(prefix, name[:len(prefix)]):
				return false
			}
		}
	}
	return true
}
