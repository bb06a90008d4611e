package intake

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Inbound is one webhook on its way through the pipeline. Only the goroutine of its request uses it.
type Inbound struct {
	r             *http.Request
	w             http.ResponseWriter
	path          string // escaped, as it was sent
	verifier      *verify.Verifier
	receivedAt    time.Time
	scheme        string // as the provider saw it
	clientIP      netip.Addr
	correlationID string
	trusted       bool           // comes from a proxy that the server trusts
	proxied       bool           // by a proxy that the server does not trust
	byUnixSocket  bool           // whose peers have no addresses
	signed        verify.Request // what the provider signed
	hold          inflight.Hold  // the memory of the body
	bodyRead      bool           // to its end

	// filled in by the steps
	taken        limiter.Decision // the last tokens taken
	takenFrom    limiter.Backend  // who counts them
	limitErrors  int
	isVerified   bool
	verified     verify.Result
	eventID      string
	eventType    string
	furtherTypes []string // of a batch, besides the first event's
	targets      []retrystore.Target
	outcome      string // the word of the answer

	added     http.Header // is stored besides what the provider sent
	reporters []func(*Report)
}

// Begin notes the request as the provider sent it: before rewrites of earlier handlers, and before a
// TLS-terminating proxy that the server trusts. The caller must call End.
func (e *Endpoint) Begin(a Arrival) *Inbound {
	r, trusted := a.Request, a.Trusted
	in := &Inbound{
		r:             r,
		w:             a.Writer,
		path:          a.Path,
		verifier:      e.Verifier.Load(),
		receivedAt:    e.Now(),
		scheme:        "http",
		clientIP:      a.Client,
		correlationID: correlationID(r, trusted),
		trusted:       trusted,
		proxied:       !trusted && forwardedByStranger(r),
		byUnixSocket:  byUnixSocket(r),
	}
	host := r.Host
	if r.TLS != nil {
		in.scheme = "https"
	}
	if trusted {
		if proto := lastOf(r.Header["X-Forwarded-Proto"]); strings.EqualFold(proto, "https") {
			in.scheme = "https"
		}
		if forwarded := lastOf(r.Header["X-Forwarded-Host"]); forwarded != "" {
			host = forwarded
		}
	}
	in.signed = verify.Request{Context: r.Context(), Client: in.clientIP, Method: r.Method, Scheme: in.scheme, Host: host, URI: a.URI, Header: r.Header}
	e.PublicURL.see(in)
	return in
}

// End releases what the webhook holds.
func (in *Inbound) End() { in.hold.Release() }

// Request is the webhook's request.
func (in *Inbound) Request() *http.Request { return in.r }

// Continue replaces the request by r, which differs in its context only.
func (in *Inbound) Continue(r *http.Request) { in.r = r }

// URI is the webhook's, as the provider sent it.
func (in *Inbound) URI() string { return in.signed.URI }

// BodySize is how many bytes of the body were read so far.
func (in *Inbound) BodySize() int { return len(in.signed.Body) }

// CorrelationID links answer, log and delivery.
func (in *Inbound) CorrelationID() string { return in.correlationID }

// Client is the sender's address; invalid if it is not known.
func (in *Inbound) Client() netip.Addr { return in.clientIP }

// Add stores and delivers h besides the provider's headers, in place of headers of the same names. The
// signed request is not changed.
func (in *Inbound) Add(h http.Header) { in.added = h }

// Then calls do when the webhook has been answered.
func (in *Inbound) Then(do func(*Report)) { in.reporters = append(in.reporters, do) }

// Placeholder is the value of {http.webhooks.<name>}; false if there is none of that name.
func (e *Endpoint) Placeholder(in *Inbound, name string) (string, bool) {
	switch name {
	case "endpoint":
		return e.Name, true
	case "provider":
		return e.Provider, true
	case "event_id":
		return in.eventID, true
	case "event_type":
		return in.eventType, true
	case "correlation_id":
		return in.correlationID, true
	case "outcome":
		return in.outcome, true
	}
	return "", false
}

// lastOf is the last element of a comma-separated header: it was written by the trusted proxy next to us.
// The elements before it may come from anybody.
func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}

// correlationID takes over a trusted proxy's request id, or makes one.
func correlationID(r *http.Request, trusted bool) string {
	if trusted {
		for _, name := range []string{"X-Correlation-Id", "X-Request-Id"} {
			if id := r.Header.Get(name); printable(id) {
				return id
			}
		}
	}
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return hex.EncodeToString(id[:])
}

// printable reports whether id can go into logs and headers as it is.
func printable(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// newEvent is the event that is stored and delivered: the request as the handlers before us left it,
// without headers that belong to this connection only.
func (e *Endpoint) newEvent(in *Inbound) *retrystore.Event {
	header := e.Headers.ToStore(in.r.Header, in.trusted)
	maps.Copy(header, in.added)
	return &retrystore.Event{
		Endpoint:      e.Name,
		Provider:      e.Row.Name,
		EventID:       in.eventID,
		EventType:     in.eventType,
		CorrelationID: in.correlationID,
		ReceivedAt:    in.receivedAt.Truncate(time.Millisecond), // as stores keep it
		Method:        in.r.Method,
		Scheme:        in.scheme,
		Host:          in.r.Host,
		URI:           in.r.URL.RequestURI(),
		Proto:         in.r.Proto,
		RemoteAddr:    in.r.RemoteAddr,
		Header:        header,
		Body:          in.signed.Body,
		Secrets:       e.Secrets,
	}
}

// ClientName is the client's address for people.
func (in *Inbound) ClientName() string {
	switch {
	case in.clientIP.IsValid():
		return in.clientIP.String()
	case in.byUnixSocket:
		return "unknown (unix socket)"
	}
	return "unknown"
}
