package caddywebhooks

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Caddy drops request headers whose names have underscores or dots, unless the server's settings
// expect them. A setting that reads such a header would never find it.

// serverOf is the server that the endpoint belongs to; nil if it is not known.
func serverOf(ctx caddy.Context) *caddyhttp.Server {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return server
}

// checkHeaderNames refuses settings that read headers which the server drops; nil stands for a
// server that expects none of them.
func (h *Handler) checkHeaderNames(server *caddyhttp.Server) error {
	if h.Verify != nil {
		for setting, name := range h.Verify.HeaderNames() {
			if dropped(server, name) {
				return errDropped("verify: "+setting, name)
			}
		}
	}
	if h.Dedupe != nil {
		for _, source := range h.Dedupe.Sources {
			if source.From == verify.FromHeader && dropped(server, source.Name) {
				return errDropped("dedupe", source.Name)
			}
		}
	}
	return nil
}

func errDropped(setting, name string) error {
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
