package caddywebhooks

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
	id    string              // the header that carries the delivery's id
	via   string              // the endpoint's mark; see viaHeader
	owned map[string]struct{} // by the provider's scheme: passed on untouched
	drop  map[string]struct{} // inbound headers that are not passed on

	answers string // the mark of the endpoint's answers; see answerMark
}

// deliveryHeadersFor looks at the scheme. In guard mode there is no delivery,
// so a provider's Idempotency-Key is passed on.
func deliveryHeadersFor(v *verify.Verifier, guarding bool) deliveryHeaders {
	n := deliveryHeaders{id: "Webhook-Id", owned: make(map[string]struct{}), drop: make(map[string]struct{})}
	for _, name := range slices.Concat(connectionHeaders, ownHeaders) {
		n.drop[name] = struct{}{}
	}
	if guarding {
		delete(n.drop, "Idempotency-Key")
	}
	for _, name := range v.Headers() {
		n.owned[name] = struct{}{}
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
	out := make(http.Header, len(d.Event.Header)+len(ownHeaders)) // of the two ids it has one, and the mark
	total := 0
	for _, values := range d.Event.Header {
		total += len(values)
	}
	all := make([]string, 0, total) // one array behind the values of all names
	for name, values := range d.Event.Header {
		all = append(all, values...)
		out[name] = slices.Clip(all[len(all)-len(values):])
	}
	n.stampEvent(out, d.Event)
	n.set(out, n.id, d.ID)
	n.set(out, "Idempotency-Key", d.ID)
	n.set(out, "Webhook-Attempt", strconv.Itoa(d.Attempts+1))
	n.addVia(out)
	return out
}

// addVia says that the webhook has come through this endpoint.
func (n deliveryHeaders) addVia(h http.Header) {
	if before := h[viaHeader]; len(before) > 0 {
		h[viaHeader] = []string{strings.Join(before, ", ") + ", " + n.via}
		return
	}
	h[viaHeader] = []string{n.via}
}

// stampEvent writes the headers that tell the application about the event.
func (n deliveryHeaders) stampEvent(h http.Header, e *retrystore.Event) {
	n.set(h, "Webhook-Provider", e.Provider)
	n.set(h, "Webhook-Received-At", e.ReceivedAt.UTC().Format(time.RFC3339Nano))
	n.set(h, "Webhook-Event-Id", e.EventID)
	n.set(h, "Webhook-Event-Type", e.EventType)
	n.set(h, "X-Correlation-Id", e.CorrelationID)
}

// set writes a header of ours, unless there is nothing to write or the name is
// the provider's.
func (n deliveryHeaders) set(h http.Header, name, value string) {
	if _, owned := n.owned[name]; !owned && value != "" {
		h[name] = []string{value}
	}
}

// hopByHop are what a Connection header may name beside other things of the connection
// (RFC 9110, section 7.6.1).
var hopByHop = []string{
	"close", "keep-alive", "upgrade", "te", "trailer", "trailers", "transfer-encoding", "http2-settings",
	"proxy-connection", "proxy-authenticate", "proxy-authorization",
}

// checkConnection refuses a Connection header that names headers of the webhook. Proxies remove
// these headers, so the application would get less than was verified.
func (h *Handler) checkConnection(in *inbound) *answer {
	for _, list := range in.r.Header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			if _, there := in.r.Header[http.CanonicalHeaderKey(name)]; there && !slices.Contains(hopByHop, strings.ToLower(name)) {
				return signatureRefused(&verify.Error{Reason: verify.AmbiguousRequest, Detail: verify.DetailAmbiguousHeader, About: "header Connection"})
			}
		}
	}
	return nil
}
