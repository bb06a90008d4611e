package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// providers are those of the quickstart config, in its order.
var providers = []string{"stripe", "github", "slack", "shopify", "twilio", "svix", "standard-webhooks", custom}

// custom is the provider whose scheme the quickstart config describes.
const custom = "custom"

// lookUp finds the provider's row, or makes that of the config's `verify` block.
func lookUp(name string) (*verify.Provider, error) {
	if name == custom {
		header := func(name string) verify.Source { return verify.Source{From: verify.FromHeader, Name: name} }
		return verify.Custom(verify.Scheme{
			Algorithm: "hmac-sha256",
			Signature: header("X-Signature"),
			Format:    "sha256={hex}",
			Content:   "{timestamp}.{body}",
			Timestamp: verify.Timestamp{Source: header("X-Timestamp")},
			ID:        header("X-Event-Id"),
			Type:      header("X-Event-Type"),
		})
	}
	row, ok := verify.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("no provider %s", name)
	}
	return row, nil
}

// secrets are the quickstart config's own.
var secrets = map[string]string{
	"stripe":            "whsec_demo",
	"github":            "github-demo",
	"slack":             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"shopify":           "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	"twilio":            "cccccccccccccccccccccccccccccccc",
	"svix":              "whsec_ZGVtby1zZWNyZXQtb2YtMjQtYnl0ZXM=",
	"standard-webhooks": "whsec_c3RhbmRhcmQtc2VjcmV0LTI0LWJ5dGU=",
	custom:              "custom-demo",
}

// webhook is one signed webhook; posting it twice sends the same event twice.
type webhook struct {
	provider, eventID, url string
	row                    *verify.Provider
	header                 http.Header
	body                   []byte
}

func newWebhook(provider, address string) (*webhook, error) {
	return newWebhookAt(provider, address, time.Now())
}

// newWebhookAt signs an event as if it were sent at that time.
func newWebhookAt(provider, address string, at time.Time) (*webhook, error) {
	row, err := lookUp(provider)
	if err != nil {
		return nil, err
	}
	verifier, err := row.NewVerifier(verify.Options{Secrets: []string{secrets[provider]}})
	if err != nil {
		return nil, err
	}
	target := &url.URL{Scheme: "http", Host: address, Path: "/" + provider}
	r := sample.New(row, target, sample.Webhook{EventID: "demo_" + rand.Text(), EventType: "demo"})
	if err := verifier.Sign(r, at); err != nil {
		return nil, err
	}
	id, _ := verifier.Identify(r)
	return &webhook{provider: provider, eventID: id, url: r.URL(), row: row, header: r.Header, body: r.Body}, nil
}

// acceptedAs is how the endpoint acknowledges: in the provider's own form where it wants one.
func (w *webhook) acceptedAs() (code int, word string) {
	if w.row.Accepted.Status != 0 {
		return w.row.Accepted.Status, "accepted"
	}
	return w.row.Success.Status(), "accepted"
}

// post sends the webhook and returns the answer's status and its word.
func (w *webhook) post() (code int, word string, err error) {
	r, err := http.NewRequest(http.MethodPost, w.url, bytes.NewReader(w.body))
	if err != nil {
		return 0, "", err
	}
	r.Header = w.header.Clone()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	return response.StatusCode, response.Header.Get("Webhook-Status"), nil
}
