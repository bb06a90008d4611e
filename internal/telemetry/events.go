package telemetry

import (
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// The Caddy events of this module, for handlers of the `events` app.
const (
	// eventDead is emitted for each delivery that became a dead letter.
	eventDead = "webhook_dead"
	// eventBreakerOpened says that a failing destination gets no deliveries, and eventBreakerClosed that
	// it gets them again.
	eventBreakerOpened = "webhook_breaker_opened"
	eventBreakerClosed = "webhook_breaker_closed"
)

// eventQueue bounds the events that wait for slow handlers. Further events are dropped, and the log says
// how many: events inform, the store remembers.
const eventQueue = 1024

// Events is a forward.Observer that emits Caddy events. Handlers may be slow,
// so workers only put events into its queue, and one goroutine empties it.
type Events struct {
	emitNow func(name string, data map[string]any)
	logger  *zap.Logger

	queue chan caddyEvent
	done  safe.Group
}

type caddyEvent struct {
	name string
	data map[string]any
}

// NewEvents calls emit for each event, one at a time.
func NewEvents(emit func(name string, data map[string]any), logger *zap.Logger) *Events {
	return &Events{emitNow: emit, logger: logger, queue: make(chan caddyEvent, eventQueue)}
}

// Start begins to emit.
func (e *Events) Start() {
	const place = "app: event handlers"
	e.done.Go(e.logger, place, func() {
		for event := range e.queue {
			_ = safe.Do(e.logger, place, func() { e.emitNow(event.name, event.data) })
		}
	})
}

// Stop ends it after the queued events. Nothing may be observed after Stop.
func (e *Events) Stop() {
	close(e.queue)
	e.done.Wait()
}

func (e *Events) emit(name string, data map[string]any) {
	select {
	case e.queue <- caddyEvent{name, data}:
	default:
		e.logger.Warn("too many events wait for their handlers; one is dropped", zap.String("event", name))
	}
}

// Attempted implements forward.Observer.
func (e *Events) Attempted(*retrystore.Delivery, retrystore.Settlement) {}

// LeaseLost implements forward.Observer.
func (e *Events) LeaseLost(*retrystore.Delivery) {}

// Settled implements forward.Observer.
func (e *Events) Settled(d *retrystore.Delivery, s retrystore.Settlement) {
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
func (e *Events) BreakerChanged(l retrystore.Lane, from, to forward.BreakerState) {
	data := map[string]any{"endpoint": l.Endpoint, "destination": l.Destination}
	switch to.State {
	case forward.BreakerOpen:
		data["failures"], data["until"] = from.Failures, to.Until.UTC().Format(time.RFC3339)
		e.emit(eventBreakerOpened, data)
	case forward.BreakerClosed:
		e.emit(eventBreakerClosed, data)
	}
}

// Observers passes everything on to several observers.
type Observers []forward.Observer

// Attempted implements forward.Observer.
func (all Observers) Attempted(d *retrystore.Delivery, s retrystore.Settlement) {
	for _, o := range all {
		o.Attempted(d, s)
	}
}

// Settled implements forward.Observer.
func (all Observers) Settled(d *retrystore.Delivery, s retrystore.Settlement) {
	for _, o := range all {
		o.Settled(d, s)
	}
}

// LeaseLost implements forward.Observer.
func (all Observers) LeaseLost(d *retrystore.Delivery) {
	for _, o := range all {
		o.LeaseLost(d)
	}
}

// BreakerChanged implements forward.Observer.
func (all Observers) BreakerChanged(l retrystore.Lane, from, to forward.BreakerState) {
	for _, o := range all {
		o.BreakerChanged(l, from, to)
	}
}

// Interface guards
var (
	_ forward.Observer = (*Events)(nil)
	_ forward.Observer = Deliveries{}
	_ forward.Observer = Observers(nil)
)
