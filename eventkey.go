package caddywebhooks

import (
	"github.com/caddywebhooks/caddy-webhooks/dedupe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// identity is what tells the events of an endpoint apart.
type identity struct {
	sources []verify.Source // of the configuration, else of the provider; none: the event's id
	vouched bool            // the signature proves their values
	url     bool            // it proves path and query
}

// newIdentity says what is known before any webhook comes.
func (h *Handler) newIdentity() identity {
	i := identity{sources: h.provider.Identity, url: h.verifier.VouchesForURL()}
	if h.Dedupe != nil && len(h.Dedupe.Sources) > 0 {
		i.sources = h.Dedupe.Sources
	}
	if i.vouched = h.verifier.Vouches(i.sources); len(i.sources) == 0 {
		i.vouched = h.verifier.Vouches(h.provider.EventID)
	}
	return i
}

// eventKey builds what the event is remembered by; zero with deduplication off.
func (h *Handler) eventKey(in *inbound) retrystore.Key {
	if h.Dedupe != nil && h.Dedupe.Off {
		return retrystore.Key{}
	}
	values, vouched := h.identifyingValues(in)
	if len(values) > 0 && vouched {
		return h.keyer.Values(values...)
	}
	if len(values) == 0 && h.Dedupe == nil && h.provider.Repeats {
		return retrystore.Key{}
	}
	signed := dedupe.Signed{Timestamp: in.verified.Timestamp, Body: h.verifier.Plain(&in.signed)}
	if h.identity.url {
		signed.URI = in.signed.URI
	}
	if len(values) > 0 {
		return h.keyer.Tied(signed, values...)
	}
	return h.keyer.Content(signed, in.eventType)
}

// identifyingValues are those of the configured sources, else of the provider's,
// else its event id. vouched says that the signature proves them. A missing one makes
// them all useless: an empty value would make unrelated events look alike.
func (h *Handler) identifyingValues(in *inbound) (values []string, vouched bool) {
	if len(h.identity.sources) == 0 {
		if in.eventID == "" {
			return nil, false
		}
		return []string{in.eventID}, h.identity.vouched || in.verified.ID != ""
	}
	for _, source := range h.identity.sources {
		value, ok := source.Extract(&in.signed)
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return values, h.identity.vouched
}
