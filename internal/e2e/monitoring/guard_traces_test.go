package monitoring

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	spans "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestGuardTraces: each webhook of guard mode has one span, whatever the next handler
// does, that says what became of it and ends when that is known.
func TestGuardTraces(t *testing.T) {
	for _, test := range []struct {
		name, handler, errors string
		outcome, errorType    string
		reason                string
		breaksOff             bool
	}{
		{name: "accepted", handler: "respond 200", outcome: "accepted"},
		{name: "refused", handler: "respond 502", outcome: "failed", errorType: "failed", reason: "status_502"},
		{name: "error", handler: "error 503", outcome: "failed", errorType: "failed", reason: "status_503"},
		{name: "abort", handler: "abort", outcome: "failed", errorType: "failed", reason: "broken_off", breaksOff: true},
		{name: "nobody", handler: "vars a b", outcome: "unavailable", errorType: "unavailable", reason: "no_handler"},
		{name: "a backup", handler: "error 503", errors: "handle_errors {\nrespond 200\n}", outcome: "accepted"},
		{name: "a backup that fails", handler: "error 503", errors: "handle_errors {\nrespond 500\n}", outcome: "failed", errorType: "failed", reason: "status_500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			traces := startOTLP(t)
			app := harness.StartApplication(t)
			c := harness.Start(t, "tracing {\nspan site\n}\n"+harness.GuardSite(app, test.handler)+"\n"+test.errors, "")
			r := c.GitHubRequest("/github", "traced", `{"a":1}`)
			response, err := http.DefaultClient.Do(r)
			if err == nil {
				_ = response.Body.Close()
			}
			if (err != nil) != test.breaksOff {
				t.Errorf("error %v", err)
			}
			harness.Eventually(t, "the spans arrive", func() bool { return len(traces.named("site")) > 0 && len(traces.named("publish github")) > 0 })
			all := traces.named("publish github")
			if len(all) != len(traces.named("site")) { // a broken off one may be sent again by the client
				t.Errorf("%d spans of %d requests", len(all), len(traces.named("site")))
			}
			for _, s := range all {
				got, code := attributes(s), s.GetStatus().GetCode()
				if got["webhook.status"] != test.outcome || got["error.type"] != test.errorType || got["messaging.message.id"] != "traced" {
					t.Errorf("attributes %v", got)
				}
				if (code == spans.Status_STATUS_CODE_ERROR) != (test.errorType != "") || !strings.Contains(s.GetStatus().GetMessage(), test.reason) {
					t.Errorf("status %v", s.GetStatus())
				}
			}
		})
	}
}

// TestGuardInNamedRoute: Caddy provisions named routes after it has compiled the server's
// error routes, so what these answer for an endpoint there is not seen, as in a subroute:
// the provider's retry is let through, and the line says that the handler failed.
func TestGuardInNamedRoute(t *testing.T) {
	app := harness.StartApplication(t)
	log := harness.LogsTo(t)
	c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db"), "")
	c.Options += "\n}\n&(hooks) {\n" + harness.GuardSite(app, "error 503")
	harness.Begin(t, c, "invoke hooks\nhandle_errors {\nrespond 200\n}")
	for n := range 2 {
		got := c.Do(c.GitHubRequest("/github", "named", "{}"))
		if got.Code != 200 || got.Header.Get("Webhook-Status") != "failed" {
			t.Errorf("answered %d %v", got.Code, got.Header)
		}
		var lines []map[string]any
		harness.Eventually(t, "the line is written", func() bool { lines = harness.ReceivedLines(t, log); return len(lines) == n+1 })
		if line := lines[n]; line["outcome"] != "failed" || line["status"] != 503.0 {
			t.Errorf("line: %v", line)
		}
	}
}
