package harness

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// CheckAnswer wants an answer of ours: the status, the outcome in header and body, and what each body says beside it.
func CheckAnswer(t *testing.T, got Reply, code int, word string) {
	t.Helper()
	if got.Code != code || got.Header.Get("Webhook-Status") != word {
		t.Fatalf("answered %d %q (%s): want %d %q", got.Code, got.Header.Get("Webhook-Status"), got.Body, code, word)
	}
	if ct := got.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type is %q", ct)
	}
	m := got.JSON(t)
	key := "status"
	if code >= 400 {
		key = "error"
		if m["message"] == "" {
			t.Error("no message")
		}
	}
	if m[key] != word {
		t.Errorf("body says %v: want %s=%q", m, key, word)
	}
	if id, _ := m["correlation_id"].(string); len(id) < 16 {
		t.Errorf("correlation_id is %q", id)
	}
}

// WithBody makes a request one with that body, of a known length.
func WithBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

// WithChunkedBody hides the length, so that the limit must be found while reading.
func WithChunkedBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	}
}

// CheckAnswerWord wants the status and the outcome only: for answers in the words of a provider.
func CheckAnswerWord(t *testing.T, got Reply, code int, word string) {
	t.Helper()
	if got.Code != code || got.Header.Get("Webhook-Status") != word {
		t.Errorf("answered %d %s %q, want %d %s", got.Code, got.Header.Get("Webhook-Status"), got.Body, code, word)
	}
}

// WantLimited checks the whole 429 contract.
func WantLimited(t *testing.T, got Reply, tier, policy string) {
	t.Helper()
	CheckAnswer(t, got, 429, "rate_limit_exceeded")
	if got.JSON(t)["tier"] != tier {
		t.Errorf("tier is %v: want %s", got.JSON(t)["tier"], tier)
	}
	for _, name := range []string{"Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit"} {
		if got.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if got.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("X-RateLimit-Remaining is %s", got.Header.Get("X-RateLimit-Remaining"))
	}
	if !strings.Contains(got.Header.Get("RateLimit-Policy"), policy) {
		t.Errorf("RateLimit-Policy is %s: want %s in it", got.Header.Get("RateLimit-Policy"), policy)
	}
}
