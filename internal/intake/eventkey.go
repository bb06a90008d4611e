package intake

import (
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/dedupe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Dedupe says what identifies an event, if the configuration does.
type Dedupe struct {
	// Off stores every webhook, even one that was stored before.
	Off bool

	// Sources locate the identifying values. None: the provider's row decides.
	Sources []verify.Source

	// Content makes one event of webhooks without these values if their type and signed content are
	// the same, whenever they were signed.
	Content bool
}

// identity says how the events of an endpoint are told apart.
type identity struct {
	sources      []verify.Source // of the configuration, else of the provider; none: the event's id
	subscription []verify.Source // go with them where a webhook has them
	vouched      bool            // the signature proves the values of all of these
	url          bool            // it proves path and query
	content      bool            // what is signed tells events apart, even without its time
	time         bool            // what is signed does so with its time
}

// newIdentity collects what is known before the first webhook.
func newIdentity(c *Config) identity {
	p := c.Row
	i := identity{
		sources: p.Identity, subscription: p.Subscription, url: c.Verifier.Load().VouchesForURL(),
		content: p.Unique != "", time: !p.Repeats,
	}
	if configured := c.Dedupe; configured != nil {
		i.content = i.content || configured.Content
		if len(configured.Sources) > 0 {
			i.sources, i.subscription = configured.Sources, nil
		}
	}
	proved := slices.Concat(i.sources, i.subscription)
	if len(i.sources) == 0 {
		proved = append(proved, p.EventID...)
	}
	i.vouched = c.Verifier.Load().Vouches(proved)
	return i
}

// Keyers make an endpoint's event keys: one Keyer for each secret or key that may have proved a webhook.
// The first one serves keys that are fetched.
type Keyers []*dedupe.Keyer

// NewKeyers makes one Keyer for each secret and public key, in the order of Result.SecretIndex.
func NewKeyers(endpoint string, secrets, publicKeys []string) Keyers {
	all := Keyers{dedupe.NewKeyer(endpoint)}
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

// of returns the Keyer of the secret or key with that index.
func (k Keyers) of(index int) *dedupe.Keyer {
	if index+1 < len(k) {
		return k[index+1]
	}
	return k[0]
}

// eventKey builds the key by which the event is remembered. It is zero if deduplication is off, and if
// another webhook like this one might be another event. This is the last step that reads the body: the
// parsed document is dropped here, before the store or the application is waited for.
func (e *Endpoint) eventKey(in *Inbound) retrystore.Key {
	defer func() { in.signed.Document = nil }()
	if e.Dedupe != nil && e.Dedupe.Off {
		return retrystore.Key{}
	}
	signed := dedupe.Signed{Body: in.verifier.Plain(&in.signed)}
	if e.identity.url {
		signed.URI = in.signed.URI
	}
	values, vouched := e.identifyingValues(in)
	keyer := e.Keyers.of(in.verified.SecretIndex)
	switch {
	case len(values) > 0 && vouched:
		return keyer.Values(values...)
	case len(values) > 0:
		return keyer.Tied(signed, values...)
	case e.identity.content && e.isUnique(in):
	case e.Dedupe != nil, e.identity.time && !in.verified.Timestamp.IsZero():
		signed.Timestamp = in.verified.Timestamp
	default:
		return retrystore.Key{}
	}
	return keyer.Content(signed, in.eventType, e.subscription(in)...)
}

// isUnique reports whether what is signed of such an event is never the same again.
func (e *Endpoint) isUnique(in *Inbound) bool {
	if e.Dedupe != nil && e.Dedupe.Content {
		return true
	}
	for _, source := range e.Row.UniqueWith {
		if _, ok := source.Extract(&in.signed); !ok {
			return false
		}
	}
	types := e.Row.UniqueTypes
	return len(types) == 0 || slices.Contains(types, in.eventType)
}

// identifyingValues reads the values of the configured sources, else of the provider's, else the event id.
// vouched says that the signature covers them. If one is missing, none is used: an empty value would make
// unrelated events look alike.
func (e *Endpoint) identifyingValues(in *Inbound) (values []string, vouched bool) {
	vouched = e.identity.vouched
	if len(e.identity.sources) == 0 {
		if in.eventID == "" {
			return nil, false
		}
		values = []string{in.eventID}
		vouched = vouched || in.verified.ID != "" && len(e.identity.subscription) == 0
	}
	for _, source := range e.identity.sources {
		value, ok := source.Extract(&in.signed)
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return append(values, e.subscription(in)...), vouched
}

// subscription identifies the provider's subscription that sent the webhook, as far as the webhook says.
func (e *Endpoint) subscription(in *Inbound) (values []string) {
	for _, source := range e.identity.subscription {
		if value, ok := source.Extract(&in.signed); ok {
			values = append(values, source.String()+" "+value)
		}
	}
	return values
}
