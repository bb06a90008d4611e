package endpoints

import (
	"io"
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestGuard(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "made")
	})
	c := harness.Start(t, harness.GuardSite(app, "reverse_proxy APP"), "")
	r := c.GitHubRequest("/github?x=1", "g1", `{"a":1}`)
	r.Header.Set("Webhook-Event-Id", "spoofed")
	got := c.Do(r)
	if got.Code != 201 || got.Body != "made" {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
	arrived := app.Next(t)
	if arrived.Body != `{"a":1}` || arrived.URI != "/github?x=1" || arrived.Header.Get("Webhook-Event-Id") != "g1" ||
		arrived.Header.Get("Webhook-Event-Type") != "push" || arrived.Header.Get("X-Hub-Signature-256") == "" {
		t.Errorf("arrived: %+v", arrived)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "g1", `{"a":1}`)), 200, "duplicate")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github?x=2", "g1", `{"a":1}`)), 200, "duplicate")
	forged := c.GitHubRequest("/github", "g2", "{}")
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("else"))
	harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
	if len(app.Got) != 0 {
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
			app := harness.StartApplication(t)
			app.AnswerWith(test.answer)
			c := harness.Start(t, harness.GuardSite(app, test.next), "")
			for range 2 {
				if got := c.Do(c.GitHubRequest("/github", "again", "{}")); got.Code != test.code {
					t.Fatalf("answered %d %q: want %d", got.Code, got.Body, test.code)
				}
			}
			if err := c.Load(harness.GuardSite(app, "respond 200")); err != nil {
				t.Fatal(err)
			}
			if got := c.Do(c.GitHubRequest("/github", "again", "{}")); got.Code != 200 || got.Header.Get("Webhook-Status") != "accepted" {
				t.Errorf("after recovery answered %d %q", got.Code, got.Body)
			}
			harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "again", "{}")), 200, "duplicate")
		})
	}
}

// TestGuardHandlesErrors: the error of the next handler reaches handle_errors.
func TestGuardHandlesErrors(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GuardSite(app, "error \"broken\" 503")+"\nhandle_errors {\nrespond \"sorry: {err.message}\" {err.status_code}\n}", "")
	if got := c.Do(c.GitHubRequest("/github", "err", "{}")); got.Code != 503 || got.Body != "sorry: broken" {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
}

// TestGuardInProgress sends an event again while the first one is undecided.
func TestGuardInProgress(t *testing.T) {
	app := harness.StartApplication(t)
	release := make(chan struct{})
	app.AnswerWith(func(http.ResponseWriter, *http.Request) { <-release })
	c := harness.Start(t, harness.GuardSite(app, "reverse_proxy APP"), "")
	first := make(chan harness.Reply)
	go func() { first <- c.Do(c.GitHubRequest("/github", "slow", "{}")) }()
	app.Next(t)
	got := c.Do(c.GitHubRequest("/github", "slow", "{}"))
	harness.CheckAnswer(t, got, 409, "in_progress")
	if got.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
	}
	close(release)
	if got := <-first; got.Code != 200 {
		t.Errorf("the first was answered %d", got.Code)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "slow", "{}")), 200, "duplicate")
}

// TestGuardPanic frees the key when the next handler has a bug.
func TestGuardPanic(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GuardSite(app, "test_panic"), "")
	for range 2 {
		r := c.GitHubRequest("/github", "panic", "{}")
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
			t.Fatalf("answered %d", response.StatusCode)
		}
	}
	if err := c.Load(harness.GuardSite(app, "respond 204")); err != nil {
		t.Fatal(err)
	}
	if got := c.Do(c.GitHubRequest("/github", "panic", "{}")); got.Code != 204 {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
}

// TestGuardWithoutHandler: nobody did the work, so the event must not be lost
// by a forgotten `forward`.
func TestGuardWithoutHandler(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GuardSite(app, ""), "")
	for range 2 {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "nobody", "{}")), 503, "unavailable")
	}
}

func TestGuardWithoutDedupe(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.Edited(harness.GuardSite(app, "reverse_proxy APP"), "require_https off", "require_https off\ndedupe off"), "")
	for range 2 {
		if got := c.Do(c.GitHubRequest("/github", "twice", "{}")); got.Code != 200 {
			t.Errorf("answered %d", got.Code)
		}
		app.Next(t)
	}
}
