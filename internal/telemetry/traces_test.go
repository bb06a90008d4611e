package telemetry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestSignedRequestStays: a span's context goes with the event, and not into the request that is about
// to be verified.
func TestSignedRequestStays(t *testing.T) {
	provider, ok := verify.Lookup("github")
	if !ok {
		t.Fatal("no such provider")
	}
	verifier, err := provider.NewVerifier(verify.Options{Secrets: []string{"0123456789abcdef"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	endpoint := intake.New(intake.Config{Name: "github", Row: provider, Verifier: verify.NewCurrent(verifier), Now: time.Now})
	spans := sdktrace.NewTracerProvider()
	ctx, site := spans.Tracer("site").Start(t.Context(), "site")
	defer site.End()
	r := httptest.NewRequest("POST", "/", nil).WithContext(ctx)
	r.Header.Set("Traceparent", "as it was signed")

	in := endpoint.Begin(intake.Arrival{Request: r, URI: "/", Path: "/"})
	defer in.End()
	new(Tracer).Begin(in, "github", "github")
	if got := r.Header["Traceparent"]; len(got) != 1 || got[0] != "as it was signed" {
		t.Errorf("the request has Traceparent %q", got)
	}
	if got := in.Request().Header["Traceparent"]; len(got) != 1 || got[0] != "as it was signed" {
		t.Errorf("the request that goes on has Traceparent %q", got)
	}
}

// TestAttemptSpan: the span of an attempt is an error if the destination did not take the delivery, also
// where the destination has no statuses.
func TestAttemptSpan(t *testing.T) {
	for name, test := range map[string]struct {
		answer    forward.Answer
		err       error
		errorType string // empty: the span is no error
	}{
		"200":       {answer: forward.Answer{Status: 200}},
		"503":       {answer: forward.Answer{Status: 503}, errorType: "503"},
		"taken":     {answer: forward.Answer{Taken: true}},
		"refused":   {answer: forward.Answer{Refused: "too_large"}, errorType: "too_large"},
		"nothing":   {errorType: "no_answer"},
		"an error":  {err: errors.New("refused"), errorType: "no_answer"},
		"broke off": {answer: forward.Answer{Taken: true}, err: errors.New("closed"), errorType: "no_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			ended := tracetest.NewSpanRecorder()
			var provider trace.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended))
			var tracer Tracer
			tracer.provider.Store(&provider)
			published, site := provider.Tracer("site").Start(t.Context(), "site")
			header := make(http.Header)
			traceContext.Inject(published, propagation.HeaderCarrier(header))
			site.End()

			d := &retrystore.Delivery{Event: &retrystore.Event{Header: header}}
			_, end := tracer.Attempt(t.Context(), d, make(http.Header))
			end(test.answer, test.err)
			spans := ended.Ended()
			if len(spans) != 2 {
				t.Fatalf("%d spans have ended, want the site's and the attempt's", len(spans))
			}
			span, errorType := spans[1], ""
			for _, a := range span.Attributes() {
				if a.Key == "error.type" {
					errorType = a.Value.AsString()
				}
			}
			if errorType != test.errorType || (span.Status().Code == codes.Error) != (test.errorType != "") {
				t.Errorf("error.type is %q, want %q; status %v", errorType, test.errorType, span.Status())
			}
		})
	}
}
