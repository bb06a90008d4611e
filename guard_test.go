package caddywebhooks

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// guardSite verifies and deduplicates in front of a plain reverse_proxy.
func guardSite(app *application, next string) string {
	return fmt.Sprintf(`route /github {
		webhooks github {
			secret "%s"
			require_https off
		}
		%s
	}`, githubSecret, strings.ReplaceAll(next, "APP", app.address))
}

func TestGuard(t *testing.T) {
	app := startApplication(t)
	app.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "made")
	})
	c := startCaddy(t, guardSite(app, "reverse_proxy APP"), "")
	r := c.githubRequest("/github?x=1", "g1", `{"a":1}`)
	r.Header.Set("Webhook-Event-Id", "spoofed")
	got := c.do(r)
	if got.code != 201 || got.body != "made" {
		t.Errorf("answered %d %q", got.code, got.body)
	}
	arrived := app.next(t)
	if arrived.body != `{"a":1}` || arrived.uri != "/github?x=1" || arrived.header.Get("Webhook-Event-Id") != "g1" ||
		arrived.header.Get("Webhook-Event-Type") != "push" || arrived.header.Get("X-Hub-Signature-256") == "" {
		t.Errorf("arrived: %+v", arrived)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "g1", `{"a":1}`)), 200, "duplicate")
	checkAnswer(t, c.do(c.githubRequest("/github?x=2", "g1", `{"a":1}`)), 200, "duplicate")
	forged := c.githubRequest("/github", "g2", "{}")
	forged.Header.Set("X-Hub-Signature-256", githubSignature("else"))
	checkAnswer(t, c.do(forged), 401, "invalid_signature")
	if len(app.got) != 0 {
		t.Error("the next handler was called for a duplicate or a forgery")
	}
}

// TestGuardFailure lets the provider's retry through after every kind of failure.
func TestGuardFailure(t *testing.T) {
	for _, test := range []struct {
		name, next string
		answer     http.HandlerFunc
		code       int
	}{
		{"500", "reverse_proxy APP", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) }, 500},
		{"404", "reverse_proxy APP", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 404},
		{"redirect", "reverse_proxy APP", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) }, 302},
		{"no answer", "reverse_proxy APP", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502},
		{"handler error", "error \"broken\" 503", nil, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := startApplication(t)
			app.answerWith(test.answer)
			c := startCaddy(t, guardSite(app, test.next), "")
			for range 2 {
				if got := c.do(c.githubRequest("/github", "again", "{}")); got.code != test.code {
					t.Fatalf("answered %d %q: want %d", got.code, got.body, test.code)
				}
			}
			if err := c.load(guardSite(app, "respond 200")); err != nil {
				t.Fatal(err)
			}
			if got := c.do(c.githubRequest("/github", "again", "{}")); got.code != 200 || got.header.Get("Webhook-Status") != "accepted" {
				t.Errorf("after recovery answered %d %q", got.code, got.body)
			}
			checkAnswer(t, c.do(c.githubRequest("/github", "again", "{}")), 200, "duplicate")
		})
	}
}

// TestGuardHandlesErrors: the error of the next handler reaches handle_errors.
func TestGuardHandlesErrors(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, guardSite(app, "error \"broken\" 503")+"\nhandle_errors {\nrespond \"sorry: {err.message}\" {err.status_code}\n}", "")
	if got := c.do(c.githubRequest("/github", "err", "{}")); got.code != 503 || got.body != "sorry: broken" {
		t.Errorf("answered %d %q", got.code, got.body)
	}
}

// TestGuardInProgress sends an event again while the first one is undecided.
func TestGuardInProgress(t *testing.T) {
	app := startApplication(t)
	release := make(chan struct{})
	app.answerWith(func(http.ResponseWriter, *http.Request) { <-release })
	c := startCaddy(t, guardSite(app, "reverse_proxy APP"), "")
	first := make(chan reply)
	go func() { first <- c.do(c.githubRequest("/github", "slow", "{}")) }()
	app.next(t)
	got := c.do(c.githubRequest("/github", "slow", "{}"))
	checkAnswer(t, got, 409, "in_progress")
	if got.header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	close(release)
	if got := <-first; got.code != 200 {
		t.Errorf("the first was answered %d", got.code)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "slow", "{}")), 200, "duplicate")
}

// TestGuardPanic frees the key when the next handler has a bug.
func TestGuardPanic(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, guardSite(app, "test_panic"), "")
	for range 2 {
		r := c.githubRequest("/github", "panic", "{}")
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
			t.Fatalf("answered %d", response.StatusCode)
		}
	}
	if err := c.load(guardSite(app, "respond 204")); err != nil {
		t.Fatal(err)
	}
	if got := c.do(c.githubRequest("/github", "panic", "{}")); got.code != 204 {
		t.Errorf("answered %d %q", got.code, got.body)
	}
}

// TestGuardWithoutHandler: nobody did the work, so the event must not be lost
// by a forgotten `forward`.
func TestGuardWithoutHandler(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, guardSite(app, ""), "")
	for range 2 {
		checkAnswer(t, c.do(c.githubRequest("/github", "nobody", "{}")), 503, "unavailable")
	}
}

func TestGuardWithoutDedupe(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, strings.Replace(guardSite(app, "reverse_proxy APP"), "require_https off", "require_https off\ndedupe off", 1), "")
	for range 2 {
		if got := c.do(c.githubRequest("/github", "twice", "{}")); got.code != 200 {
			t.Errorf("answered %d", got.code)
		}
		app.next(t)
	}
}
