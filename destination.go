package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/deliver"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Forward is a destination of an endpoint: where its events, or those of some
// types, are delivered. Each has a queue, workers and retries of its own.
type Forward struct {
	// The destination's name, in logs, in the store and in the admin API. Unique
	// in its endpoint. Default: the first upstream. Renaming a destination
	// leaves its stored deliveries under the old name.
	Name string `json:"name,omitempty"`

	// Addresses of the application, as reverse_proxy takes them. Give these or
	// `handle`. Global placeholders such as {env.APP} are expanded when the config
	// is loaded; one that is unset or empty is an error. Those of a request
	// ({http.…}) are expanded at each attempt, where deliveries have them.
	Upstreams []string `json:"upstreams,omitempty"`

	// Handlers that deliver the event instead of a reverse_proxy to upstreams. A handler that answers 2xx
	// has taken it; the status of a handler's error is its answer too. They see the request as it was
	// stored: placeholders that need the webhook's connection, or what handlers outside set, are errors.
	//
	// Placeholders: {http.webhooks.endpoint}, provider, event_id, event_type, correlation_id, received_at,
	// destination, delivery_id and attempt.
	Handle caddyhttp.RouteList `json:"handle,omitempty"`

	// Event types that go here. `*` stands for any characters. Default: all.
	Events []string `json:"events,omitempty"`

	// How long one attempt may take. Default: 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// When a failed attempt is retried.
	Retry *policy.Retry `json:"retry,omitempty"`

	// Statuses that make a delivery a dead letter at once. Default: 410.
	DeadOn []int `json:"dead_on,omitempty"`

	// How many attempts run at a time. Default: 32.
	MaxInFlight int `json:"max_in_flight,omitempty"`

	// Which of the due deliveries go first. The first entry that matches an
	// event's type counts. Default: 0 for all.
	Priority []policy.Priority `json:"priority,omitempty"`

	// How many attempts are started per second at most. Deliveries above the rate wait in the store;
	// nothing is refused. Default: no limit.
	Rate float64 `json:"rate,omitempty"`

	// When the destination gets no deliveries because it fails. Default: after 5 failures in a row, for
	// 60s.
	Breaker *policy.Breaker `json:"breaker,omitempty"`

	// Whether retries, and first attempts that had to wait, get a fresh signature and timestamp in the
	// provider's own format, made with the endpoint's first secret. A header that this replaces is kept as
	// Webhook-Original-<header>. Default: true where the provider signs a timestamp, there is a key to
	// sign with, signature and timestamp are in headers, and no URL is signed.
	Resign *bool `json:"resign,omitempty"`

	typeLines     []caddyfile.Dispenser // each before globs of event types, until they are checked
	handleSegment *caddyfile.Dispenser  // the block of `handle`, until it is parsed

	lane   retrystore.Lane
	routes caddyhttp.RouteList // what delivers
	sender forward.Sender
}

// setDefaultName gives an unnamed destination the name of its first upstream.
func (f *Forward) setDefaultName() {
	if f.Name == "" && len(f.Upstreams) > 0 {
		f.Name = f.Upstreams[0]
	}
}

// provision prepares the handlers that deliver, which live as long as ctx.
func (f *Forward) provision(ctx caddy.Context, h *Handler) error {
	f.lane = retrystore.Lane{Endpoint: h.Name, Destination: f.Name}
	if err := f.check(); err != nil {
		return err
	}
	f.warnOfUnset(h)
	if err := f.checkReferences(); err != nil { // before Caddy empties raw modules
		return err
	}
	routes := f.Handle
	if len(f.Upstreams) > 0 {
		upstreams, err := deliver.ExpandUpstreams(f.Upstreams)
		if err != nil {
			return err
		}
		proxy, err := deliver.ReverseProxy(upstreams, f.MaxInFlight)
		if err != nil {
			return err
		}
		routes = caddyhttp.RouteList{{HandlersRaw: []json.RawMessage{proxy}}}
	}
	if err := routes.Provision(ctx); err != nil {
		return err
	}
	f.routes = routes
	if err := f.checkChain(); err != nil {
		return err
	}
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return errors.New("webhooks must be used as a handler of an HTTP server")
	}
	f.warnOfLoops(h.logger, server)
	resigner, err := f.newResigner(h)
	if err != nil {
		return err
	}
	options := deliver.Options{
		Routes: routes, Server: server, Headers: h.headers, Resigner: resigner, Hidden: h.hides(), Tracer: h.tracer,
	}
	if h.Respond == respondUpstream {
		options.Keep = intake.MaxRelay + 1 // one more byte, to notice an answer that is too long
	}
	f.sender = deliver.New(options)
	return nil
}

