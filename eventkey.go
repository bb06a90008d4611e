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
	if h.Dedupe == nil && h.provider.Repeats {
		return retrystore.Key{}
	}
	return h.keyer.Content(in.verified.Timestamp, in.signed.URI, h.verifier.Plain(&in.signed))
}

// identifyingValues are those of the configured sources, else of the provider's,
// else its event id. A missing one makes them all useless: an empty value would make
// unrelated events look alike.
func (h *Handler) identifyingValues(in *inbound) ([]string, bool) {
	sources := h.provider.Identity
	if h.Dedupe != nil && len(h.Dedupe.Sources) > 0 {
		sources = h.Dedupe.Sources
	}
	if len(sources) == 0 {
		return []string{in.eventID}, in.eventID != ""
	}
	values := make([]string, len(sources))
	for i, source := range sources {
		value, ok := source.Extract(&in.signed)
		if !ok {
			return nil, false
		}
		values[i] = value
	}
	return values, true
}
