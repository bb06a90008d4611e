package caddywebhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/internal/storebook"
	"github.com/caddywebhooks/caddy-webhooks/internal/telemetry"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func init() {
	caddy.RegisterModule(new(App))
}

const (
	// startWait is how long a request waits for the app at start-up: Caddy
	// starts its apps in no particular order, so HTTP may serve before us.
	startWait = 5 * time.Second
	// exitGrace is how long attempts in flight may go on when Caddy exits.
	// What is cut off then is delivered again after the next start.
	exitGrace = 10 * time.Second
	// reloadGrace is the same for a config that was replaced. It passes in the
	// background and is only there to bound it: attempts have their own timeout.
	reloadGrace = time.Hour
)

// App holds what the endpoints of a config share: the store of deliveries and
// the dispatcher that empties it. It needs no configuration.
type App struct {
	// Where events are kept. Default: a file in Caddy's data directory, which
	// one Caddy process can use at a time.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=webhooks.stores inline_key=backend"`

	// How many undelivered events each destination may hold. If a destination is full, the event is stored
	// for its other destinations, and for the full one as a dead letter with the reason destination_full,
	// which can be replayed later. If all its destinations are full, providers are answered 503 with
	// Retry-After, so that they keep their events. Dead letters do not count. Default: 100000.
	MaxPending int `json:"max_pending,omitempty"`

	// How much of the store each endpoint may use, in bytes: its pending events and dead letters with
	// their headers, each counted once however many destinations it has. At the bound providers are
	// answered 503 with Retry-After, so that they keep their events. Default: 10 GiB, or half of the file
	// store's max_size where that is less.
	MaxStored int64 `json:"max_stored,omitempty"`

	// How much memory the webhooks of all endpoints may hold while they are received, verified and
	// answered, in bytes: their bodies, and 8 KiB each. Beyond it providers are answered 503 with
	// Retry-After. No address may hold more than what is still free, so a single one has at most half; an
	// IPv6 /64 counts as one address. At least twice the largest max_body. Default: a tenth of the process's memory limit (GOMEMLIMIT) or
	// 256 MiB, but four times the largest max_body.
	MaxBodyMemory int64 `json:"max_body_memory,omitempty"`

	// What is kept of delivered webhooks, for inspection. A reload changes it. If a reload removes this
	// setting, everything that was kept is removed. Default: nothing.
	RetainDelivered *policy.Retain `json:"retain_delivered,omitempty"`

	// Limits for all endpoints together. Only verified webhooks count. Default: no limit.
	RateLimit policy.RateLimit `json:"rate_limit,omitzero"`

	// What happens to webhooks while the Redis that counts rate limits cannot be reached: "allow" lets
	// them through, "deny" answers 503, "local" has this process count by itself. Default: allow.
	RateLimitOnError string `json:"rate_limit_on_error,omitempty"`

	// The name of this Caddy among those that share a store, for Redis's list of
	// clients. Default: the host's name.
	Node string `json:"node,omitempty"`

	ctx       caddy.Context
	logger    *zap.Logger
	opener    retrystore.Opener
	emitter   *telemetry.Events
	endpoints map[string]*Handler // by name; complete once every app is provisioned
	servers   map[endpointOnServer]*Handler

	started    chan struct{} // closed by Start
	store      retrystore.Store
	storeKey   string
	use        *storebook.Use
	limits     limiter.Backend
	dispatcher *forward.Dispatcher
	waits      intake.Waits
	serving    intake.Serving
	stopOnce   sync.Once

	hasServer   bool          // one server has said that it has shut down
	httpStopped chan struct{} // closed when the servers accept no more requests
	httpOnce    sync.Once
}

// endpointOnServer tells two endpoints of one name from one endpoint that Caddy serves on several servers
// (HTTP and HTTPS): each server has a copy of the site's handlers.
type endpointOnServer struct {
	name   string
	server *caddyhttp.Server
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "webhooks",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision loads the store's settings; it opens nothing.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	a.logger = ctx.Logger()
	a.started = make(chan struct{})
	a.httpStopped = make(chan struct{})
	a.endpoints = make(map[string]*Handler)
	a.servers = make(map[endpointOnServer]*Handler)
	if err := a.RateLimit.Check(); err != nil {
		return fmt.Errorf("rate_limit global: %w", err)
	}
	if err := policy.CheckOnError(a.RateLimitOnError); err != nil {
		return err
	}
	if a.Node == "" {
		a.Node, _ = os.Hostname() // for people only; without a name they see none
	}
	if err := errors.Join(a.setBounds(), a.RetainDelivered.Validate()); err != nil {
		return err
	}
	if a.StoreRaw == nil {
		a.StoreRaw = json.RawMessage(`{"backend":"file"}`)
	}
	store, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("loading the store: %w", grammar.AtOrigin("store", err))
	}
	a.opener = store.(retrystore.Opener)
	a.setMaxStored()
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	emit := events.(*caddyevents.App).Emit
	a.emitter = telemetry.NewEvents(func(name string, data map[string]any) { emit(ctx, name, data) }, a.logger)
	return telemetry.Register(ctx.GetMetricsRegistry(), process.Bodies, a.metricsSource())
}

