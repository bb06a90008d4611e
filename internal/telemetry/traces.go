package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// The way of a webhook is traced if Caddy's `tracing` is on for its site: with one span for its
// acceptance, below Caddy's own span, and one for each attempt, in a trace of its own that is linked to
// the first. Names and attributes are those of OpenTelemetry's conventions for messaging.

const tracerName = "github.com/caddywebhooks/caddy-webhooks"

// traceContext is how a span's identity is kept with an event and passed on to
// the application (W3C Trace Context).
var traceContext propagation.TraceContext

// Tracer traces the webhooks of one endpoint of one config. The zero Tracer is ready; it is safe for
// concurrent use.
type Tracer struct {
	// provider is where Caddy's spans go, as seen on the latest traced request of the endpoint: Caddy does
	// not hand it out, and attempts are made outside of requests. nil: no request was traced, so attempts
	// carry the provider's own trace context.
	provider atomic.Pointer[trace.TracerProvider]
}

// Begin begins the span of a webhook's acceptance, which ends when the webhook is answered. endpoint and
// provider are names for its attributes.
func (t *Tracer) Begin(in *intake.Inbound, endpoint, providerName string) {
	r := in.Request()
	parent := trace.SpanFromContext(r.Context())
	if !parent.IsRecording() {
		return
	}
	provider := parent.TracerProvider()
	t.provider.Store(&provider)
	ctx, span := provider.Tracer(tracerName).Start(r.Context(), "publish "+endpoint,
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			attribute.String("messaging.system", "caddy_webhooks"),
			attribute.String("messaging.operation.name", "publish"),
			attribute.String("messaging.operation.type", "send"),
			attribute.String("messaging.destination.name", endpoint),
			attribute.String("webhook.provider", providerName),
			attribute.String("webhook.correlation_id", in.CorrelationID()),
		))
	in.Continue(r.WithContext(ctx))
	added := make(http.Header)
	traceContext.Inject(ctx, propagation.HeaderCarrier(added))
	in.Add(added)
	in.Then(func(r *intake.Report) {
		span.SetAttributes(
			attribute.String("messaging.message.id", r.EventID),
			attribute.Int("messaging.message.body.size", r.BodySize),
			attribute.String("webhook.event_type", r.EventType),
			attribute.String("webhook.status", r.Outcome),
		)
		if !r.OK || r.Reason != "" {
			errorType := r.Outcome
			if r.OK {
				errorType = r.Reason // what was accepted broke off
			}
			span.SetAttributes(attribute.String("error.type", errorType))
			span.SetStatus(codes.Error, r.Reason)
		}
		span.End()
	})
}

// Attempt begins the span of an attempt, and has the application's spans
// continue it. A webhook that came in without a trace gets none.
func (t *Tracer) Attempt(ctx context.Context, d *retrystore.Delivery, header http.Header) (_ context.Context, end func(forward.Answer, error)) {
	provider := t.provider.Load()
	if provider == nil {
		return ctx, func(forward.Answer, error) {}
	}
	published := trace.SpanContextFromContext(traceContext.Extract(context.Background(), propagation.HeaderCarrier(d.Event.Header)))
	if !published.IsSampled() {
		return ctx, func(forward.Answer, error) {}
	}
	ctx, span := (*provider).Tracer(tracerName).Start(ctx, "process "+d.Endpoint,
		trace.WithNewRoot(),
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(trace.Link{SpanContext: published}),
		trace.WithAttributes(
			attribute.String("messaging.system", "caddy_webhooks"),
			attribute.String("messaging.operation.name", "process"),
			attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", d.Endpoint),
			attribute.String("messaging.destination.subscription.name", d.Destination),
			attribute.String("messaging.message.id", d.Event.EventID),
			attribute.Int("messaging.message.body.size", len(d.Event.Body)),
			attribute.String("webhook.provider", d.Event.Provider),
			attribute.String("webhook.event_type", d.Event.EventType),
			attribute.String("webhook.delivery_id", d.ID),
			attribute.String("webhook.correlation_id", d.Event.CorrelationID),
			attribute.Int("webhook.attempt", d.Attempts+1),
		))
	traceContext.Inject(ctx, propagation.HeaderCarrier(header))
	return ctx, func(a forward.Answer, err error) {
		if a.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", a.Status))
		}
		switch {
		case err != nil:
			span.SetAttributes(attribute.String("error.type", "no_answer"))
			span.SetStatus(codes.Error, forward.ErrorText(err))
		case a.Taken: // by a destination without statuses
		case a.Refused != "":
			span.SetAttributes(attribute.String("error.type", a.Refused))
			span.SetStatus(codes.Error, "")
		case a.Status == 0: // the handler ended its goroutine
			span.SetAttributes(attribute.String("error.type", "no_answer"))
			span.SetStatus(codes.Error, "")
		case a.Status < 200 || a.Status > 299:
			span.SetAttributes(attribute.String("error.type", strconv.Itoa(a.Status)))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
