package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// guardLease is how long a key stays held after its holder has died. A living holder renews it.
const guardLease = time.Minute

// outlast returns a context that ends some time after parent. It must be cancelled.
func outlast(parent context.Context, by time.Duration, logger *zap.Logger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	safe.Go(logger, "guard: patience", func() {
		select {
		case <-parent.Done():
		case <-ctx.Done():
			return
		}
		late := time.NewTimer(by)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// inProgress answers a repeat while the first webhook is still being worked on. It must not be a success:
// if the first one fails, the provider has to send again.
func inProgress(until time.Time, now time.Time) *reply {
	return &reply{
		code: http.StatusConflict, word: OutcomeInProgress,
		message:    "this event is being worked on; send it again later",
		retryAfter: min(max(1, int(until.Sub(now).Seconds())), retrySoon),
	}
}

var errNoNextHandler = errors.New("no handler after this endpoint answered: add `forward`, or a handler that does the work")

// guard serves an endpoint without destinations: the next handler does the work while the provider waits,
// and the event is remembered once the work has succeeded. The provider gets the next handler's answer.
// guard returns that handler's error.
func (e *Endpoint) guard(in *Inbound, next Handler) error {
	g := &guarded{ResponseWriter: in.w, e: e, in: in}
	if a := g.take(); a != nil {
		return e.answer(in, a)
	}
	ctx, cancel := outlast(in.r.Context(), e.GuardPatience, e.Logger)
	defer cancel()
	err := g.watch(func() error { return next.ServeHTTP(g, e.guardedRequest(in).WithContext(ctx)) })
	if err != nil && !g.wroteHeader {
		in.w.Header().Set("Webhook-Status", OutcomeFailed) // the server or an error route answers
	}
	switch {
	case err == nil && !g.wroteHeader:
		// The end of a route answers nothing: no handler did the work.
		g.release()
		return e.answer(in, unavailable(retryLater, ReasonNoHandler, errNoNextHandler))
	case err != nil && !g.wroteHeader && g.leaveToErrorRoutes(err):
	default:
		g.conclude(err, false)
	}
	return err
}

// take holds the event's key, or returns the answer if the next handler must not be called.
func (g *guarded) take() *reply {
	e := g.e
	key := e.eventKey(g.in)
	if key.IsZero() {
		g.decided = true // there is nothing to decide about
		return nil
	}
	ctx := e.Waits.Now()
	store, err := e.Guard(ctx)
	if err == nil {
		g.store = store
		g.hold, err = store.HoldKey(ctx, key, guardLease)
	}
	switch {
	case err != nil:
		return storeRefused(err)
	case g.hold.State == retrystore.HoldCommitted:
		return acknowledge(OutcomeDuplicate, e.Row)
	case g.hold.State == retrystore.HoldTaken:
		return inProgress(g.hold.Until, e.Now())
	}
	g.keep()
	return nil
}

// guardedRequest is the request with the body that was read, and with what is known about the webhook in
// its context.
func (e *Endpoint) guardedRequest(in *Inbound) *http.Request {
	r := in.r
	r.Body = io.NopCloser(bytes.NewReader(in.signed.Body))
	r.ContentLength = int64(len(in.signed.Body))
	event := e.newEvent(in)
	e.Headers.Stamp(event.Header, event)
	e.Headers.AddVia(event.Header)
	r.Header = event.Header
	return r
}

// guarded decides about the held key when the next handler answers. A success is durable before the
// provider hears of it, so that the provider's retry is a duplicate even if the answer gets lost. If the
// answer breaks off after its 2xx, that stays so: the application has the event.
type guarded struct {
	http.ResponseWriter
	e           *Endpoint
	in          *Inbound
	wroteHeader bool // a final one
	status      int  // of it

	mu      sync.Mutex // guards the fields below against the renewal of hold and the end of the request
	store   retrystore.Guard
	hold    retrystore.Hold
	decided bool
	renewal *time.Timer
	left    error // of the next handler, while error routes may answer instead
}

// keep renews the hold for as long as the work takes.
func (g *guarded) keep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.renewal = safe.AfterFunc(guardLease/2, g.e.Logger, "guard: renewal", func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.decided {
			return
		}
		// The handler may go on after the provider has hung up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(g.in.r.Context()), guardLease/4)
		defer cancel()
		defer g.renewal.Reset(guardLease / 2)
		if err := g.store.RenewKey(ctx, &g.hold, guardLease); err != nil {
			g.e.Logger.Warn("renewing the hold of an event", zap.String("correlation_id", g.in.correlationID), zap.Error(err))
		}
	})
}

// decide ends the hold, once.
func (g *guarded) decide(how func(context.Context, retrystore.Hold) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.decided {
		return
	}
	g.decided = true
	if g.renewal != nil {
		g.renewal.Stop()
	}
	// The decision stands even if the provider has gone meanwhile.
	if err := how(context.WithoutCancel(g.in.r.Context()), g.hold); err != nil {
		g.e.Logger.Error("remembering an event; if the provider sends it again, it is worked on again",
			zap.String("endpoint", g.e.Name), zap.String("correlation_id", g.in.correlationID), zap.Error(err))
	}
}

func (g *guarded) commit() {
	g.in.outcome = OutcomeAccepted
	g.decide(func(ctx context.Context, hold retrystore.Hold) error {
		return g.store.CommitKey(ctx, hold, g.e.KeyTTL)
	})
}

func (g *guarded) release() {
	g.decide(func(ctx context.Context, hold retrystore.Hold) error { return g.store.ReleaseKey(ctx, hold) })
}

// WriteHeader implements http.ResponseWriter.
func (g *guarded) WriteHeader(status int) {
	if !g.wroteHeader && status >= 200 { // informational ones decide nothing
		g.wroteHeader, g.status = true, status
		if status < 300 {
			g.commit()
		} else {
			g.in.outcome = OutcomeFailed
			g.release()
			g.ResponseWriter = g.e.Server.PastInterceptors(g.ResponseWriter)
		}
		g.Header().Set("Webhook-Status", g.in.outcome)
	}
	g.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (g *guarded) Write(p []byte) (int, error) {
	if !g.wroteHeader {
		g.WriteHeader(http.StatusOK)
	}
	return g.ResponseWriter.Write(p)
}

// FlushError lets http.ResponseController flush. The first flush sends the header.
func (g *guarded) FlushError() error {
	if !g.wroteHeader {
		g.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(g.ResponseWriter).Flush()
}

// Hijack refuses to hand over the connection: then nobody could see the outcome.
func (g *guarded) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach the connection's deadlines.
func (g *guarded) Unwrap() http.ResponseWriter { return g.ResponseWriter }
