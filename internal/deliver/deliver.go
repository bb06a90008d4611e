// Package deliver makes one attempt of a delivery, through Caddy's handlers.
package deliver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/telemetry"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Options are what a Sender needs to know of its destination and endpoint.
type Options struct {
	// Routes are the handlers that deliver, provisioned. Server is the endpoint's server.
	Routes caddyhttp.RouteList
	Server *caddyhttp.Server

	// Headers handles the endpoint's headers.
	Headers envelope.Headers

	// Resigner signs late attempts anew; nil: every attempt has the provider's own signature.
	Resigner *envelope.Resigner

	// Keep is how many bytes of an answer's body are kept; 0 stands for retrystore.MaxAnswer.
	Keep int

	// Hidden are values that no error may show.
	Hidden redact.Hidden

	// Tracer is the endpoint's.
	Tracer *telemetry.Tracer
}

// Sender delivers to one destination: it turns a stored delivery into a request
// through a chain of Caddy handlers. It implements forward.Sender and is safe
// for concurrent use.
type Sender struct {
	Options
	chain caddyhttp.Handler
	local net.Addr     // stands for the server at which the webhook came in
	http  *http.Server // for handlers that look for a server; it serves nothing
}

var (
	errNoHandler    = errors.New("no handler of this destination answered")
	errAnswerBroken = errors.New("the answer broke off")
	// errLoop is recorded with an attempt that came back to its own endpoint.
	errLoop = errors.New("loop: the destination leads back to an endpoint that the webhook has come through")
)

// New returns a Sender.
func New(o Options) *Sender {
	// Without this last handler an event that no route matches would look like
	// an empty success.
	last := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return errNoHandler })
	local := listenAddress(o.Server.Listen)
	o.Keep = cmp.Or(o.Keep, retrystore.MaxAnswer)
	return &Sender{Options: o, chain: o.Routes.Compile(last), local: local, http: &http.Server{Addr: local.String()}}
}

// maxDrain bounds how much of an answer's body is read. After a body that was read to its end the
// connection can be used again; for a longer one that is not worth the work.
const maxDrain = 256 << 10

// Send makes one attempt. Once the application has answered with a status, that status is the result,
// whatever happens to the rest of its answer.
func (s *Sender) Send(ctx context.Context, d *retrystore.Delivery) (answer forward.Answer, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header, sent := s.header(d)
	ctx, end := s.Tracer.Attempt(ctx, d, header)
	defer func() { end(answer, err) }()
	w := &answerRecorder{header: make(http.Header), keep: s.Keep, enough: cancel}
	defer func() {
		hide := func(err error) error { return s.Hidden.Error(err, d.Event, sent) }
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: // how Caddy ends a handler when an answer breaks off
			answer, err = w.answer(errAnswerBroken)
		default:
			panic(s.Hidden.Panic(p, d.Event, sent)) // package forward makes an outcome of it
		}
		answer.Cause, err = hide(answer.Cause), hide(err)
	}()
	r, err := s.request(ctx, d.Event, header)
	if err != nil {
		return forward.Answer{}, err
	}
	replacer := caddy.NewReplacer()
	deliveryPlaceholders(replacer, d)
	// A prepared request serves once: its route groups and vars are used up.
	r = caddyhttp.PrepareRequest(r, replacer, w, s.Server)
	err = s.chain.ServeHTTP(w, r)
	answer, err = w.answer(err)
	if answer.Status != 0 && s.Headers.CameBack(w.header, d.Event.Header) {
		answer = forward.Answer{Status: http.StatusLoopDetected, Cause: errLoop}
	}
	return answer, err
}

// header is the provider's header with our own headers, signed anew where that is due. The handlers of the
// attempt may change it; sent stays as it is.
func (s *Sender) header(d *retrystore.Delivery) (header, sent http.Header) {
	header = s.Headers.ToDeliver(d)
	if s.Resigner != nil && s.Resigner.Late(d) {
		header = s.Resigner.Sign(d, header)
		return header, header.Clone()
	}
	return header, d.Event.Header
}

