package telemetry

import (
	"net/http/httptest"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
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
