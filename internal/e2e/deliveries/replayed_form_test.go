package deliveries

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestReplayedForm: a form whose fields are signed, sent again with letters escaped, is no new event.
func TestReplayedForm(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf(`webhooks /calls custom {
		verify hmac-sha1 {
			signature header X-Sig
			content {form_sorted}
		}
		dedupe content
		secret %q
		require_https off
		forward %s
	}`, harness.GitHubSecret, app.Address), "")
	post := func(body string) harness.Reply {
		r := c.GitHubRequest("/calls", "", body)
		sum := hmac.New(sha1.New, []byte(harness.GitHubSecret))
		_, _ = sum.Write([]byte("BodyhelloFrom+1"))
		r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"},
			"X-Sig": {hex.EncodeToString(sum.Sum(nil))}}
		return c.Do(r)
	}
	harness.CheckAnswer(t, post("Body=hello&From=%2B1"), 202, "accepted")
	harness.CheckAnswer(t, post("Body=%68ello&From=%2b1"), 200, "duplicate")
	harness.CheckAnswer(t, post("From=%2B1&Body=hello"), 200, "duplicate")
}
