package deliveries

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func init() {
	for name, handler := range map[string]caddyhttp.MiddlewareHandler{
		"test_change": new(statusChanger), "test_flush": new(flusher),
	} {
		caddy.RegisterModule(handler.(caddy.Module))
		httpcaddyfile.RegisterHandlerDirective(name, func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
			return handler, nil
		})
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

// TestArrivesAsSent compares what the application gets with what the provider sent.
func TestArrivesAsSent(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	body := "{\"bytes\":\"\xff\xfe\x00 \u00e9\r\n\"}"
	r := c.GitHubRequest("/github?a=1&b=%2F&a=2", "as-sent", body)
	r.Host = "hooks.example.com"
	r.Header["X-Twice"] = []string{"one", "two"}
	r.Header.Set("Authorization", "Bearer app-token")
	r.Header.Set("Webhook-Attempt", "99")
	r.Header.Set("Idempotency-Key", "spoofed")
	r.Header.Set("Webhook-Event-Id", "spoofed")
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	got := app.Next(t)

	if got.Body != body {
		t.Errorf("body is %q: want %q", got.Body, body)
	}
	if got.Method != "POST" || got.URI != "/github?a=1&b=%2F&a=2" || got.Host != "hooks.example.com" {
		t.Errorf("arrived as %s %s at %s", got.Method, got.URI, got.Host)
	}
	for name, want := range map[string]string{
		"X-Twice":             "one two",
		"Authorization":       "Bearer app-token",
		"X-Hub-Signature-256": harness.GitHubSignature(body),
		"Webhook-Attempt":     "1",
		"Webhook-Event-Id":    "as-sent",
		"Webhook-Event-Type":  "push",
		"Webhook-Provider":    "github",
		"X-Forwarded-For":     "127.0.0.1",
		"X-Forwarded-Proto":   "http",
		"Idempotency-Key":     got.Header.Get("Webhook-Id"),
	} {
		if value := strings.Join(got.Header[http.CanonicalHeaderKey(name)], " "); value != want {
			t.Errorf("%s is %q: want %q", name, value, want)
		}
	}
	if len(got.Header.Get("Webhook-Id")) < 16 {
		t.Errorf("Webhook-Id is %q", got.Header.Get("Webhook-Id"))
	}
	if _, err := time.Parse(time.RFC3339Nano, got.Header.Get("Webhook-Received-At")); err != nil {
		t.Error(err)
	}
}

// TestDeliveredOnce lets the application answer in every way that means success,
// and checks that each event arrives exactly once.
func TestDeliveredOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"early hints first", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(200)
		}},
		{"answer breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("only this"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"endless answer", func(w http.ResponseWriter, r *http.Request) {
			chunk := bytes.Repeat([]byte("x"), 64<<10)
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := harness.StartApplication(t)
			app.AnswerWith(test.answer)
			c := harness.Start(t, harness.GitHubSite(app, ""), "")
			harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "once", "{}")), 202, "accepted")
			app.Next(t)
			harness.Eventually(t, "nothing is left in the store", func() bool {
				var stats api.Stats
				c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
				for _, lane := range stats.Destinations {
					if lane.Pending+lane.Leased+lane.Dead > 0 {
						return false
					}
				}
				return true
			})
			if len(app.Got) > 0 {
				t.Error("it arrived again")
			}
		})
	}
}

