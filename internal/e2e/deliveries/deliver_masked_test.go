package deliveries

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestAttemptErrorsHideSecrets: a handler that puts the URL into its error puts the provider's token
// into it; the log, the list and the history have it masked.
func TestAttemptErrorsHideSecrets(t *testing.T) {
	const token = "Qm9zdG9uIHRva2Vu-7731"
	log := filepath.Join(t.TempDir(), "log")
	c := harness.StartLogging(t, log, fmt.Sprintf(`webhooks /hook custom {
		name told
		verify token {
			signature query token
		}
		secret %s
		require_https off
		forward {
			name app
			handle {
				error "bad {http.request.uri} of {http.request.header.X-Copy}" 410
			}
		}
	}`, token))
	r := c.GitHubRequest("/hook?token="+token, "", "{}")
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-Copy": {token}}
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	var d api.Delivery
	harness.Eventually(t, "the delivery is dead", func() bool {
		var page struct{ Deliveries []api.Delivery }
		c.AdminCall("GET", "/webhooks/deliveries?state=dead", "", &page)
		if len(page.Deliveries) != 1 {
			return false
		}
		d = page.Deliveries[0]
		return true
	})
	if want := "bad /hook?token=[masked] of [masked]"; d.LastError != want {
		t.Errorf("the error is %q, want %q", d.LastError, want)
	}
	var detail api.Detail
	c.AdminCall("GET", "/webhooks/deliveries/"+d.ID, "", &detail)
	if text := fmt.Sprintf("%+v", detail); strings.Contains(text, token) || len(detail.History) != 1 {
		t.Errorf("the history shows the token: %s", text)
	}
	harness.Eventually(t, "the attempt is logged", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "delivery settled")
	})
	text, err := os.ReadFile(log)
	if err != nil || strings.Contains(string(text), token) {
		t.Errorf("the log has the token: %v\n%s", err, text)
	}
}
