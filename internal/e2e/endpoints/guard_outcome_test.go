package endpoints

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// processed is how many webhooks had that outcome.
func processed(c *harness.Caddy, outcome string) (sum float64) {
	c.T.Helper()
	for name, value := range c.Metrics() {
		if strings.HasPrefix(name, "webhook_processed_total{") && strings.Contains(name, fmt.Sprintf("status=%q", outcome)) {
			sum += value
		}
	}
	return sum
}

// sendBroken sends a webhook whose answer may break off, and returns the status that came, if any.
func sendBroken(c *harness.Caddy, id string) int {
	c.T.Helper()
	response, err := http.DefaultClient.Do(c.GitHubRequest("/github", id, "{}"))
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestGuardOutcomes: whatever way the next handler ends, the webhook has its line,
// metric and place in the traffic, and its key is decided about.
func TestGuardOutcomes(t *testing.T) {
	breaksOff := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("only this"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	const errorRoutes = "\nERRORS\n" // what follows is for `handle_errors`
	backup := func(answer string) string { return errorRoutes + answer }
	nobody := harness.FreePort(t)
	for _, test := range []struct {
		name, next string
		app        http.HandlerFunc
		sees       int // what the provider gets; 0: the connection breaks off
		outcome    string
		status     int // in the log
		reason     string
		level      string
		again      string // the outcome of the same webhook, sent again
	}{
		{"success", "reverse_proxy APP", nil, 200, "accepted", 200, "", "info", "duplicate"},
		{"application's 404", "reverse_proxy APP", status(404), 404, "failed", 404, "status_404", "warn", "failed"},
		{"application's 302", "reverse_proxy APP", status(302), 302, "failed", 302, "status_302", "warn", "failed"},
		{"breaks off after a 200", "reverse_proxy APP", breaksOff, 200, "accepted", 200, "broken_off", "warn", "duplicate"},
		{"abort", "abort", nil, 0, "failed", 0, "broken_off", "warn", "failed"},
		{"panic", "test_panic", nil, 0, "failed", 0, "broken_off", "warn", "failed"},
		{"goexit", "test_goexit", nil, 0, "failed", 0, "broken_off", "warn", "failed"},
		{"error", "error \"sorry\" 418", nil, 418, "failed", 418, "status_418", "warn", "failed"},
		{"nobody there", "reverse_proxy 127.0.0.1:" + nobody, nil, 502, "failed", 502, "status_502", "warn", "failed"},
		{"error page", "error \"sorry\" 503" + backup("respond \"sorry\" {err.status_code}"), nil, 503, "failed", 503, "status_503", "warn", "failed"},
		{"empty error page", "error \"sorry\" 503" + backup("header X-Any thing"), nil, 503, "failed", 503, "status_503", "warn", "failed"},
		{"backup", "reverse_proxy 127.0.0.1:" + nobody + backup("reverse_proxy APP"), nil, 200, "accepted", 200, "", "info", "duplicate"},
		{"backup fails", "reverse_proxy 127.0.0.1:" + nobody + backup("reverse_proxy APP"), status(500), 500, "failed", 500, "status_500", "warn", "failed"},
		{"backup is not there", "reverse_proxy 127.0.0.1:" + nobody + backup("reverse_proxy 127.0.0.1:"+nobody), nil, 502, "failed", 502, "status_502", "warn", "failed"},
		{"backup breaks off", "reverse_proxy 127.0.0.1:" + nobody + backup("reverse_proxy APP"), breaksOff, 200, "accepted", 200, "broken_off", "warn", "duplicate"},
		{"abort in the error page", "error \"sorry\" 503" + backup("abort"), nil, 0, "failed", 0, "broken_off", "warn", "failed"},
	} {
		for _, dedupe := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, dedupe %v", test.name, dedupe), func(t *testing.T) {
				harness.ForgetTraffic(t)
				app := harness.StartApplication(t)
				app.AnswerWith(test.app)
				next, errors, _ := strings.Cut(strings.ReplaceAll(test.next, "APP", app.Address), errorRoutes)
				site, again := harness.GuardSite(app, next), test.again
				if errors != "" {
					site += "\nhandle_errors {\n" + errors + "\n}"
				}
				if !dedupe {
					site, again = harness.Edited(site, "require_https off", "require_https off\ndedupe off"), test.outcome
				}
				log := filepath.Join(t.TempDir(), "log")
				c := harness.StartLogging(t, log, site)
				before := processed(c, test.outcome)
				if got := sendBroken(c, "outcome"); got != test.sees {
					t.Fatalf("answered %d: want %d", got, test.sees)
				}
				var lines []map[string]any
				harness.Eventually(t, "the line is written", func() bool { lines = harness.ReceivedLines(t, log); return len(lines) > 0 })
				line := lines[0]
				code, _ := line["status"].(float64)
				reason, _ := line["reason"].(string)
				if line["outcome"] != test.outcome || int(code) != test.status || reason != test.reason || line["level"] != test.level {
					t.Errorf("line: %v", line)
				}
				if got := processed(c, test.outcome); got != before+1 {
					t.Errorf("counted %v, then %v", before, got)
				}
				if seen := process.Traffic.Watch("github", nil, time.Now()).Snapshot(); (seen.Refused == 0) != (test.outcome == "accepted") || seen.LastReceived.IsZero() {
					t.Errorf("traffic: %+v", seen)
				}
				sendBroken(c, "outcome")
				harness.Eventually(t, "the second line is written", func() bool { lines = harness.ReceivedLines(t, log); return len(lines) == 2 })
				if lines[1]["outcome"] != again {
					t.Errorf("sent again: %v, want %s", lines[1], again)
				}
			})
		}
	}
}

// TestGuardErrorsInSubroute: error routes of a subroute are none of the server's.
// What they answer is not seen, so the provider's retry is let through.
func TestGuardErrorsInSubroute(t *testing.T) {
	app := harness.StartApplication(t)
	log := filepath.Join(t.TempDir(), "log")
	c := harness.StartLogging(t, log, "handle {\n"+harness.GuardSite(app, "error \"sorry\" 503")+"\n}\nhandle_errors {\nrespond 500\n}")
	config := c.Do(c.Request(http.MethodGet, c.Admin+"/config/", "")).Body
	const inner = `"handler":"subroute"`
	cut := strings.LastIndex(config, inner) + len(inner)
	changed := config[:cut] + `,"errors":{"routes":[{"handle":[{"handler":"static_response","status_code":200}]}]}` + config[cut:]
	if err := caddy.Load([]byte(changed), true); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitOldConfig(); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if got := c.Do(c.GitHubRequest("/github", "inner", "{}")); got.Code != 200 {
			t.Fatalf("answered %d %q", got.Code, got.Body)
		}
		var lines []map[string]any
		harness.Eventually(t, "the line is written", func() bool { lines = harness.ReceivedLines(t, log); return len(lines) == n+1 })
		if line := lines[n]; line["outcome"] != "failed" || line["status"] != 503.0 {
			t.Errorf("line: %v", line)
		}
	}
}

// TestGuardWithoutHandlerNorDedupe: nobody did the work, and Caddy's empty 200 must not say so.
func TestGuardWithoutHandlerNorDedupe(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.Edited(harness.GuardSite(app, ""), "require_https off", "require_https off\ndedupe off"), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "nobody", "{}")), 503, "unavailable")
}
