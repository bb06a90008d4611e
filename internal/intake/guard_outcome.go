package intake

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var (
	errAborted = errors.New("the next handler broke the connection off")
	errExited  = errors.New("the next handler ended its goroutine (runtime.Goexit)")
)

// watch calls a handler. If it panics, its outcome is reported all the same, and the panic goes on.
func (g *guarded) watch(handler func() error) error {
	returned := false
	defer func() {
		if returned {
			return
		}
		p, err := recover(), errExited
		switch p {
		case nil:
		case http.ErrAbortHandler: // by `abort`, or because an upstream's answer broke off
			err = errAborted
		default:
			err = fmt.Errorf("panic: %v", p)
		}
		g.conclude(err, true)
		if p != nil {
			panic(p)
		}
	}()
	err := handler()
	returned = true
	return err
}

// conclude frees the key, unless it was decided about, and reports the next handler's result: the status
// that it wrote, or that of its error; none if its answer broke off.
func (g *guarded) conclude(err error, brokeOff bool) {
	g.release()
	g.in.outcome = cmp.Or(g.in.outcome, OutcomeFailed)
	status, cause := g.e.Server.StatusOf(err)
	a := &reply{code: g.status, word: g.in.outcome}
	// The next handler may have put the request's URL into its error.
	a.cause = g.e.HideError(cause, &retrystore.Event{Header: g.in.signed.Header, URI: g.in.signed.URI, Body: g.in.signed.Body})
	if a.code == 0 && !brokeOff {
		a.code = cmp.Or(status, http.StatusInternalServerError) // as the server answers
	}
	switch {
	case brokeOff:
		a.reason = ReasonBrokenOff
	case a.word == OutcomeFailed:
		a.reason = fmt.Sprintf("status_%d", a.code)
	}
	g.e.report(g.in, a)
}

// Undecided is a webhook that the next handler failed at, while the server's error routes may still have
// another handler do the work, such as a backup of the application.
type Undecided struct{ g *guarded }

// leaveToErrorRoutes postpones the decision if there are error routes.
func (g *guarded) leaveToErrorRoutes(err error) bool {
	if !g.e.Server.LeaveToErrorRoutes(g.in.r, &Undecided{g}) {
		return false
	}
	g.in.outcome = OutcomeFailed // for now
	g.mu.Lock()
	g.left = err
	g.mu.Unlock()
	g.e.Serving.Enter() // until it is decided: the store stays open for that
	// Another part of the site than the server's error routes may handle the error.
	safe.AfterContext(g.in.r.Context(), g.e.Logger, "guard: outcome", func() {
		if err := g.takeBack(); err != nil {
			defer g.e.Serving.Leave()
			g.conclude(err, false)
		}
	})
	return true
}

// takeBack returns the error that was left to error routes; only the first caller gets it.
func (g *guarded) takeBack() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.left
	g.left = nil
	return err
}

// AnsweredBy has handler answer the webhook; that answer decides about the event. If the event was decided
// about before, AnsweredBy does not call the handler and returns false.
func (u *Undecided) AnsweredBy(w http.ResponseWriter, handler func(w http.ResponseWriter) error) (called bool, err error) {
	g := u.g
	first := g.takeBack()
	if first == nil {
		return false, nil
	}
	defer g.e.Serving.Leave()
	g.ResponseWriter = w
	err = g.watch(func() error { return handler(g) })
	g.conclude(first, false)
	return true, err
}