// newResigner returns nil where attempts keep the provider's signature.
func (f *Forward) newResigner(h *Handler) (*envelope.Resigner, error) {
	if err := f.checkResign(h.verifier); err != nil {
		return nil, err
	}
	wanted := h.verifier.SignedTimestamp()
	if f.Resign != nil {
		wanted = *f.Resign
	}
	if !wanted || !h.verifier.CanResign() {
		return nil, nil
	}
	return envelope.NewResigner(h.current, h.now), nil
}

func (f *Forward) checkResign(v *verify.Verifier) error {
	if f.Resign != nil && *f.Resign && !v.CanResign() {
		return errors.New("resign is on, but a late attempt cannot be signed: that needs a secret or a private key, and a scheme that signs no URL and keeps signature and timestamp in headers")
	}
	return nil
}

func (f *Forward) check() error {
	hasHandle := len(f.Handle) > 0 || f.handleSegment != nil
	for _, upstream := range f.Upstreams {
		if err := deliver.CheckUpstreamForm(upstream); err != nil {
			return err
		}
	}
	switch {
	case f.Name == "":
		return errors.New("a destination without upstreams needs a `name` and `handle`; or give at least one upstream, such as localhost:3000")
	case grammar.CheckName(f.Name) != nil && !(len(f.Upstreams) > 0 && f.Name == f.Upstreams[0]):
		return grammar.CheckName(f.Name)
	case len(f.Upstreams) > 0 && hasHandle:
		return errors.New("give upstreams or `handle`, not both")
	case len(f.Upstreams) == 0 && !hasHandle:
		return errors.New("give at least one upstream, or `handle`")
	}
	for _, upstream := range f.Upstreams {
		if strings.Contains(upstream, "{") {
			continue // known to a running Caddy only
		}
		if err := deliver.CheckUpstream(upstream); err != nil {
			return fmt.Errorf("upstream %w", err)
		}
	}
	for _, p := range f.Priority {
		if err := p.Check(); err != nil {
			return err
		}
	}
	dest := f.destination()
	return dest.Validate()
}

// wants reports whether events of that type go here.
func (f *Forward) wants(eventType string) bool {
	return matchesAny(f.Events, eventType)
}

// priority is how urgent events of that type are here.
func (f *Forward) priority(eventType string) int {
	for _, p := range f.Priority {
		if matchesAny(p.Events, eventType) {
			return p.Level
		}
	}
	return 0
}

// matchesAny reports whether one of the globs matches; no globs match everything.
func matchesAny(globs []string, eventType string) bool {
	return len(globs) == 0 || slices.ContainsFunc(globs, func(glob string) bool {
		return forward.MatchType(glob, eventType)
	})
}

// destination translates the settings for package forward.
func (f *Forward) destination() forward.Destination {
	return forward.Destination{
		Lane:        f.lane,
		Sender:      f.sender,
		Retry:       f.Retry.Policy(),
		DeadOn:      f.DeadOn,
		Timeout:     time.Duration(f.Timeout),
		MaxInFlight: f.MaxInFlight,
		Rate:        f.Rate,
		Breaker:     f.Breaker.Policy(),
	}
}
