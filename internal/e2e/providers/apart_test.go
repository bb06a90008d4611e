package providers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestUnsignedIDs takes a webhook that somebody has seen, with the id of one that is still to
// come: that one is no repetition of it. What the provider itself sends again is.
func TestUnsignedIDs(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /github github {\nsecret %q\nrequire_https off\nforward %s\n}", harness.GitHubSecret, app.Address), "")
	for _, step := range []struct {
		id, body string
		code     int
		word     string
	}{
		{"D1", `{"n":1}`, 202, "accepted"},
		{"D2", `{"n":1}`, 202, "accepted"}, // the first one, relabelled
		{"D2", `{"n":2}`, 202, "accepted"}, // the genuine second one
		{"D2", `{"n":2}`, 200, "duplicate"},
		{"D1", `{"n":1}`, 200, "duplicate"},
	} {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", step.id, step.body)), step.code, step.word)
	}
}

// TestToldByContent is about webhooks without an id: what the signature does not cover makes
// no new event of an old one, but for the type, and the type makes two of equal bodies.
func TestToldByContent(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf(`webhooks /typed* custom {
		name typed
		verify hmac-sha256 {
			signature header X-Sig
			type header X-Type
		}
		dedupe content
		secret %[1]q
		require_https off
		forward %[2]s
	}
	webhooks /url* custom {
		name url
		verify hmac-sha256 {
			signature header X-Sig
			content "{path_query}{body}"
		}
		dedupe content
		secret %[1]q
		require_https off
		forward %[2]s
	}
	webhooks /token* custom {
		name token
		verify token {
			signature header X-Token
		}
		dedupe content
		secret %[1]q
		require_https off
		forward %[2]s
	}`, harness.GitHubSecret, app.Address), "")
	post := func(target, signed, kind string) harness.Reply {
		r := c.GitHubRequest(target, "", "{}")
		r.Header = http.Header{"Content-Type": {"application/json"}, "X-Token": {harness.GitHubSecret}}
		r.Header.Set("X-Sig", harness.GitHubSignature(signed)[len("sha256="):])
		r.Header.Set("X-Type", kind)
		return c.Do(r)
	}
	harness.CheckAnswer(t, post("/typed", "{}", "a.created"), 202, "accepted")
	harness.CheckAnswer(t, post("/typed", "{}", "b.deleted"), 202, "accepted")
	for _, again := range []string{"/typed", "/typed?1", "/TYPED", "/typed/x?n=2"} {
		harness.CheckAnswer(t, post(again, "{}", "a.created"), 200, "duplicate")
	}
	harness.CheckAnswer(t, post("/url?1", "/url?1{}", ""), 202, "accepted")
	harness.CheckAnswer(t, post("/url?2", "/url?2{}", ""), 202, "accepted") // signed, so the sender's
	harness.CheckAnswer(t, post("/url?1", "/url?1{}", ""), 200, "duplicate")
	// Who has the token can send what they like: path and query may say what it is about.
	harness.CheckAnswer(t, post("/token?1", "", ""), 202, "accepted")
	harness.CheckAnswer(t, post("/token?2", "", ""), 202, "accepted")
	harness.CheckAnswer(t, post("/token?1", "", ""), 200, "duplicate")
}

// TestHomeMadeSender: without an id and a signed time nothing is certain, so that each webhook is taken.
func TestHomeMadeSender(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /own custom {\nverify hmac-sha256 {\nsignature header X-Sig\n}\nsecret %q\nrequire_https off\nforward %s\n}", harness.GitHubSecret, app.Address), "")
	for _, state := range []string{"Open", "Closed", "Open"} {
		body := fmt.Sprintf(`{"name":"ISS-1","status":%q}`, state)
		r := c.GitHubRequest("/own", "", body)
		r.Header.Set("X-Sig", harness.GitHubSignature(body)[len("sha256="):])
		harness.CheckAnswer(t, c.Do(r), 202, "accepted")
		if got := app.Next(t); got.Body != body {
			t.Errorf("%s was delivered, want %s", got.Body, body)
		}
	}
}

// TestTwoSecrets: what one happening gives to two subscriptions, of which each has a secret, are two events.
func TestTwoSecrets(t *testing.T) {
	app := harness.StartApplication(t)
	const endpoint = "webhooks /%[1]s gitea {\nname %[1]s\nsecret %[2]q %[3]q\nrequire_https off\n%[5]s\nforward %[4]s\n}\n"
	c := harness.Start(t, fmt.Sprintf(endpoint, "own", "first-secret-of-two", harness.GitHubSecret, app.Address, "")+
		fmt.Sprintf(endpoint, "set", "first-secret-of-two", harness.GitHubSecret, app.Address, "dedupe header X-Gitea-Delivery"), "")
	for i, step := range []struct{ secret, word string }{
		{"first-secret-of-two", "accepted"}, {harness.GitHubSecret, "accepted"}, {"first-secret-of-two", "duplicate"}, {harness.GitHubSecret, "duplicate"},
	} {
		for _, path := range []string{"/own", "/set"} {
			r := c.GitHubRequest(path, "", "{}")
			r.Header.Set("X-Gitea-Delivery", "one")
			r.Header.Set("X-Gitea-Signature", hex.EncodeToString(hmacOf(step.secret, "{}")))
			if got := c.Do(r); got.Header.Get("Webhook-Status") != step.word {
				t.Errorf("%s, %d: answered %s, want %s", path, i, got.Body, step.word)
			}
		}
	}
}

func hmacOf(secret, text string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return h.Sum(nil)
}