// request rebuilds the request that the provider sent.
func (s *Sender) request(ctx context.Context, event *retrystore.Event, header http.Header) (*http.Request, error) {
	target, err := url.ParseRequestURI(event.URI)
	if err != nil {
		return nil, fmt.Errorf("stored URI: %w", err)
	}
	major, minor, _ := http.ParseHTTPVersion(event.Proto)
	// net/http gives these to every handler: Caddy's placeholders need the first, and
	// httputil.ReverseProxy reports only with the second that an answer broke off.
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, s.local)
	ctx = context.WithValue(ctx, http.ServerContextKey, s.http)
	r := (&http.Request{
		Method:        event.Method,
		URL:           target,
		Host:          event.Host,
		RequestURI:    event.URI,
		Proto:         event.Proto,
		ProtoMajor:    major,
		ProtoMinor:    minor,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(event.Body)),
		ContentLength: int64(len(event.Body)),
		RemoteAddr:    event.RemoteAddr,
	}).WithContext(ctx)
	if len(event.Body) == 0 {
		r.Body = http.NoBody
	}
	if event.Scheme == "https" {
		// Only for X-Forwarded-Proto, which Caddy derives from it.
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: hostOf(event.Host)}
	}
	return r, nil
}

// hostOf is a Host header without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// answerRecorder is the response writer of an attempt. It keeps the final
// status, the header and the first bytes of the body, and never reports an
// error: a writer's error would make Caddy abort the attempt.
type answerRecorder struct {
	header  http.Header
	status  int
	body    []byte
	keep    int // of the body
	written int
	enough  context.CancelFunc // ends the attempt when the answer grows too long
}

// Header implements http.ResponseWriter.
func (w *answerRecorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter: informational statuses pass by, the first final one stays.
func (w *answerRecorder) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *answerRecorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if room := w.keep - len(w.body); room > 0 {
		w.body = append(w.body, p[:min(room, len(p))]...)
	}
	if w.written += len(p); w.written > max(maxDrain, w.keep) {
		w.enough()
	}
	return len(p), nil
}

// Flush implements http.Flusher; there is nothing to flush.
func (w *answerRecorder) Flush() {}

// answer is the attempt's result, given what the chain returned.
func (w *answerRecorder) answer(err error) (forward.Answer, error) {
	a := forward.Answer{RetryAfter: w.header.Get("Retry-After")}
	if w.status != 0 {
		a.Status, a.Body = w.status, w.body
		if a.Status == http.StatusLoopDetected && w.header.Get("Webhook-Status") == intake.OutcomeLoop {
			a.Cause = errLoop
		}
		if err == nil { // a whole answer, fit to be relayed
			a.Header = w.header
		}
		return a, nil
	}
	refused, ok := errors.AsType[caddyhttp.HandlerError](err)
	if !ok {
		return forward.Answer{}, err
	}
	if refused.Err == nil {
		refused.Err = errors.New(http.StatusText(refused.StatusCode))
	}
	if !isRefusal(refused) {
		return forward.Answer{}, refused.Err // without Caddy's trace of where it was made
	}
	a.Status, a.Cause = refused.StatusCode, refused.Err
	return a, nil
}

// isRefusal reports whether a handler's error is an answer, as `error`, basic_auth and file_server return
// one instead of writing it. It is no answer if a reverse_proxy says with it that it got none (a dial
// error, no healthy upstream, a timeout), if the attempt ended while the handler ran, or if the status is
// no error status.
func isRefusal(e caddyhttp.HandlerError) bool {
	if e.StatusCode < 400 || e.StatusCode > 599 ||
		errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded) {
		return false
	}
	// reverse_proxy uses 499 and above for its own failures; a lower status is about the request, or comes
	// from a response that one of its routes handled.
	return e.StatusCode < 499 || !strings.HasPrefix(e.Trace, "reverseproxy.")
}

// Interface guards
var (
	_ forward.Sender = (*Sender)(nil)
	_ http.Flusher   = (*answerRecorder)(nil)
)