// register adds an endpoint; handlers call it while they are provisioned.
func (a *App) register(ctx caddy.Context, h *Handler) error {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	place := endpointOnServer{h.Name, server}
	if _, taken := a.servers[place]; taken {
		return errNameTaken
	}
	a.servers[place] = h
	if server != nil && !a.hasServer {
		a.hasServer = true
		server.RegisterOnStop(func(context.Context) error { a.endServing(); return nil })
	}
	if err := a.checkBodyMemory(h); err != nil {
		return err
	}
	first, ok := a.endpoints[h.Name]
	if !ok {
		a.endpoints[h.Name] = h
		return nil
	}
	if !bytes.Equal(first.settings, h.settings) {
		return errNameTaken
	}
	return nil
}

var errNameTaken = errors.New("another endpoint has this name: give one of them another with `name`")

// Start opens the store and starts delivering.
func (a *App) Start() error {
	store, key, err := process.AcquireStore(a.opener, a.storeOptions())
	if err != nil {
		return err
	}
	process.Bodies.Resize(a.bodyMemory())
	a.limits = process.Limits
	if sharer, ok := retrystore.As[limiter.Sharer](store); ok {
		a.limits = sharer.Limits()
	}
	if err := process.Retentions.Add(key, store, a, a.RetainDelivered.Retention()); err != nil {
		process.ReleaseStore(key, a.logger)
		return err
	}
	a.use = process.UseStore(a.ctx, a.opener, store, key, a.logger)
	store = telemetry.Timed(store)
	dispatcher, err := forward.New(store, a.destinations(), forward.Options{
		Logger: a.logger, Observer: telemetry.Observers{a.emitter, telemetry.Deliveries{}, &process.Attempts},
	})
	if err != nil {
		process.Retentions.Remove(key, a)
		a.use.Close(a.ctx, true)
		process.ReleaseStore(key, a.logger)
		return err
	}
	a.store, a.storeKey, a.dispatcher = store, key, dispatcher
	a.config().WarnOfOrphans(a.ctx, a.store, a.logger)
	a.warnOfUnreached()
	a.emitter.Start()
	dispatcher.Start()
	close(a.started)
	return nil
}

func (a *App) storeOptions() retrystore.Options {
	return retrystore.Options{Logger: a.logger, Node: a.Node}
}

func (a *App) destinations() []forward.Destination {
	var all []forward.Destination
	for _, name := range slices.Sorted(maps.Keys(a.endpoints)) {
		for _, f := range a.endpoints[name].Forward {
			all = append(all, f.destination())
		}
	}
	return all
}

// Stop ends delivering. Caddy stops its apps in no particular order, so webhooks may come in for some time
// after Stop (`shutdown_delay`, `grace_period`): the store stays open until the HTTP servers have shut
// down.
//
// On a reload, attempts in flight go on in the background, as Caddy's own HTTP requests do, and the new
// config delivers what still comes in. When Caddy exits, no other config would deliver it. So delivering
// goes on until the servers are down, too, and the last attempts are waited for.
func (a *App) Stop() error {
	if !caddy.Exiting() || !a.hasServer {
		a.stopDelivering()
	}
	return nil
}

// endServing is called when the config's HTTP servers have shut down; the first server to say so speaks
// for all. When Caddy exits, it waits for endServing while the modules that deliver still work.
func (a *App) endServing() {
	a.httpOnce.Do(func() { close(a.httpStopped) })
	if caddy.Exiting() {
		a.stopDelivering()
	}
}

// Cleanup ends an app whose config failed after its start, or whose servers never ran.
func (a *App) Cleanup() error {
	if a.httpStopped == nil {
		return nil // never provisioned
	}
	a.httpOnce.Do(func() { close(a.httpStopped) })
	a.stopDelivering()
	return nil
}

// stopDelivering has an effect once, if the app was started. When Caddy exits,
// it waits for attempts in flight for a while.
func (a *App) stopDelivering() {
	select {
	case <-a.started:
	default:
		return
	}
	a.stopOnce.Do(func() {
		process.Retentions.Remove(a.storeKey, a)
		process.Draining.Go(a.logger, "app: drain", a.drain)
		if caddy.Exiting() {
			process.Jobs.Stop()
			safe.Wait(process.Draining.Wait, exitGrace+time.Second)
		}
	})
}

// drain outlives the config's context, which is cancelled as soon as all apps have stopped.
func (a *App) drain() {
	grace := reloadGrace
	if caddy.Exiting() {
		grace = exitGrace
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), grace)
	defer cancel()
	a.dispatcher.Stop(ctx)
	a.use.Stop(ctx, ending())
	select {
	case <-a.httpStopped:
		a.serving.Wait(ctx) // on a reload the servers' last requests may still be running
	case <-ctx.Done():
	}
	a.use.Close(ctx, ending())
	process.ReleaseStore(a.storeKey, a.logger)
	a.emitter.Stop() // may wait for slow handlers
}

// ready waits until the app was started.
func (a *App) ready(ctx context.Context) error {
	select {
	case <-a.started:
		return nil
	default:
	}
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case <-a.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errNotStarted
	}
}

var errNotStarted = errors.New("the webhooks app has not started yet")

// accept stores the event, and delivers it, once the app has started; see
// forward.Dispatcher.Accept.
func (a *App) accept(ctx context.Context, s *retrystore.Submission, done intake.Done) (retrystore.Receipt, error) {
	if err := a.ready(ctx); err != nil {
		return retrystore.Receipt{}, err
	}
	s.MaxPending, s.MaxBytes = a.MaxPending, a.MaxStored
	return a.dispatcher.Accept(ctx, s, done)
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
