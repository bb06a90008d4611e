package caddywebhooks

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// The Caddy events of this module, for handlers of the `events` app.
const (
	// eventDead is emitted for each delivery that became a dead letter.
	eventDead = "webhook_dead"
	// eventBreakerOpened and eventBreakerClosed tell of a destination that is
	// given a rest, and of its end.
	eventBreakerOpened = "webhook_breaker_opened"
	eventBreakerClosed = "webhook_breaker_closed"
)

// eventQueue bounds the events that wait for slow handlers. More are dropped,
// and counted in the log: events inform, the store remembers.
const eventQueue = 1024

// emitter is a forward.Observer that emits Caddy events. Handlers may be slow,
// so workers only put events into its queue, and one goroutine empties it.
type emitter struct {
	ctx    caddy.Context
	events *caddyevents.App
	logger *zap.Logger

	queue chan caddyEvent
	done  safe.Group
}

type caddyEvent struct {
	name string
	data map[string]any
}

func newEmitter(ctx caddy.Context, logger *zap.Logger) (*emitter, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, err
	}
	return &emitter{ctx: ctx, events: app.(*caddyevents.App), logger: logger, queue: make(chan caddyEvent, eventQueue)}, nil
}

func (e *emitter) start() {
	const place = "app: event handlers"
	e.done.Go(e.logger, place, func() {
		for event := range e.queue {
			_ = safe.Do(e.logger, place, func() { e.events.Emit(e.ctx, event.name, event.data) })
		}
	})
}

// stop ends the emitter after what is queued; nobody may observe any more.
func (e *emitter) stop() {
	close(e.queue)
	e.done.Wait()
}

func (e *emitter) emit(name string, data map[string]any) {
	select {
	case e.queue <- caddyEvent{name, data}:
	default:
		e.logger.Warn("too many events wait for their handlers; one is dropped", zap.String("event", name))
	}
}

// Attempted implements forward.Observer.
func (e *emitter) Attempted(*retrystore.Delivery, retrystore.Settlement) {}

// LeaseLost implements forward.Observer.
func (e *emitter) LeaseLost(*retrystore.Delivery) {}

// Settled implements forward.Observer.
func (e *emitter) Settled(d *retrystore.Delivery, s retrystore.Settlement) {
	if s.State != retrystore.Dead {
		return
	}
	attempts := d.Attempts
	if d.State != retrystore.Dead { // else it was dead from the start
		attempts++
	}
	e.emit(eventDead, map[string]any{
		"delivery_id": d.ID,
		"endpoint":    d.Endpoint,
		"destination": d.Destination,
		"event_id":    d.Event.EventID,
		"event_type":  d.Event.EventType,
		"attempts":    attempts,
		"reason":      s.Reason,
		"last_status": s.Attempt.Status,
		"last_error":  s.Attempt.Error,
	})
}

// BreakerChanged implements forward.Observer.
func (e *emitter) BreakerChanged(l retrystore.Lane, from, to forward.BreakerState) {
	data := map[string]any{"endpoint": l.Endpoint, "destination": l.Destination}
	switch to.State {
	case forward.BreakerOpen:
		data["failures"], data["until"] = from.Failures, to.Until.UTC().Format(time.RFC3339)
		e.emit(eventBreakerOpened, data)
	case forward.BreakerClosed:
		e.emit(eventBreakerClosed, data)
	}
}

// observers tells several observers the same.
type observers []forward.Observer

// Attempted implements forward.Observer.
func (all observers) Attempted(d *retrystore.Delivery, s retrystore.Settlement) {
	for _, o := range all {
		o.Attempted(d, s)
	}
}

// Settled implements forward.Observer.
func (all observers) Settled(d *retrystore.Delivery, s retrystore.Settlement) {
	for _, o := range all {
		o.Settled(d, s)
	}
}

// LeaseLost implements forward.Observer.
func (all observers) LeaseLost(d *retrystore.Delivery) {
	for _, o := range all {
		o.LeaseLost(d)
	}
}

// BreakerChanged implements forward.Observer.
func (all observers) BreakerChanged(l retrystore.Lane, from, to forward.BreakerState) {
	for _, o := range all {
		o.BreakerChanged(l, from, to)
	}
}

// Interface guards
var (
	_ forward.Observer = (*emitter)(nil)
	_ forward.Observer = deliveryCounter{}
	_ forward.Observer = observers(nil)
)
