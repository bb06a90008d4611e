package caddywebhooks

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// inbound is one webhook on its way through the pipeline.
type inbound struct {
	r             *http.Request
	w             http.ResponseWriter
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
	isVerified   bool
	verified     verify.Result
	eventID      string
	eventType    string
	furtherTypes []string // of a batch, besides the first event's
	targets      []retrystore.Target
	outcome      string // the answer's word
}

// newInbound looks at the request as the provider sent it: before rewrites of
// earlier handlers, and before a TLS-terminating proxy that the server trusts.
func (h *Handler) newInbound(w http.ResponseWriter, r *http.Request) *inbound {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	in := &inbound{
		r:             r,
		w:             w,
		receivedAt:    h.now(),
		scheme:        "http",
		clientIP:      clientIP(r),
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
	uri := r.RequestURI
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		uri = original.RequestURI
	}
	in.signed = verify.Request{Context: r.Context(), Client: in.clientIP, Method: r.Method, Scheme: in.scheme, Host: host, URI: uri, Header: r.Header}
	h.publicURL.see(in)
	return in
}

// lastOf is the last element of a comma-separated header: what the trusted
// proxy next to us wrote. What is left of it may be anybody's.
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

// maxContentType bounds a Content-Type that is parsed, in bytes: each parameter takes memory.
const maxContentType = 1 << 10

// mediaType is the request's content type without parameters, lower-case; empty
// if there are several: the application might believe another one than we do.
func (in *inbound) mediaType() string {
	types := in.r.Header["Content-Type"]
	if len(types) != 1 || len(types[0]) > maxContentType {
		return ""
	}
	media, _, err := mime.ParseMediaType(types[0])
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return media
}

// checkMethod lets through what a webhook or a handshake comes by.
func (h *Handler) checkMethod(in *inbound) *answer {
	if slices.Contains(h.handshakeMethods, in.r.Method) {
		return nil
	}
	return h.checkWebhookMethod(in)
}

func (h *Handler) checkWebhookMethod(in *inbound) *answer {
	allowed := h.provider.Methods
	if slices.Contains(allowed, in.r.Method) {
		return nil
	}
	return methodNotAllowed(slices.Concat(allowed, h.handshakeMethods))
}

func (h *Handler) checkContentType(in *inbound) *answer {
	if len(h.ContentTypes) == 0 || in.r.ContentLength == 0 {
		return nil
	}
	if types := in.r.Header["Content-Type"]; len(types) == 1 && slices.Contains(h.ContentTypes, types[0]) {
		return nil // as nearly all are: nothing to parse
	}
	if !slices.Contains(h.ContentTypes, in.mediaType()) {
		return unsupportedMediaType
	}
	return nil
}

// newEvent is what is stored and delivered: the request as the handlers before
// us left it, without what belongs to this connection only.
func (h *Handler) newEvent(in *inbound) *retrystore.Event {
	header := h.headers.ToStore(in.r.Header, in.trusted)
	return &retrystore.Event{
		Endpoint:      h.Name,
		Provider:      h.provider.Name,
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
		Secrets:       h.secrets,
	}
}

// report tells the operator what a webhook was answered, once for each.
func (h *Handler) report(in *inbound, a *answer, endTrace func(*answer)) {
	report := h.newReport(in, a)
	h.logReceived(in, a)
	h.count(in, a)
	endTrace(a)
	h.traffic.Report(report)
}

// newReport says what became of a webhook.
func (h *Handler) newReport(in *inbound, a *answer) *intake.Report {
	return &intake.Report{
		Endpoint: h.Name, Provider: h.Provider, EventID: in.eventID, EventType: in.eventType,
		CorrelationID: in.correlationID, Client: in.clientName(),
		ReceivedAt: in.receivedAt, Duration: h.now().Sub(in.receivedAt), BodySize: len(in.signed.Body),
		Outcome: in.outcome, Status: a.code, OK: a.ok(), Reason: a.reason, Cause: a.cause, Tier: a.tier,
		Verified: in.isVerified, SecretIndex: in.verified.SecretIndex, Proxied: in.proxied, UnixSocket: in.byUnixSocket,
	}
}

// logReceived writes the one line that each webhook gets on its way in.
func (h *Handler) logReceived(in *inbound, a *answer) {
	level := zap.InfoLevel
	if !a.ok() || a.reason != "" {
		level = zap.WarnLevel
	}
	entry := h.logger.Check(level, "webhook received")
	if entry == nil {
		return
	}
	fields := h.logFields(in)
	if a.code != 0 {
		fields = append(fields, zap.Int("status", a.code))
	}
	if a.reason != "" {
		fields = append(fields, zap.String("reason", a.reason))
	}
	if a.cause != nil {
		fields = append(fields, zap.String("error", h.hidden.Text(a.cause.Error())))
	}
	entry.Write(fields...)
}

// clientName is the client's address for people.
func (in *inbound) clientName() string {
	switch {
	case in.clientIP.IsValid():
		return in.clientIP.String()
	case in.byUnixSocket:
		return "unknown (unix socket)"
	}
	return "unknown"
}

func (h *Handler) logFields(in *inbound) []zap.Field {
	fields := make([]zap.Field, 0, 12)
	fields = append(fields,
		zap.String("endpoint", h.Name),
		zap.String("provider", h.Provider),
		zap.String("outcome", in.outcome),
		zap.String("correlation_id", in.correlationID),
		zap.String("client_ip", in.clientName()),
		zap.Duration("duration", h.now().Sub(in.receivedAt)),
	)
	if in.eventID != "" || in.eventType != "" {
		fields = append(fields, zap.String("event_id", in.eventID), zap.String("event_type", in.eventType))
	}
	return fields
}
