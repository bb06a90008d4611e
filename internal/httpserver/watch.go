package httpserver

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// logWatch is the first of a server's routes, if one of its endpoints has secrets that are sent as they
// are. A request may carry one and never reach the endpoint: a handler before it refuses the request, or
// the path is not quite the endpoint's. Such requests are logged with the secret hidden, too. It is filled
// while the server's routes are provisioned, and not changed after that.
type logWatch struct {
	log     *Log
	headers []verify.Source // that the endpoints have their secrets in; log's mask has them, too
	secrets []string
	values  redact.Values // the same
	ready   sync.Once     // has made mask and values
}

// watchLogs adds the endpoint to its server's logWatch. If there is none yet, it puts one before the
// routes. It must be called while the routes are provisioned, because Caddy compiles them after that. An
// endpoint in a named route comes too late, and has only its own requests masked.
func watchLogs(ctx caddy.Context, l *Log, secrets Secrets) (*logWatch, error) {
	watch := serverWatch(l.server)
	if watch == nil {
		watch = &logWatch{log: &Log{server: l.server, access: l.access, failed: l.failed}}
		watch.log.watch = watch
		// The routes are still being provisioned, in place: they stay the same routes as a subroute.
		first := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{watch, &caddyhttp.Subroute{Routes: l.server.Routes}}}
		if err := first.ProvisionHandlers(ctx, nil); err != nil {
			return nil, fmt.Errorf("watching the log: %w", err)
		}
		l.server.Routes = caddyhttp.RouteList{first}
	}
	for _, place := range secrets.Places {
		// Other sites have parameters of these names as well, and Caddy hides Authorization by itself.
		if place.From == verify.FromHeader && !strings.EqualFold(place.Name, "Authorization") {
			watch.headers = append(watch.headers, place)
		}
	}
	watch.secrets = append(watch.secrets, secrets.Values...)
	return watch, nil
}

// all returns a mask for the secrets of all endpoints. It must not be called before all are provisioned.
func (watch *logWatch) all() redact.Values {
	watch.ready.Do(func() {
		watch.log.mask = redact.New(watch.headers)
		watch.values = redact.NewValues(watch.secrets)
	})
	return watch.values
}

func serverWatch(server *caddyhttp.Server) *logWatch {
	if len(server.Routes) == 0 || len(server.Routes[0].Handlers) == 0 {
		return nil
	}
	watch, _ := server.Routes[0].Handlers[0].(*logWatch)
	return watch
}

// loggedVar is where an endpoint finds the line that the watch is about to write.
const loggedVar = "webhooks.logged"

// takeOver leaves the request's lines to the endpoint that it has reached, which knows more places of
// secrets.
func takeOver(r *http.Request) { caddyhttp.SetVar(r.Context(), loggedVar, nil) }

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (watch *logWatch) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (err error) {
	if !watch.carries(r) {
		return next.ServeHTTP(w, r)
	}
	body := &countedBody{ReadCloser: r.Body}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = body
	}
	line := watch.log.take(w, r, r.RequestURI, func() int { return int(body.read.Load()) })
	line.header = r.Header.Clone() // handlers may change it
	caddyhttp.SetVar(r.Context(), loggedVar, line)
	defer func() {
		if caddyhttp.GetVar(r.Context(), loggedVar) == any(line) {
			line.End(err)
		}
	}()
	return next.ServeHTTP(w, r)
}

// carries reports whether one of the secrets is in the request, or anything is in a header that holds an
// endpoint's secret.
func (watch *logWatch) carries(r *http.Request) bool {
	all := watch.all()
	if watch.log.mask.Carries(r.Header, "") || all.URI(r.RequestURI) != r.RequestURI {
		return true
	}
	hides := func(value string) bool { return all.Text(value) != value }
	for _, values := range r.Header {
		if slices.ContainsFunc(values, hides) {
			return true
		}
	}
	return false
}

// countedBody counts what is read.
type countedBody struct {
	io.ReadCloser
	read atomic.Int64
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}
