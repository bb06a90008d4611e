package caddywebhooks

import (
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/dedupe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// identity is what tells the events of an endpoint apart.
type identity struct {
	sources      []verify.Source // of the configuration, else of the provider; none: the event's id
	subscription []verify.Source // go with them where a webhook has them
	vouched      bool            // the signature proves the values of all of these
	url          bool            // it proves path and query
	content      bool            // what is signed tells events apart, even without its time
	time         bool            // what is signed does so with its time
}

// newIdentity says what is known before any webhook comes.
func (h *Handler) newIdentity() identity {
	p := h.provider
	i := identity{
		sources: p.Identity, subscription: p.Subscription, url: h.verifier.VouchesForURL(),
		content: p.Unique != "", time: !p.Repeats,
	}
	if configured := h.Dedupe; configured != nil {
		i.content = i.content || configured.Content
		if len(configured.Sources) > 0 {
			i.sources, i.subscription = configured.Sources, nil
		}
	}
	proved := slices.Concat(i.sources, i.subscription)
	if len(i.sources) == 0 {
		proved = append(proved, p.EventID...)
	}
	i.vouched = h.verifier.Vouches(proved)
	return i
}

// keyers are those of an endpoint, by what proved a webhook; the first is for keys that are fetched.
type keyers []*dedupe.Keyer

// newKeyers makes one for each secret and public key, as Result.SecretIndex counts them.
func newKeyers(endpoint string, secrets, publicKeys []string) keyers {
	all := keyers{dedupe.NewKeyer(endpoint)}
	for i := range max(len(secrets), len(publicKeys)) {
		proof := ""
		if i < len(secrets) {
			proof = secrets[i]
		}
		if i < len(publicKeys) {
			proof += "\x00" + publicKeys[i]
		}
		all = append(all, all[0].For(proof))
	}
	return all
}

// of returns the one for what a secret or key proved.
func (k keyers) of(index int) *dedupe.Keyer {
	if index+1 < len(k) {
		return k[index+1]
	}
	return k[0]
}

// eventKey builds what the event is remembered by; zero with deduplication off, and where it is
// not certain that another webhook like this one would be the same event.
func (h *Handler) eventKey(in *inbound) retrystore.Key {
	if h.Dedupe != nil && h.Dedupe.Off {
		return retrystore.Key{}
	}
	signed := dedupe.Signed{Body: h.verifier.Plain(&in.signed)}
	if h.identity.url {
		signed.URI = in.signed.URI
	}
	values, vouched := h.identifyingValues(in)
	keyer := h.keyers.of(in.verified.SecretIndex)
	switch {
	case len(values) > 0 && vouched:
		return keyer.Values(values...)
	case len(values) > 0:
		return keyer.Tied(signed, values...)
	case h.identity.content && h.isUnique(in.eventType):
	case h.Dedupe != nil, h.identity.time && !in.verified.Timestamp.IsZero():
		signed.Timestamp = in.verified.Timestamp
	default:
		return retrystore.Key{}
	}
	return keyer.Content(signed, in.eventType, h.subscription(in)...)
}

// isUnique reports whether what is signed of an event of that type is never the same again.
func (h *Handler) isUnique(eventType string) bool {
	types := h.provider.UniqueTypes
	return len(types) == 0 || h.Dedupe != nil && h.Dedupe.Content || slices.Contains(types, eventType)
}

// identifyingValues are those of the configured sources, else of the provider's,
// else its event id. vouched says that the signature proves them. A missing one makes
// them all useless: an empty value would make unrelated events look alike.
func (h *Handler) identifyingValues(in *inbound) (values []string, vouched bool) {
	vouched = h.identity.vouched
	if len(h.identity.sources) == 0 {
		if in.eventID == "" {
			return nil, false
		}
		values = []string{in.eventID}
		vouched = vouched || in.verified.ID != "" && len(h.identity.subscription) == 0
	}
	for _, source := range h.identity.sources {
		value, ok := source.Extract(&in.signed)
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return append(values, h.subscription(in)...), vouched
}

// subscription is what the webhook says of its subscription.
func (h *Handler) subscription(in *inbound) (values []string) {
	for _, source := range h.identity.subscription {
		if value, ok := source.Extract(&in.signed); ok {
			values = append(values, source.String()+" "+value)
		}
	}
	return values
}
