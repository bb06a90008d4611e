// Package telemetry tells operators what happens: metrics, traces and Caddy's events.
package telemetry

import (
	"errors"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// The counters belong to the process, so that they continue across reloads; every config registers them on
// a registry of its own. Stored things are not counted here but read at each scrape: see storeCollector.
var (
	receivedTotal = counter("webhook_received_total",
		"Webhooks that came in, verified or not.", "provider", "endpoint", "event_type")
	processedTotal = counter("webhook_processed_total",
		"Webhooks that were answered; status is the word of the answer, such as accepted, duplicate or invalid_signature.",
		"provider", "event_type", "status")
	processingTime = histogram("webhook_processing_duration_seconds",
		"From a webhook's arrival to its answer.", prometheus.ExponentialBuckets(.0001, 2.5, 14), "provider", "event_type")
	signatureFailures = counter("webhook_signature_failures_total",
		"Webhooks that could not be verified.", "provider", "reason")
	rateLimited = counter("webhook_rate_limited_total",
		"Webhooks refused by a rate limit.", "provider", "tier")
	limiterErrors = counter("webhook_rate_limiter_errors_total",
		"Webhooks for which the rate limits could not be checked.", "provider")
	duplicates = counter("webhook_duplicates_total",
		"Webhooks that had been stored before.", "provider")
	ignoredTotal = counter("webhook_ignored_total",
		"Verified webhooks that no destination wanted, by their type.", "endpoint", "event_type")
	secretUsed = counter("webhook_secret_used_total",
		"Verified webhooks by the secret that signed them; index counts from 0 in the order of the configuration.",
		"endpoint", "index")
	deliveryAttempts = counter("webhook_delivery_attempts_total",
		"Attempts to deliver: delivered, retry (it will be tried again), dead, or lease_lost.",
		"endpoint", "destination", "outcome")
	deadTotal = counter("webhook_dead_letters_total",
		"Deliveries that became dead letters; reason is max_attempts, max_age, type_unknown, or status_ and the status.",
		"endpoint", "destination", "reason")
	deliveryTime = histogram("webhook_delivery_duration_seconds",
		"How long attempts took.", prometheus.ExponentialBuckets(.001, 2.5, 12), "endpoint", "destination")
	timeToDelivery = histogram("webhook_time_to_delivery_seconds",
		"From a webhook's arrival to its successful delivery, all attempts included.",
		prometheus.ExponentialBuckets(.001, 4, 14), "endpoint", "destination")
	storeTimes = histogram("webhook_store_duration_seconds",
		"How long the store took.", prometheus.ExponentialBuckets(.00005, 2.5, 14), "op")
	storeErrors = counter("webhook_store_errors_total",
		"Operations of the store that failed; reason is full, unavailable, or other.", "op", "reason")
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Register puts everything on a config's registry. bodies is the memory of bodies on their way in.
func Register(registry *prometheus.Registry, bodies *inflight.Budget, source Source) error {
	collectors := []prometheus.Collector{
		receivedTotal, processedTotal, processingTime, signatureFailures, rateLimited, limiterErrors, duplicates, ignoredTotal, secretUsed,
		deliveryAttempts, deadTotal, deliveryTime, timeToDelivery, storeTimes, storeErrors,
	}
	for _, c := range append(append(collectors, memoryCollectors(bodies)...), &storeCollector{source}) {
		err := registry.Register(c)
		if _, again := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !again {
			return err
		}
	}
	return nil
}

// memoryCollectors tell what is held of the memory for bodies.
func memoryCollectors(bodies *inflight.Budget) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "webhook_body_memory_bytes",
			Help: "Memory that webhooks on their way in hold: their bodies, and 8 KiB each.",
		}, func() float64 { return float64(bodies.Usage().Used) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "webhook_body_memory_limit_bytes",
			Help: "The bound of webhook_body_memory_bytes.",
		}, func() float64 { return float64(bodies.Usage().Limit) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "webhook_body_memory_refused_total",
			Help: "Webhooks that were refused, unverified, because others hold that memory.",
		}, func() float64 { return float64(bodies.Usage().Refused) }),
	}
}

