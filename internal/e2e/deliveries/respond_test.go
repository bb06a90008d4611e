package deliveries

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
)

// relaySite answers providers with what the application says.
func relaySite(app *harness.Application, more string) string {
	return fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		respond upstream 300ms
		forward %s {
			name app
			retry linear {
				initial 10ms
				max_delay 10ms
			}
			%s
		}
	}`, harness.GitHubSecret, app.Address, more)
}

func TestRespondUpstream(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, relaySite(app, ""), "")
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header()["X-Two"] = []string{"a", "b"}
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "<Response>hi</Response>")
	})
	got := c.Do(c.GitHubRequest("/github", "relayed", "{}"))
	if got.Code != 201 || got.Body != "<Response>hi</Response>" || got.Header.Get("Content-Type") != "text/xml" ||
		len(got.Header["X-Two"]) != 2 || got.Header.Get("Webhook-Status") != "delivered" {
		t.Errorf("answered %d %v %q", got.Code, got.Header, got.Body)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "relayed", "{}")), 200, "duplicate")
	app.Next(t)
	harness.Eventually(t, "nothing is left", func() bool { return c.OpenDeliveries() == 0 })
	if len(app.Got) != 0 {
		t.Error("it was delivered twice")
	}
}

func TestRespondUpstreamEmpty(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(204)
	c := harness.Start(t, relaySite(app, ""), "")
	if got := c.Do(c.GitHubRequest("/github", "empty", "{}")); got.Code != 204 || got.Body != "" {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
}

// TestRespondUpstreamFails: the event is ours once it is stored, so the
// provider is told "accepted" whatever the application says, and it is retried.
func TestRespondUpstreamFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "inner details", 500) }},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"answer too long", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", intake.MaxRelay+2))
		}},
		{"too slow", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second): // longer than respond upstream waits
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := harness.StartApplication(t)
			app.AnswerWith(test.answer)
			c := harness.Start(t, relaySite(app, ""), "")
			got := c.Do(c.GitHubRequest("/github", "failing", "{}"))
			harness.CheckAnswer(t, got, 202, "accepted")
			app.Next(t)
			app.AnswerWith(nil)
			harness.Eventually(t, "the event is delivered in the end", func() bool { return c.OpenDeliveries() == 0 })
		})
	}
}

// TestSlackCommand relays the application's message to Slack.
func TestSlackCommand(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"done"}`)
	})
	c := harness.Start(t, fmt.Sprintf("webhooks /slack slack {\nsecret s3cret\nrequire_https off\nrespond upstream\nforward %s\n}", app.Address), "")
	body := "token=x&command=%2Fdeploy&text=now&trigger_id=13345224609.738474920.8088930838d88f008e0"
	r := harness.NewSlackRequest(t, c, "s3cret", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := c.Do(r); got.Code != 200 || got.Body != `{"text":"done"}` {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
	if got := app.Next(t); got.Body != body || got.Header.Get("Webhook-Event-Type") != "/deploy" {
		t.Errorf("arrived: %q %v", got.Body, got.Header)
	}
}
