package caddywebhooks

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
)

// relaySite answers providers with what the application says.
func relaySite(app *application, more string) string {
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
	}`, githubSecret, app.address, more)
}

func TestRespondUpstream(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, relaySite(app, ""), "")
	app.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header()["X-Two"] = []string{"a", "b"}
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "<Response>hi</Response>")
	})
	got := c.do(c.githubRequest("/github", "relayed", "{}"))
	if got.code != 201 || got.body != "<Response>hi</Response>" || got.header.Get("Content-Type") != "text/xml" ||
		len(got.header["X-Two"]) != 2 || got.header.Get("Webhook-Status") != "delivered" {
		t.Errorf("answered %d %v %q", got.code, got.header, got.body)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "relayed", "{}")), 200, "duplicate")
	app.next(t)
	eventually(t, "nothing is left", func() bool { return c.openDeliveries() == 0 })
	if len(app.got) != 0 {
		t.Error("it was delivered twice")
	}
}

func TestRespondUpstreamEmpty(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(204)
	c := startCaddy(t, relaySite(app, ""), "")
	if got := c.do(c.githubRequest("/github", "empty", "{}")); got.code != 204 || got.body != "" {
		t.Errorf("answered %d %q", got.code, got.body)
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
			app := startApplication(t)
			app.answerWith(test.answer)
			c := startCaddy(t, relaySite(app, ""), "")
			got := c.do(c.githubRequest("/github", "failing", "{}"))
			checkAnswer(t, got, 202, "accepted")
			app.next(t)
			app.answerWith(nil)
			eventually(t, "the event is delivered in the end", func() bool { return c.openDeliveries() == 0 })
		})
	}
}

// TestSlackCommand relays the application's message to Slack.
func TestSlackCommand(t *testing.T) {
	app := startApplication(t)
	app.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"done"}`)
	})
	c := startCaddy(t, fmt.Sprintf("webhooks /slack slack {\nsecret s3cret\nrequire_https off\nrespond upstream\nforward %s\n}", app.address), "")
	body := "token=x&command=%2Fdeploy&text=now&trigger_id=13345224609.738474920.8088930838d88f008e0"
	r := newSlackRequest(t, c, "s3cret", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := c.do(r); got.code != 200 || got.body != `{"text":"done"}` {
		t.Errorf("answered %d %q", got.code, got.body)
	}
	if got := app.next(t); got.body != body || got.header.Get("Webhook-Event-Type") != "/deploy" {
		t.Errorf("arrived: %q %v", got.body, got.header)
	}
}