// Webhooks is an intake.Reporter that counts webhooks which were answered.
type Webhooks struct{}

// Report implements intake.Reporter.
func (Webhooks) Report(r *intake.Report) {
	eventType := eventTypes.label(r.Endpoint, r.EventType)
	receivedTotal.WithLabelValues(r.Provider, r.Endpoint, eventType).Inc()
	processedTotal.WithLabelValues(r.Provider, eventType, r.Outcome).Inc()
	processingTime.WithLabelValues(r.Provider, eventType).Observe(r.Duration.Seconds())
	if r.LimitErrors > 0 {
		limiterErrors.WithLabelValues(r.Provider).Add(float64(r.LimitErrors))
	}
	if r.Verified {
		secretUsed.WithLabelValues(r.Endpoint, strconv.Itoa(r.SecretIndex)).Inc()
	}
	switch {
	case r.Tier != "":
		rateLimited.WithLabelValues(r.Provider, r.Tier).Inc()
	case r.Outcome == intake.OutcomeDuplicate:
		duplicates.WithLabelValues(r.Provider).Inc()
	case r.Outcome == intake.OutcomeIgnored:
		ignoredTotal.WithLabelValues(r.Endpoint, eventType).Inc()
	default:
		if failure, ok := errors.AsType[*verify.Error](r.Cause); ok {
			signatureFailures.WithLabelValues(r.Provider, failure.Detail).Inc()
		}
	}
}

// maxEventTypes bounds the event types that an endpoint gets labels for.
const maxEventTypes = 100

// eventTypes remembers, for the life of the process, which event types have a label.
var eventTypes = typeLabels{seen: make(map[string]map[string]struct{})}

// typeLabels keeps the number of labels in bounds. It is safe for concurrent use.
type typeLabels struct {
	mu   sync.RWMutex
	seen map[string]map[string]struct{} // by endpoint
}

// label returns the type itself, or "other" once the endpoint has its maximum of types. An event without a
// type, or an unverified one, has no label.
func (l *typeLabels) label(endpoint, eventType string) string {
	if eventType == "" {
		return ""
	}
	l.mu.RLock()
	_, known := l.seen[endpoint][eventType]
	full := len(l.seen[endpoint]) >= maxEventTypes
	l.mu.RUnlock()
	switch {
	case known:
		return eventType
	case full:
		return "other"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	types := l.seen[endpoint]
	if types == nil {
		types = make(map[string]struct{})
		l.seen[endpoint] = types
	}
	if _, known := types[eventType]; !known && len(types) >= maxEventTypes {
		return "other"
	}
	types[eventType] = struct{}{}
	return eventType
}

// Deliveries is a forward.Observer that counts attempts and dead letters.
type Deliveries struct{}

// Attempted implements forward.Observer.
func (Deliveries) Attempted(d *retrystore.Delivery, s retrystore.Settlement) {
	deliveryAttempts.WithLabelValues(d.Endpoint, d.Destination, forward.OutcomeName(s.State)).Inc()
	deliveryTime.WithLabelValues(d.Endpoint, d.Destination).Observe(s.Attempt.Duration.Seconds())
	if s.State == retrystore.Delivered {
		age := s.Attempt.At.Add(s.Attempt.Duration).Sub(d.Event.ReceivedAt)
		timeToDelivery.WithLabelValues(d.Endpoint, d.Destination).Observe(age.Seconds())
	}
}

// Settled implements forward.Observer.
func (Deliveries) Settled(d *retrystore.Delivery, s retrystore.Settlement) {
	if s.State == retrystore.Dead {
		deadTotal.WithLabelValues(d.Endpoint, d.Destination, s.Reason).Inc()
	}
}

// LeaseLost implements forward.Observer.
func (Deliveries) LeaseLost(d *retrystore.Delivery) {
	deliveryAttempts.WithLabelValues(d.Endpoint, d.Destination, "lease_lost").Inc()
}

// BreakerChanged implements forward.Observer: its state is read at scrape time.
func (Deliveries) BreakerChanged(retrystore.Lane, forward.BreakerState, forward.BreakerState) {}
