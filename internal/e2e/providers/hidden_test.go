package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/deliver"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/telemetry"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// event is the bearer's webhook as the store has it, of an endpoint of that name.
func (b bearer) event(t *testing.T, endpoint string) *retrystore.Event {
	t.Helper()
	r := b.webhook.RequestTo(t, "http://hooks.example.com", endpoint)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.provider.NewVerifier(verify.Options{Secrets: b.webhook.Secrets, PublicKeys: b.webhook.PublicKeys, Settings: b.webhook.Settings})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return &retrystore.Event{
		Provider: b.provider.Name, Endpoint: endpoint, EventID: endpoint, Method: http.MethodPost, Proto: "HTTP/1.1", Scheme: "http", Host: r.Host,
		URI: r.URL.RequestURI(), Header: r.Header, Body: body, Secrets: redact.Marks(v.SecretPlaces()),
	}
}

// quotes are the ways in which an error may quote a webhook.
func quotes(e *retrystore.Event) []string {
	decoded, _ := url.PathUnescape(e.URI)
	form, _ := url.QueryUnescape(string(e.Body))
	all := []string{e.URI, decoded, string(e.Body), form}
	for _, values := range e.Header {
		all = append(all, values...)
	}
	return all
}

// TestErrorsHideWhatCameWithTheEvent has handlers fail in every way, with a text that quotes
// the webhook, at every row and scheme that sends its secret as it is. The config
// knows none of the secrets: they were replaced since the event came in.
func TestErrorsHideWhatCameWithTheEvent(t *testing.T) {
	cause := errors.New("a cause")
	leaked := 0
	for name, b := range bearers(t) {
		e := b.event(t, name)
		d := &retrystore.Delivery{ID: "1", Lane: retrystore.Lane{Endpoint: name, Destination: "app"}, Event: e}
		for _, quote := range quotes(e) {
			if b.readIn(quote) == "" {
				continue
			}
			leaked++
			text := "cannot take " + quote
			for how, fail := range map[string]func() error{
				"an error":       func() error { return fmt.Errorf("%s: %w", text, cause) },
				"an URL's error": func() error { return &url.Error{Op: "Get", URL: quote, Err: fmt.Errorf("%s: %w", text, cause)} },
				"a status":       func() error { return caddyhttp.Error(410, fmt.Errorf("%s: %w", text, cause)) },
				"a panic":        func() error { panic(text) },
			} {
				s := failingSender(t, fail)
				got, panicked, err := sendSafely(t.Context(), s, d)
				if panicked == nil && !errors.Is(errors.Join(err, got.Cause), cause) {
					t.Errorf("%s: %s: %v, %v do not tell their cause", name, how, err, got.Cause)
				}
				said := fmt.Sprint(forward.ErrorText(err), forward.ErrorText(got.Cause), panicked)
				if leak := b.readIn(said); leak != "" || !strings.Contains(said, redact.Masked) {
					t.Errorf("%s: %s shows %q: %s", name, how, leak, said)
				}
			}
		}
	}
	if leaked < 30 {
		t.Errorf("%d webhooks have a secret to quote: this test shows nothing", leaked)
	}
}

// failingSender delivers through a handler that fails.
func failingSender(t *testing.T, fail func() error) *deliver.Sender {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	route := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{failingHandler(fail)}}
	if err := route.ProvisionHandlers(ctx, nil); err != nil {
		t.Fatal(err)
	}
	return deliver.New(deliver.Options{Routes: caddyhttp.RouteList{route}, Server: &caddyhttp.Server{}, Tracer: new(telemetry.Tracer)})
}

type failingHandler func() error

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (f failingHandler) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	return f()
}

// sendSafely is Send, and what it panics with.
func sendSafely(ctx context.Context, s *deliver.Sender, d *retrystore.Delivery) (a forward.Answer, panicked any, err error) {
	defer func() { panicked = recover() }()
	a, err = s.Send(ctx, d)
	return a, nil, err
}

// TestStoredErrorsAreHidden reads, in the list and in show, errors and answers that an older version
// stored with secrets in them. No endpoint of the config knows the secrets.
func TestStoredErrorsAreHidden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deliveries.db")
	store, err := filestore.Open(path, filestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, leaked := bearers(t), 0
	for name, b := range all {
		e := b.event(t, name)
		for _, quote := range quotes(e) {
			if b.readIn(quote) == "" || len(quote) > 400 {
				continue
			}
			leaked++
			storeFailed(t, store, e, quote)
		}
	}
	if leaked < 30 {
		t.Fatalf("%d errors have a secret: this test shows nothing", leaked)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	c := harness.New(t, path, "")
	harness.Begin(t, c, "respond 404")
	var list api.List
	c.AdminCall(http.MethodGet, "/webhooks/deliveries?limit=1000&state=dead", "", &list)
	if len(list.Deliveries) != leaked {
		t.Fatalf("%d deliveries are listed, want %d", len(list.Deliveries), leaked)
	}
	for _, listed := range list.Deliveries {
		b := all[listed.Endpoint]
		if leak := b.readIn(listed.LastError); leak != "" || !strings.HasPrefix(listed.LastError, "cannot take ") {
			t.Errorf("the list of %s has %q in %q", listed.Endpoint, leak, listed.LastError)
		}
		var detail api.Detail
		c.AdminCall(http.MethodGet, "/webhooks/deliveries/"+listed.ID, "", &detail)
		h := detail.History
		if len(h) != 1 || !strings.Contains(detail.LastError, redact.Masked) || !strings.Contains(h[0].Error, redact.Masked) || !strings.Contains(h[0].Answer, redact.Masked) {
			t.Errorf("show of %s: %q, %+v; want all masked", listed.Endpoint, detail.LastError, h)
		}
		if leak := b.readIn(fmt.Sprint(detail.LastError, h)); leak != "" {
			t.Errorf("show of %s has %q in %q, %+v", listed.Endpoint, leak, detail.LastError, h)
		}
	}
}

// storeFailed stores a dead delivery of the event, of which the error quotes something,
// and so does the answer, which was cut off.
func storeFailed(t *testing.T, store *filestore.Store, e *retrystore.Event, quote string) {
	t.Helper()
	if _, err := store.Accept(t.Context(), &retrystore.Submission{Event: e, Targets: []retrystore.Target{{Destination: "app"}}}); err != nil {
		t.Fatal(err)
	}
	claim, err := store.Claim(t.Context(), retrystore.ClaimRequest{Lane: retrystore.Lane{Endpoint: e.Endpoint, Destination: "app"}, Max: 1, MaxRetries: 1, Lease: 1e9})
	if err != nil || len(claim.Deliveries) != 1 {
		t.Fatalf("claimed %+v, %v", claim, err)
	}
	err = store.Settle(t.Context(), claim.Deliveries[0], retrystore.Settlement{State: retrystore.Dead, Reason: "status_410", Attempt: retrystore.Attempt{
		Status: 410, Error: "cannot take " + quote, Answer: []byte("nor " + quote + " or " + strings.ToValidUTF8(quote[:len(quote)-1], "")),
	}})
	if err != nil {
		t.Fatal(err)
	}
}
