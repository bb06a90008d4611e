package intake

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// allowed is how long a body may take, given how much of it has arrived: Time, and another second for each
// 128 KiB (1 Mbit/s) beyond the first MiB.
func (b Body) allowed(arrived int64) time.Duration {
	return b.Time + time.Duration(max(0, arrived-1<<20)/(128<<10))*time.Second
}

// boundBody sets the body's deadline. Where no deadline can be set, as with a recorder in memory, no
// connection is held either. The deadline stays when a webhook is refused unread: net/http reads some of
// the rest before it answers.
func (e *Endpoint) boundBody(in *Inbound) *reply {
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Now().Add(e.Body.allowed(0)))
	return nil
}

// pacedBody extends the deadline by what has arrived.
type pacedBody struct {
	in      *Inbound
	bounds  Body
	started time.Time
	arrived int64
	given   time.Duration
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.in.r.Body.Read(p)
	if b.arrived += int64(n); b.bounds.allowed(b.arrived) > b.given {
		b.given = b.bounds.allowed(b.arrived)
		_ = http.NewResponseController(b.in.w).SetReadDeadline(b.started.Add(b.given))
	}
	return n, err
}

// readBody reads the body into memory, or returns the refusal. The memory is given back when the webhook
// is answered.
func (e *Endpoint) readBody(in *Inbound) *reply {
	body, err := in.readBody(e.Body)
	if err == nil {
		in.signed.Body, in.signed.MaxText = body, e.Body.Max
		in.signed.Document = new(verify.Document) // every step from here on reads the body with it
		return nil
	}
	if _, limited := errors.AsType[*http.MaxBytesError](err); limited || errors.Is(err, inflight.ErrTooLarge) {
		return payloadTooLarge // by our limit, or by that of Caddy's request_body
	}
	if errors.Is(err, inflight.ErrFull) || errors.Is(err, inflight.ErrStalled) {
		return unavailable(retrySoon, "body_memory", err)
	}
	a := *bodyIncomplete
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a = *bodyTimeout
	}
	a.cause = err
	return &a
}

// readBody reads the whole body, chunked or not.
func (in *Inbound) readBody(b Body) ([]byte, error) {
	if in.r.ContentLength > b.Max {
		return nil, inflight.ErrTooLarge // before anything is taken for it
	}
	if err := b.Memory.Begin(&in.hold, in.clientIP, in.w); err != nil {
		return nil, err
	}
	paced := &pacedBody{in: in, bounds: b, started: time.Now(), given: b.allowed(0)}
	body, err := in.hold.Read(paced, in.r.ContentLength, b.Max)
	if err != nil {
		return nil, err
	}
	// The bound is for the body, not for the work or the next request. (At the end
	// of a body net/http clears it itself; a server behind another listener need not.)
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Time{})
	in.bodyRead = true
	return body, nil
}

// endExpectation closes the connection after the answer if the sender still waits for "100 Continue".
// net/http does not see that behind Caddy's own body readers: it would wait for the body before it sends
// the answer, and the sender would wait for the answer.
func (in *Inbound) endExpectation(answer http.Header) {
	if in.r.ProtoMajor == 1 && !in.bodyRead && strings.EqualFold(in.r.Header.Get("Expect"), "100-continue") {
		setHeader(answer, "Connection", "close")
	}
}
