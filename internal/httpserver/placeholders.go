package httpserver

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// OfferPlaceholders makes {http.webhooks.*} available to other handlers and to
// logs. They are looked up when somebody asks, so they cost little otherwise.
func OfferPlaceholders(r *http.Request, value func(name string) (string, bool)) {
	replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	replacer.Map(func(key string) (any, bool) {
		name, ok := strings.CutPrefix(key, "http.webhooks.")
		if !ok {
			return nil, false
		}
		return value(name)
	})
}
