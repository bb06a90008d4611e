package caddywebhooks

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// outcomeFailed is that of a webhook whose next handler did not answer 2xx.
const outcomeFailed = "failed"

var (
	errAborted = errors.New("the next handler broke the connection off")
	errExited  = errors.New("the next handler ended its goroutine (runtime.Goexit)")
)

// watch calls a handler. One that does not return has its outcome reported all
// the same, and then goes on as it wanted to.
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

// reasonBrokenOff is the reason of a webhook that got no whole answer.
const reasonBrokenOff = "broken_off"

// conclude frees the key, unless it was decided about, and reports what the next
// handler did: the status that it wrote, or of its error; none if it broke off.
func (g *guarded) conclude(err error, brokeOff bool) {
	g.release()
	g.in.outcome = cmp.Or(g.in.outcome, outcomeFailed)
	a := &answer{code: g.status, word: g.in.outcome, cause: err}
	refused, hasStatus := errors.AsType[caddyhttp.HandlerError](err)
	if hasStatus && refused.Err != nil {
		a.cause = refused.Err // without Caddy's trace of where it was made
	}
	// The next handler may have put the request's URL into its error.
	a.cause = g.h.hides().error(a.cause, &retrystore.Event{Header: g.in.signed.Header, URI: g.in.signed.URI, Body: g.in.signed.Body}, nil)
	if a.code == 0 && !brokeOff {
		a.code = cmp.Or(refused.StatusCode, http.StatusInternalServerError) // as Caddy answers
	}
	switch {
	case brokeOff:
		a.reason = reasonBrokenOff
	case a.word == outcomeFailed:
		a.reason = fmt.Sprintf("status_%d", a.code)
	}
	g.h.report(g.in, a, g.endTrace)
}

// guardVar is where error routes find the webhook that they answer.
const guardVar = "webhooks.guarded"

// leaveToErrorRoutes waits with the decision: `handle_errors` may have another
// handler do the work, such as a backup of the application.
func (g *guarded) leaveToErrorRoutes(err error) {
	g.in.outcome = outcomeFailed // for now
	g.mu.Lock()
	g.left = err
	g.mu.Unlock()
	ctx := g.in.r.Context()
	caddyhttp.SetVar(ctx, guardVar, g)
	g.h.app.serving.enter() // until it is decided: the store stays open for that
	// Who handles the error need not be the server's error routes.
	safe.AfterContext(ctx, g.h.logger, "guard: outcome", func() {
		if err := g.takeBack(); err != nil {
			defer g.h.app.serving.leave()
			g.conclude(err, false)
		}
	})
}

// takeBack returns the error that was left to error routes, to one caller.
func (g *guarded) takeBack() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.left
	g.left = nil
	return err
}

// errorWatch is the first of a server's error routes. Where they answer a webhook
// whose next handler failed, what they answer decides about it.
type errorWatch struct{}

// watchErrorRoutes adds an errorWatch to the server's error routes, once, and
// reports whether there are any. It must be called while the server's own routes
// are provisioned: Caddy compiles the error routes after that.
func watchErrorRoutes(server *caddyhttp.Server) bool {
	if server.Errors == nil || len(server.Errors.Routes) == 0 {
		return false
	}
	if first := server.Errors.Routes[0].Handlers; len(first) > 0 {
		if _, there := first[0].(errorWatch); there {
			return true
		}
	}
	watch := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{errorWatch{}}}
	server.Errors.Routes = append(caddyhttp.RouteList{watch}, server.Errors.Routes...)
	return true
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (errorWatch) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	g, ok := caddyhttp.GetVar(r.Context(), guardVar).(*guarded)
	if !ok {
		return next.ServeHTTP(w, r)
	}
	first := g.takeBack()
	if first == nil {
		return next.ServeHTTP(w, r)
	}
	defer g.h.app.serving.leave()
	g.ResponseWriter = w
	err := g.watch(func() error { return next.ServeHTTP(g, r) })
	g.conclude(first, false)
	return err
}
