package caddywebhooks

import (
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
