package caddywebhooks

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

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
	proxied       bool           // by a proxy that the server does not trust
	signed        verify.Request // what the provider signed

	// filled in by the steps
	taken      limiter.Decision // the last tokens taken
	takenFrom  limiter.Backend  // who counts them
	isVerified bool
	verified   verify.Result
	eventID    string
	eventType  string
	targets    []target
	outcome    string // the answer's word
}

// target is a destination that wants the event.
type target struct {
	lane     retrystore.Lane
	priority int
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
		proxied:       !trusted && forwardedByStranger(r),
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

// mediaType is the request's content type without parameters, lower-case; empty
// if there are several: the application might believe another one than we do.
func (in *inbound) mediaType() string {
	types := in.r.Header["Content-Type"]
	if len(types) != 1 {
		return ""
	}
	media, _, err := mime.ParseMediaType(types[0])
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return media
}

var errBodyTooLarge = errors.New("body too large")

// minBodyTime is how long a body of up to 1 MiB may take. Without a bound a
// sender that trickles would hold its connection, a goroutine and what has
// arrived for days: Caddy's own read_idle_timeout starts anew with each byte.
// Tests shorten it.
var minBodyTime = 30 * time.Second

// bodyTime is how long a body may take: minBodyTime, and a second more for each
// 128 KiB (that is 1 Mbit/s) of max_body beyond the first MiB.
func bodyTime(limit int64) time.Duration {
	return minBodyTime + time.Duration(max(0, limit-1<<20)/(128<<10))*time.Second
}

// boundBody gives the body its time. Where that cannot be done, as for a recorder
// in memory, no connection is held either. The bound stays when a webhook is
// refused unread: net/http reads some of the rest before it answers.
func (h *Handler) boundBody(in *inbound) *answer {
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Now().Add(h.bodyTime))
	return nil
}

// readBody takes the body in, or says why not.
func (h *Handler) readBody(in *inbound) *answer {
	body, err := readBody(in, h.MaxBody)
	if err == nil {
		in.signed.Body = body
		return nil
	}
	if _, limited := errors.AsType[*http.MaxBytesError](err); limited || errors.Is(err, errBodyTooLarge) {
		return payloadTooLarge // by our limit, or by that of Caddy's request_body
	}
	a := *bodyIncomplete
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a = *bodyTimeout
	}
	a.cause = err
	return &a
}

// readBody reads the whole body, chunked or not, and fails when it is longer
// than limit: cutting it would break the signature or, worse, the event.
func readBody(in *inbound, limit int64) ([]byte, error) {
	if in.r.ContentLength > limit {
		return nil, errBodyTooLarge
	}
	body, err := readAll(in.r.Body, in.r.ContentLength, limit)
	if err != nil {
		return nil, err
	}
	// The bound is for the body, not for the work or the next request. (At the end
	// of a body net/http clears it itself; a server behind another listener need not.)
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Time{})
	return body, nil
}

// readAll reads up to limit bytes, of which claimed are announced; negative if that
// is unknown. Memory grows with what arrives, not with what is claimed.
func readAll(r io.Reader, claimed, limit int64) ([]byte, error) {
	const trust = 64 << 10      // a claimed length that is believed at once
	const unannounced = 1 << 10 // a webhook without one, to begin with
	first := min(claimed, trust)
	if claimed < 0 {
		first = unannounced
	}
	body := make([]byte, 0, first+1) // one more, to see the end without growing
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, errBodyTooLarge
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		case len(body) == cap(body):
			size := int64(2 * len(body))
			if claimed >= int64(len(body)) {
				size = min(size, claimed+1)
			}
			body = slices.Grow(body, int(size)-len(body))
		}
	}
}

// newEvent is what is stored and delivered: the request as the handlers before
// us left it, without what belongs to this connection only.
func (h *Handler) newEvent(in *inbound) *retrystore.Event {
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
		Header:        h.headers.toStore(in.r.Header),
		Body:          in.signed.Body,
	}
}

// report tells the operator what a webhook was answered, once for each.
func (h *Handler) report(in *inbound, a *answer, endTrace func(*answer)) {
	h.logReceived(in, a)
	h.count(in, a)
	endTrace(a)
	h.traffic.saw(in, a)
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
		fields = append(fields, zap.Error(a.cause))
	}
	entry.Write(fields...)
}

func (h *Handler) logFields(in *inbound) []zap.Field {
	fields := make([]zap.Field, 0, 12)
	fields = append(fields,
		zap.String("endpoint", h.Name),
		zap.String("provider", h.Provider),
		zap.String("outcome", in.outcome),
		zap.String("correlation_id", in.correlationID),
		zap.Stringer("client_ip", in.clientIP),
		zap.Duration("duration", h.now().Sub(in.receivedAt)),
	)
	if in.eventID != "" || in.eventType != "" {
		fields = append(fields, zap.String("event_id", in.eventID), zap.String("event_type", in.eventType))
	}
	return fields
}
