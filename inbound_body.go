package caddywebhooks

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// bodies is the memory for bodies of all endpoints. It belongs to the process: a reload
// resizes it, and what old configs still hold counts.
var bodies = inflight.New(inflight.DefaultLimit())

// What is held of it, for metrics.
var (
	bodyMemory = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "webhook_body_memory_bytes",
		Help: "Memory that webhooks on their way in hold: their bodies, and 8 KiB each.",
	}, func() float64 { return float64(bodies.Usage().Used) })
	bodyMemoryLimit = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "webhook_body_memory_limit_bytes",
		Help: "The bound of webhook_body_memory_bytes.",
	}, func() float64 { return float64(bodies.Usage().Limit) })
	bodyMemoryRefused = prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "webhook_body_memory_refused_total",
		Help: "Webhooks that were refused, unverified, because others hold that memory.",
	}, func() float64 { return float64(bodies.Usage().Refused) })
)

// minBodyTime is how long a body of up to 1 MiB may take. Without a bound a
// sender that trickles would hold its connection, a goroutine and what has
// arrived for days: Caddy's own read_idle_timeout starts anew with each byte.
// Tests shorten it.
var minBodyTime = 30 * time.Second

// bodyTime is how long a body may take of which so much has arrived: minBodyTime, and a second
// more for each 128 KiB (that is 1 Mbit/s) beyond the first MiB.
func bodyTime(arrived int64) time.Duration {
	return minBodyTime + time.Duration(max(0, arrived-1<<20)/(128<<10))*time.Second
}

// boundBody gives the body its time. Where that cannot be done, as for a recorder
// in memory, no connection is held either. The bound stays when a webhook is
// refused unread: net/http reads some of the rest before it answers.
func (h *Handler) boundBody(in *inbound) *answer {
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Now().Add(bodyTime(0)))
	return nil
}

// pacedBody gives a body more time for what has arrived of it.
type pacedBody struct {
	in      *inbound
	started time.Time
	arrived int64
	given   time.Duration
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.in.r.Body.Read(p)
	if b.arrived += int64(n); bodyTime(b.arrived) > b.given {
		b.given = bodyTime(b.arrived)
		_ = http.NewResponseController(b.in.w).SetReadDeadline(b.started.Add(b.given))
	}
	return n, err
}

// readBody takes the body in, or says why not. The memory is given back when the
// webhook is answered.
func (h *Handler) readBody(in *inbound) *answer {
	body, err := in.readBody(h.MaxBody)
	if err == nil {
		in.signed.Body, in.signed.MaxText = body, h.MaxBody
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
func (in *inbound) readBody(limit int64) ([]byte, error) {
	if in.r.ContentLength > limit {
		return nil, inflight.ErrTooLarge // before anything is taken for it
	}
	if err := bodies.Begin(&in.hold, in.clientIP, in.w); err != nil {
		return nil, err
	}
	paced := &pacedBody{in: in, started: time.Now(), given: bodyTime(0)}
	body, err := in.hold.Read(paced, in.r.ContentLength, limit)
	if err != nil {
		return nil, err
	}
	// The bound is for the body, not for the work or the next request. (At the end
	// of a body net/http clears it itself; a server behind another listener need not.)
	_ = http.NewResponseController(in.w).SetReadDeadline(time.Time{})
	in.bodyRead = true
	return body, nil
}

// endExpectation has the connection closed after the answer where the sender still waits
// to be told to send its body. net/http, which does not know of that behind Caddy's own
// bodies, would wait for the body before it sends the answer, and the sender for the answer.
func (in *inbound) endExpectation(answer http.Header) {
	if in.r.ProtoMajor == 1 && !in.bodyRead && strings.EqualFold(in.r.Header.Get("Expect"), "100-continue") {
		setHeader(answer, "Connection", "close")
	}
}

// defaultMaxBody has room for the largest webhooks of the provider, but leaves room for others.
func (a *App) defaultMaxBody(p *verify.Provider) int64 {
	budget := inflight.DefaultLimit()
	if a.MaxBodyMemory > 0 {
		budget = a.MaxBodyMemory
	}
	return max(leastMaxBody, min(p.MaxBody, budget/4-inflight.Overhead))
}

// bodyMemory is the budget for bodies, in bytes.
func (a *App) bodyMemory() int64 {
	if a.MaxBodyMemory > 0 {
		return a.MaxBodyMemory
	}
	memory := inflight.DefaultLimit()
	for _, h := range a.endpoints {
		memory = max(memory, 4*(h.MaxBody+inflight.Overhead))
	}
	return memory
}

// checkBodyMemory refuses a budget in which the endpoint's largest body may never find room.
func (a *App) checkBodyMemory(h *Handler) error {
	if a.MaxBodyMemory < 0 {
		return fmt.Errorf("max_body_memory is %d: want a positive number of bytes", a.MaxBodyMemory)
	}
	if least := 2 * (h.MaxBody + inflight.Overhead); a.MaxBodyMemory > 0 && a.MaxBodyMemory < least {
		return fmt.Errorf("max_body is %d bytes, of which the global option max_body_memory, %d bytes, has no room for two: want max_body_memory of at least %d, or a smaller max_body",
			h.MaxBody, a.MaxBodyMemory, least)
	}
	return nil
}
