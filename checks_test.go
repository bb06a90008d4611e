package caddywebhooks

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestTypeDoubtsAreLogged at load.
func TestTypeDoubtsAreLogged(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	p, _ := verify.Lookup("stripe")
	h := &Handler{Name: "shop", provider: p, logger: zap.New(core),
		Forward: []*Forward{{Name: "a", Events: []string{"invoices.*"}, Priority: []policy.Priority{{Events: []string{"charge.payed"}}}}}}
	if err := h.warnOfTypes(); err != nil || len(h.doubts) != 2 || logs.Len() != 2 {
		t.Errorf("%v, %q, %d lines", err, h.doubts, logs.Len())
	}
}

// TestAppBeforeStart stops and cleans up an app that never started.
func TestAppBeforeStart(t *testing.T) {
	a := &App{started: make(chan struct{})}
	for range 2 {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if err := a.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

func TestPublicURLMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"example.com/hook":             "lacks scheme or host",
		"ftp://example.com":            "lacks scheme or host",
		"https://":                     "lacks scheme or host",
		"https://a:geheim@example.com": "has a user",
		"https://example.com/?a=1":     "has a query",
		"https://example.com/?":        "has a query",
		"https://example.com/#a":       "has a query or a fragment",
		"https://exa mple.com":         "is no URL",
	} {
		_, err := parsePublicURL(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "public_url: ") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
	t.Setenv("PUBLIC_URL_OF_TEST", "https://example.com")
	if u, err := parsePublicURL("{env.PUBLIC_URL_OF_TEST}"); err != nil || !u.HTTPS() {
		t.Errorf("from the environment: %+v, %v", u, err)
	}
}

// TestRateLimitJSON reads limits as a JSON config has them, which a Caddyfile did not check before.
func TestRateLimitJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                        "",
		`{"burst":5,"rate":"60/m"}`: "",
		`{"burst":5,"rate":"1/10s","algorithm":"sliding_window"}`: "",
		`{"burst":5}`:            "rate is missing",
		`{"rate":"5/s"}`:         "burst 0",
		`{"burst":5,"rate":"5"}`: "want a count per s, m or h",
		`{"burst":5,"rate":"5/s","algorithm":"leaky"}`: "unknown algorithm",
	} {
		var h Handler
		if err := json.Unmarshal([]byte(`{"rate_limit":{"ip":`+text+`}}`), &h); err != nil {
			t.Fatal(err)
		}
		err := h.checkLimits()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestAccessErrorsInJSON checks what only JSON can get past the Caddyfile.
func TestAccessErrorsInJSON(t *testing.T) {
	for _, test := range []struct {
		handler Handler
		want    string
	}{
		{Handler{Provider: "twilio", AllowIPs: []string{"provider"}}, "allow_ips provider: provider twilio publishes no addresses"},
		{Handler{Provider: "github", AllowIPs: []string{"10.0.0"}}, `allow_ips: "10.0.0" is neither`},
		{Handler{Provider: "github", BlockIPs: []string{"10.0.0"}}, `block_ips: "10.0.0" is neither`},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		test.handler.provider, _ = verify.Lookup(test.handler.Provider)
		if _, err := test.handler.newAccess(ctx); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v: want one with %q", err, test.want)
		}
		cancel()
	}
}
