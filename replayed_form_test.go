package caddywebhooks

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
)

// TestReplayedForm: a form whose fields are signed, sent again with letters escaped, is no new event.
func TestReplayedForm(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf(`webhooks /calls custom {
		verify hmac-sha1 {
			signature header X-Sig
			content {form_sorted}
		}
		dedupe content
		secret %q
		require_https off
		forward %s
	}`, githubSecret, app.address), "")
	post := func(body string) reply {
		r := c.githubRequest("/calls", "", body)
		sum := hmac.New(sha1.New, []byte(githubSecret))
		_, _ = sum.Write([]byte("BodyhelloFrom+1"))
		r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"},
			"X-Sig": {hex.EncodeToString(sum.Sum(nil))}}
		return c.do(r)
	}
	checkAnswer(t, post("Body=hello&From=%2B1"), 202, "accepted")
	checkAnswer(t, post("Body=%68ello&From=%2b1"), 200, "duplicate")
	checkAnswer(t, post("From=%2B1&Body=hello"), 200, "duplicate")
}
