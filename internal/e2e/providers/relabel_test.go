package providers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestRelabelledGetsNothingPast: what a genuine webhook is cannot be hidden by another
// Content-Type, nor can anything be added to what it says.
func TestRelabelledGetsNothingPast(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf(`
	webhooks /slack slack {
		secret slack
		require_https off
		forward %[1]s {
			events message
		}
	}
	webhooks /gitea gitea {
		secret "%[2]s"
		require_https off
		forward %[1]s
	}`, app.Address, harness.GitHubSecret), "")

	const body = `{"type":"event_callback","event_id":"Ev1","event":{"type":"message","text":"&ssl_check=1&command=x&"}}`
	for i, label := range []string{"application/x-www-form-urlencoded", "application/JSON", "application/x-www-form-urlencoded; charset=utf-7"} {
		r := harness.NewSlackRequest(t, c, "slack", strings.Replace(body, "Ev1", fmt.Sprint("Ev", i), 1))
		r.Header.Set("Content-Type", label)
		if got := c.Do(r); got.Code != 200 {
			t.Errorf("as %s: %d %s", label, got.Code, got.Body)
			continue
		}
		if got := app.Next(t); got.Header.Get("Webhook-Event-Type") != "message" && got.Body == "" {
			t.Errorf("as %s it is delivered as %v", label, got.Header)
		}
	}
	for _, label := range []string{"", "text/plain", "multipart/form-data; boundary=x"} {
		r := harness.NewSlackRequest(t, c, "slack", body)
		r.Header.Set("Content-Type", label)
		if got := c.Do(r); got.Code != 415 {
			t.Errorf("as %q: %d %s", label, got.Code, got.Body)
		}
	}

	const payload = `{"after":"genuine"}`
	genuine := "payload=" + url.QueryEscape(payload)
	for i, form := range []string{genuine, genuine + "&%20payload=EVIL", genuine + "&+payload=EVIL", genuine + "&payload%00x=EVIL", genuine + "&Payload[]=EVIL", "payload=%zz&" + genuine} {
		r := c.Request(http.MethodPost, c.Site+"/gitea", form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Gitea-Signature", strings.TrimPrefix(harness.GitHubSignature(payload), "sha256="))
		r.Header.Set("X-Gitea-Delivery", fmt.Sprint("delivery ", i))
		r.Header.Set("X-Gitea-Event", "push")
		want, word := 400, "ambiguous_request"
		if i == 0 {
			want, word = 202, "accepted"
		}
		if got := c.Do(r); got.Code != want || got.Header.Get("Webhook-Status") != word {
			t.Errorf("%s: %d %s", form, got.Code, got.Body)
		}
	}
	app.Next(t)
}
