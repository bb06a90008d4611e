package routes

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestPublicURL: proxies in front hide what Twilio called, and public_url says it.
func TestPublicURL(t *testing.T) {
	const token = "0123456789abcdef0123456789abcdef"
	app := harness.StartApplication(t)
	endpoint := func(path, name, public string) string {
		return fmt.Sprintf("webhooks %s twilio {\nname %s\nsecret %s\npublic_url %s\nforward %s\n}\n", path, name, token, public, app.Address)
	}
	c := harness.Start(t, endpoint("/host", "host", "https://example.com")+
		endpoint("/whole", "whole", "https://example.com/hooks/sms")+
		endpoint("/below/*", "below", "https://example.com:8443/base/*"), "")
	p, _ := verify.Lookup("twilio")
	v, err := p.NewVerifier(verify.Options{Secrets: []string{token}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ here, host, uri string }{
		{"/host?a=1", "example.com", "/host?a=1"},
		{"/whole?a=1", "example.com", "/hooks/sms?a=1"},
		{"/below/x%20y", "example.com:8443", "/base/below/x%20y"},
	} {
		for _, forwarded := range []map[string]string{
			{"X-Forwarded-Proto": "https,http"}, {"Forwarded": "proto=https;host=other.example"}, {"X-Forwarded-Ssl": "on"}, {},
		} {
			body := fmt.Sprintf("Body=%d", time.Now().UnixNano())
			r := c.Request(http.MethodPost, c.Site+test.here, body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for name, value := range forwarded {
				r.Header.Set(name, value)
			}
			signed := verify.Request{Method: r.Method, Scheme: "https", Host: test.host, URI: test.uri, Header: r.Header, Body: []byte(body)}
			if err := v.Sign(&signed, time.Now()); err != nil {
				t.Fatal(err)
			}
			harness.CheckAnswerWord(t, c.Do(r), http.StatusOK, "accepted")
			if delivered := app.Next(t); delivered.URI != test.here {
				t.Errorf("delivered to %s, want it as it came: %s", delivered.URI, test.here)
			}
		}
	}
}
