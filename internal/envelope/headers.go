// Package envelope is what goes around an event: its headers on the way into the store and out of it,
// the marks that show loops, and fresh signatures for late attempts.
package envelope

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// ownHeaders tell the application about its delivery. A provider's headers of these names are removed, so
// that the application can rely on ours, unless the name belongs to the provider's own scheme.
var ownHeaders = []string{
	"Webhook-Id", "Webhook-Delivery-Id", "Webhook-Event-Id", "Webhook-Event-Type", "Webhook-Provider",
	"Webhook-Attempt", "Webhook-Received-At", "Idempotency-Key", "X-Correlation-Id",
}

// connectionHeaders concern one connection (RFC 9110, section 7.6.1) or the
// framing of a body that has been read.
var connectionHeaders = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Expect", "Content-Length",
}

// Headers knows which headers of an endpoint's webhooks are the
// provider's, ours, or the connection's. It is safe for concurrent use.
type Headers struct {
	// ID is the name of the header that carries the delivery's id.
	ID string

	via     string              // the endpoint's mark; see Via
	answers string              // the mark of the endpoint's answers; see answerMark
	owned   map[string]struct{} // part of the provider's scheme: passed on untouched
	drop    map[string]struct{} // inbound headers that are not passed on
}

// New returns the headers of an endpoint whose webhooks are verified by v. In guard mode there is no
// delivery, so a provider's Idempotency-Key is passed on.
func New(endpoint string, v *verify.Verifier, guarding bool) Headers {
	n := Headers{ID: "Webhook-Id", via: viaMark(endpoint), owned: make(map[string]struct{}), drop: make(map[string]struct{})}
	n.answers = answerMark(n.via)
	for _, name := range slices.Concat(connectionHeaders, ownHeaders) {
		n.drop[name] = struct{}{}
	}
	if guarding {
		delete(n.drop, "Idempotency-Key")
	}
	for _, name := range v.Headers() {
		n.owned[name] = struct{}{}
		delete(n.drop, name)
		if name == n.ID {
			n.ID = "Webhook-Delivery-Id"
		}
	}
	return n
}

// ToStore copies what is worth keeping of an inbound header. trusted says that a proxy which the server
// trusts forwarded the webhook.
func (n Headers) ToStore(in http.Header, trusted bool) http.Header {
	out := make(http.Header, len(in))
	for name, values := range in {
		if _, dropped := n.drop[name]; !dropped && !strings.HasPrefix(name, originalPrefix) {
			out[name] = values
		}
	}
	for _, list := range in["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			delete(out, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	n.dropRerouting(out, trusted)
	return out
}

// ToDeliver is the header of an attempt. It is a copy, since handlers may change it.
func (n Headers) ToDeliver(d *retrystore.Delivery) http.Header {
	out := make(http.Header, len(d.Event.Header)+len(ownHeaders)) // it has one of the two ids, and the mark
	total := 0
	for _, values := range d.Event.Header {
		total += len(values)
	}
	all := make([]string, 0, total) // one array behind the values of all names
	for name, values := range d.Event.Header {
		all = append(all, values...)
		out[name] = slices.Clip(all[len(all)-len(values):])
	}
	n.Stamp(out, d.Event)
	n.set(out, n.ID, d.ID)
	n.set(out, "Idempotency-Key", d.ID)
	n.set(out, "Webhook-Attempt", strconv.Itoa(d.Attempts+1))
	n.AddVia(out)
	return out
}

// Stamp writes the headers that tell the application about the event.
func (n Headers) Stamp(h http.Header, e *retrystore.Event) {
	n.set(h, "Webhook-Provider", e.Provider)
	n.set(h, "Webhook-Received-At", e.ReceivedAt.UTC().Format(time.RFC3339Nano))
	n.set(h, "Webhook-Event-Id", e.EventID)
	n.set(h, "Webhook-Event-Type", e.EventType)
	n.set(h, "X-Correlation-Id", e.CorrelationID)
}

// set writes one of our headers, unless its value is empty or its name is the provider's.
func (n Headers) set(h http.Header, name, value string) {
	if _, owned := n.owned[name]; !owned && value != "" {
		h[name] = []string{value}
	}
}
