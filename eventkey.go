package caddywebhooks

import "github.com/caddywebhooks/caddy-webhooks/retrystore"

// eventKey builds what the event is remembered by; zero with deduplication off.
func (h *Handler) eventKey(in *inbound) retrystore.Key {
	if h.Dedupe != nil && h.Dedupe.Off {
		return retrystore.Key{}
	}
	if values, ok := h.identifyingValues(in); ok {
		return h.keyer.Values(values...)
	}
	return h.keyer.Content(in.verified.Timestamp, in.signed.URI, in.signed.Body)
}

// identifyingValues are those of the configured sources, else the provider's
// event id. A missing one makes them all useless: an empty value would make
// unrelated events look alike.
func (h *Handler) identifyingValues(in *inbound) ([]string, bool) {
	if h.Dedupe == nil || len(h.Dedupe.Sources) == 0 {
		return []string{in.eventID}, in.eventID != ""
	}
	values := make([]string, len(h.Dedupe.Sources))
	for i, source := range h.Dedupe.Sources {
		value, ok := source.Extract(&in.signed)
		if !ok {
			return nil, false
		}
		values[i] = value
	}
	return values, true
}
