package caddywebhooks

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
)

const placeholderPrefix = "http.webhooks."

// offerPlaceholders makes {http.webhooks.*} available to other handlers and to
// logs. They are looked up when somebody asks, so they cost little otherwise.
func (h *Handler) offerPlaceholders(in *inbound) {
	replacer, ok := in.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	replacer.Map(func(key string) (any, bool) {
		name, ok := strings.CutPrefix(key, placeholderPrefix)
		if !ok {
			return nil, false
		}
		switch name {
		case "endpoint":
			return h.Name, true
		case "provider":
			return h.Provider, true
		case "event_id":
			return in.eventID, true
		case "event_type":
			return in.eventType, true
		case "correlation_id":
			return in.correlationID, true
		case "outcome":
			return in.outcome, true
		}
		return nil, false
	})
}
