package caddywebhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
)

// TestUnsignedIDs takes a webhook that somebody has seen, with the id of one that is still to
// come: that one is no repetition of it. What the provider itself sends again is.
func TestUnsignedIDs(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /github github {\nsecret %q\nrequire_https off\nforward %s\n}", githubSecret, app.address), "")
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
		checkAnswer(t, c.do(c.githubRequest("/github", step.id, step.body)), step.code, step.word)
	}
}

// TestToldByContent is about webhooks without an id: what the signature does not cover makes
// no new event of an old one, but for the type, and the type makes two of equal bodies.
func TestToldByContent(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf(`webhooks /typed* custom {
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
	}`, githubSecret, app.address), "")
	post := func(target, signed, kind string) reply {
		r := c.githubRequest(target, "", "{}")
		r.Header = http.Header{"Content-Type": {"application/json"}, "X-Token": {githubSecret}}
		r.Header.Set("X-Sig", githubSignature(signed)[len("sha256="):])
		r.Header.Set("X-Type", kind)
		return c.do(r)
	}
	checkAnswer(t, post("/typed", "{}", "a.created"), 202, "accepted")
	checkAnswer(t, post("/typed", "{}", "b.deleted"), 202, "accepted")
	for _, again := range []string{"/typed", "/typed?1", "/TYPED", "/typed/x?n=2"} {
		checkAnswer(t, post(again, "{}", "a.created"), 200, "duplicate")
	}
	checkAnswer(t, post("/url?1", "/url?1{}", ""), 202, "accepted")
	checkAnswer(t, post("/url?2", "/url?2{}", ""), 202, "accepted") // signed, so the sender's
	checkAnswer(t, post("/url?1", "/url?1{}", ""), 200, "duplicate")
	// Who has the token can send what they like: path and query may say what it is about.
	checkAnswer(t, post("/token?1", "", ""), 202, "accepted")
	checkAnswer(t, post("/token?2", "", ""), 202, "accepted")
	checkAnswer(t, post("/token?1", "", ""), 200, "duplicate")
}

// TestHomeMadeSender: without an id and a signed time nothing is certain, so that each webhook is taken.
func TestHomeMadeSender(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /own custom {\nverify hmac-sha256 {\nsignature header X-Sig\n}\nsecret %q\nrequire_https off\nforward %s\n}", githubSecret, app.address), "")
	for _, state := range []string{"Open", "Closed", "Open"} {
		body := fmt.Sprintf(`{"name":"ISS-1","status":%q}`, state)
		r := c.githubRequest("/own", "", body)
		r.Header.Set("X-Sig", githubSignature(body)[len("sha256="):])
		checkAnswer(t, c.do(r), 202, "accepted")
		if got := app.next(t); got.body != body {
			t.Errorf("%s was delivered, want %s", got.body, body)
		}
	}
}

// TestTwoSecrets: what one happening gives to two subscriptions, of which each has a secret, are two events.
func TestTwoSecrets(t *testing.T) {
	app := startApplication(t)
	const endpoint = "webhooks /%[1]s gitea {\nname %[1]s\nsecret %[2]q %[3]q\nrequire_https off\n%[5]s\nforward %[4]s\n}\n"
	c := startCaddy(t, fmt.Sprintf(endpoint, "own", "first-secret-of-two", githubSecret, app.address, "")+
		fmt.Sprintf(endpoint, "set", "first-secret-of-two", githubSecret, app.address, "dedupe header X-Gitea-Delivery"), "")
	for i, step := range []struct{ secret, word string }{
		{"first-secret-of-two", "accepted"}, {githubSecret, "accepted"}, {"first-secret-of-two", "duplicate"}, {githubSecret, "duplicate"},
	} {
		for _, path := range []string{"/own", "/set"} {
			r := c.githubRequest(path, "", "{}")
			r.Header.Set("X-Gitea-Delivery", "one")
			r.Header.Set("X-Gitea-Signature", hex.EncodeToString(hmacOf(step.secret, "{}")))
			if got := c.do(r); got.header.Get("Webhook-Status") != step.word {
				t.Errorf("%s, %d: answered %s, want %s", path, i, got.body, step.word)
			}
		}
	}
}

func hmacOf(secret, text string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return h.Sum(nil)
}
