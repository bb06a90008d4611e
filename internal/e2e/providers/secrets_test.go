package providers

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/explain"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestSecretsAreNotSeen sends a webhook of every row and scheme that sends its secret as it is, and
// near misses, through a Caddy that logs access, in both modes. Nobody reads the secret: not in
// any log, not in metrics, not in what is stored, then and when the endpoints are renamed. The
// application gets it, and each request has its line.
func TestSecretsAreNotSeen(t *testing.T) {
	var now atomic.Int64
	process.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	t.Cleanup(func() { process.Clock = nil })
	app := harness.StartApplication(t)
	app.AnswerStatus(410)
	log := filepath.Join(t.TempDir(), "log")
	c := harness.StartLogging(t, log, "respond 404")
	all := bearers(t)
	if len(all) < 30 {
		t.Fatalf("%d endpoints, want 30 at least", len(all))
	}
	names := slices.Sorted(maps.Keys(all))
	load := func(prefix string) {
		var routes []any
		for _, name := range names {
			routes = append(routes, all[name].route(prefix+name, app, false), all[name].route("guard-"+prefix+name, app, true))
		}
		c.LoadServer(routes, map[string]any{"logs": map[string]any{}})
	}
	load("")
	sent := 0
	send := func(r *http.Request, want string) {
		t.Helper()
		sent++
		if got := c.Do(r); got.Header.Get("Webhook-Status") != want && want != "" {
			t.Errorf("%s is answered %d %s", r.Header.Get("X-Test-Endpoint"), got.Code, got.Body)
		}
	}
	for _, name := range names {
		b := all[name]
		now.Store(b.webhook.Now)
		for endpoint, want := range map[string]string{name: "accepted", "guard-" + name: ""} {
			r := b.webhook.RequestTo(t, c.Site, endpoint)
			r.Header.Set("X-Test-Genuine", endpoint)
			send(r, want)
			got := app.Next(t)
			for got.Header.Get("X-Test-Genuine") != endpoint {
				got = app.Next(t) // of those before, which some rows take: the secret is where it should be, too
			}
			checkAsSent(t, endpoint, got, r, b)
			for _, r := range b.nearMisses(t, c.Site, endpoint) {
				send(r, "")
			}
		}
	}
	var shown string
	show := func(state string) {
		var list api.List
		harness.Eventually(t, "all are dead", func() bool {
			c.AdminCall(http.MethodGet, "/webhooks/deliveries?limit=1000&state=dead", "", &list)
			return len(list.Deliveries) >= len(names)
		})
		for _, d := range list.Deliveries {
			text := c.Do(c.Request(http.MethodGet, c.Admin+"/webhooks/deliveries/"+d.ID, "")).Body
			if state == "renamed" && strings.Contains(text, "lsewhere") {
				continue // by now nobody knows what the secret was, and it was where none should be
			}
			if leak := all[d.Endpoint].readIn(text); leak != "" {
				t.Errorf("show of %s, %s, has %q: %s", d.Endpoint, state, leak, text)
			}
			shown += text
		}
		shown += c.Do(c.Request(http.MethodGet, c.Admin+"/webhooks/deliveries?limit=1000", "")).Body
	}
	show("configured")
	load("renamed-")
	show("renamed")
	if !strings.Contains(shown, redact.Masked) {
		t.Error("nothing is masked: this test shows nothing")
	}
	lines := accessLines(c, log, sent)
	everything := shown + lines + c.Do(c.Request(http.MethodGet, c.Admin+"/metrics", "")).Body
	for name, b := range all {
		if leak := b.readIn(everything); leak != "" {
			at := strings.Index(everything, leak)
			t.Errorf("the secret of %s is there as %q: …%s…", name, leak, everything[max(0, at-300):min(len(everything), at+100)])
		}
	}
}

// readIn returns the secret that can be read in text, or "".
func (b bearer) readIn(text string) string {
	for _, secret := range b.secrets {
		if strings.Contains(text, secret) {
			return secret
		}
	}
	return ""
}

// checkAsSent compares what the application got with what the provider sent.
func checkAsSent(t *testing.T, endpoint string, got *harness.Received, sent *http.Request, b bearer) {
	t.Helper()
	body, err := sent.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(body)
	if got.Body != string(text) || got.URI != sent.URL.RequestURI() {
		t.Errorf("%s: the application got %s %q, sent was %s %q", endpoint, got.URI, got.Body, sent.URL.RequestURI(), text)
	}
	for name := range b.webhook.Headers {
		if name = http.CanonicalHeaderKey(name); name == "Idempotency-Key" || name == "Webhook-Id" || strings.Contains(name, "_") {
			continue // are ours; are dropped by Caddy
		}
		if !slices.Equal(got.Header[name], sent.Header[name]) {
			t.Errorf("%s: the application got %s %q, sent was %q", endpoint, name, got.Header[name], sent.Header[name])
		}
	}
}

// accessLines waits until every request has its line, and returns the whole log.
func accessLines(c *harness.Caddy, log string, sent int) (lines string) {
	c.T.Helper()
	harness.Eventually(c.T, fmt.Sprintf("%d lines in the access log", sent), func() bool {
		text, err := os.ReadFile(log)
		if err != nil {
			c.T.Fatal(err)
		}
		lines = string(text)
		return strings.Count(lines, `"msg":"handled request"`) == sent
	})
	return lines
}

// TestVerifyTellsNoSecret: `caddy webhooks verify` explains what is wrong with a webhook in words
// that can be pasted into a ticket.
func TestVerifyTellsNoSecret(t *testing.T) {
	for name, b := range bearers(t) {
		x := b.webhook
		for _, secrets := range [][]string{{x.Secrets[0] + " "}, {" " + x.Secrets[0]}, {"another:one-that-is-long"}, x.Secrets} {
			options := verify.Options{Secrets: secrets, PublicKeys: x.PublicKeys, Settings: x.Settings, Now: func() time.Time { return time.Unix(x.Now, 0) }}
			explanation, err := explain.Explain(b.provider, options, x.Signed(t))
			if err != nil {
				continue // it is refused as a setting
			}
			text, err := json.Marshal(explanation)
			if err != nil {
				t.Fatal(err)
			}
			if leak := b.readIn(string(text)); leak != "" {
				t.Errorf("%s: %q is in %s", name, leak, text)
			}
		}
	}
}