// TestRetried lets attempts fail in many ways: the event stays pending, says
// why, and arrives when the destination is well again.
func TestRetried(t *testing.T) {
	app := harness.StartApplication(t)
	nobody := harness.FreePort(t)
	for _, test := range []struct {
		name, forward string
		answer        http.HandlerFunc
		status        int
		err           string
	}{
		{"500", "forward " + app.Address + " {\nRETRY\n}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 500, ""},
		{"404", "forward " + app.Address + " {\nRETRY\n}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404, ""},
		{"redirect", "forward " + app.Address + " {\nRETRY\n}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, 302, ""},
		{"hangs up", "forward " + app.Address + " {\nRETRY\n}", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "EOF"},
		{"refused", "forward 127.0.0.1:" + nobody + " {\nRETRY\n}", nil, 0, "connection refused"},
		{"timeout", "forward " + app.Address + " {\ntimeout 50ms\nRETRY\n}", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "timeout"},
		{"no route", "forward {\nname x\nRETRY\nhandle {\nrespond /elsewhere 200\n}\n}", nil, 0, "no handler"},
		{"panic", "forward {\nname x\nRETRY\nhandle {\ntest_panic\n}\n}", nil, 0, "panic"},
		{"handler error", "forward {\nname x\nRETRY\nhandle {\nerror \"out of order\" 418\n}\n}", nil, 418, "out of order"},
	} {
		t.Run(test.name, func(t *testing.T) {
			app.AnswerWith(test.answer)
			forward := harness.Edited(test.forward, "RETRY", "retry {\ninitial 1h\n}")
			c := harness.Start(t, fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nrequire_https off\n%s\n}", harness.GitHubSecret, forward), "")
			harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "retried", "{}")), 202, "accepted")
			var d api.Delivery
			harness.Eventually(t, "one attempt failed", func() bool {
				d = c.Delivery("event_id=retried")
				return d.Attempts == 1 && d.State == "pending"
			})
			if d.LastStatus != test.status || !strings.Contains(d.LastError, test.err) {
				t.Errorf("last status %d, error %q: want %d, %q", d.LastStatus, d.LastError, test.status, test.err)
			}
		})
	}
}

// TestRetryArrives follows one event from a failure to its arrival.
func TestRetryArrives(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "again", "{}")), 202, "accepted")
	first := app.Next(t)
	app.AnswerStatus(200)
	second := app.Next(t)
	for second.Header.Get("Webhook-Attempt") == "1" {
		t.Fatal("the first attempt came twice")
	}
	if first.Header.Get("Webhook-Id") != second.Header.Get("Webhook-Id") {
		t.Error("the delivery's id changed between attempts")
	}
}

// TestDeadLetter follows one event to its end, and back by a replay.
func TestDeadLetter(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(410)
		_, _ = io.WriteString(w, "gone for good\n"+strings.Repeat("z", 5000))
	})
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	r := c.GitHubRequest("/github?token=tell-nobody", "dead", `{"a":1}`)
	r.Header.Set("Authorization", "Bearer tell-nobody")
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	app.Next(t)
	d := c.Delivery("state=dead")
	if d.Reason != "status_410" || d.LastStatus != 410 || d.Attempts != 1 {
		t.Errorf("dead letter: %+v", d)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "dead", `{"a":1}`)), 200, "duplicate")

	var detail api.Detail
	if code := c.AdminCall(http.MethodGet, "/webhooks/deliveries/"+d.ID, "", &detail); code != 200 {
		t.Fatalf("show answered %d", code)
	}
	if len(detail.History) != 1 || detail.History[0].Status != 410 || len(detail.History[0].Answer) != 1024 {
		t.Errorf("history: %+v", detail.History)
	}
	if detail.Body != `{"a":1}` {
		t.Errorf("body: %q", detail.Body)
	}
	if text := fmt.Sprint(detail); strings.Contains(text, "tell-nobody") || strings.Contains(text, harness.GitHubSignature(`{"a":1}`)) {
		t.Errorf("a secret is shown: %s", text)
	}

	app.AnswerStatus(200)
	if code := c.AdminCall(http.MethodPost, "/webhooks/deliveries/"+d.ID+"/replay", "", nil); code != 200 {
		t.Fatalf("replay answered %d", code)
	}
	if got := app.Next(t); got.Header.Get("Webhook-Id") != d.ID || got.Header.Get("Webhook-Attempt") != "2" {
		t.Errorf("replayed as %v", got.Header)
	}
}

// TestHTTPSReachesTheApplication: the application learns that the provider used HTTPS.
func TestHTTPSReachesTheApplication(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "servers {\ntrusted_proxies static 127.0.0.1/32\n}")
	r := c.GitHubRequest("/github", "https", "{}")
	r.Header.Set("X-Forwarded-Proto", "https")
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	if got := app.Next(t).Header.Get("X-Forwarded-Proto"); got != "https" {
		t.Errorf("X-Forwarded-Proto is %q", got)
	}
}
