package caddywebhooks

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// ownHeaders are the names that tell the application about its delivery. What
// a provider sends under them is removed, so that the application can rely on
// them, unless the name belongs to the provider's own scheme.
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

// deliveryHeaders knows which headers of an endpoint's webhooks are the
// provider's, ours, or the connection's.
type deliveryHeaders struct {
	id   string              // the header that carries the delivery's id
	drop map[string]struct{} // inbound headers that are not stored
}

func deliveryHeadersFor(v *verify.Verifier) deliveryHeaders {
	n := deliveryHeaders{id: "Webhook-Id", drop: make(map[string]struct{})}
	for _, name := range slices.Concat(connectionHeaders, ownHeaders) {
		n.drop[name] = struct{}{}
	}
	for _, name := range v.Headers() {
		name = textproto.CanonicalMIMEHeaderKey(name)
		delete(n.drop, name)
		if name == n.id {
			n.id = "Webhook-Delivery-Id"
		}
	}
	return n
}

// toStore copies what is worth keeping of an inbound header.
func (n deliveryHeaders) toStore(in http.Header) http.Header {
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
	return out
}

// toDeliver is the header of an attempt: a copy, since handlers may change it.
func (n deliveryHeaders) toDeliver(d *retrystore.Delivery) http.Header {
	out := make(http.Header, len(d.Event.Header)+len(ownHeaders))
	for name, values := range d.Event.Header {
		out[name] = append([]string(nil), values...)
	}
	n.stamp(out, d)
	return out
}
