package providers

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestHandshakes has Meta try out an endpoint by GET, and Notion hand over its secret.
func TestHandshakes(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf(`webhooks /meta meta {
		secret "%[1]s"
		option verify_token my-token
		require_https off
		forward %[2]s
	}
	webhooks /notion notion {
		require_https off
		forward %[2]s
	}`, harness.GitHubSecret, app.Address), "")

	const challenge = "/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
	got := c.Do(c.Request("GET", c.Site+challenge+"my-token", ""))
	if got.Code != 200 || got.Body != "1158201444" || got.Header.Get("X-Content-Type-Options") != "nosniff" || got.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("Meta's handshake was answered %d %q %v", got.Code, got.Body, got.Header)
	}
	if got := c.Do(c.Request("GET", c.Site+challenge+"another", "")); got.Code != 403 || strings.Contains(got.Body, "1158201444") {
		t.Errorf("another token was answered %d %q", got.Code, got.Body)
	}
	if got := c.Do(c.Request("GET", c.Site+"/meta", "")); got.Code != 405 || got.Header.Get("Allow") != "POST, GET" {
		t.Errorf("GET without a handshake was answered %d %v", got.Code, got.Header)
	}

	offer := c.Request("POST", c.Site+"/notion", `{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}`)
	offer.Header.Set("Content-Type", "application/json")
	harness.CheckAnswerWord(t, c.Do(offer), 200, "handshake")
	files, err := filepath.Glob(filepath.Join(data, "caddy", "webhooks", "offered", "notion-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v: want one with Notion's secret", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || !strings.HasPrefix(string(text), "secret_tMrl") {
		t.Errorf("the file has %q, %v", text, err)
	}
	huge := c.Request("POST", c.Site+"/notion", `{"verification_token":"`+strings.Repeat("x", 513)+`"}`)
	huge.Header.Set("Content-Type", "application/json")
	c.Do(huge)
	if files, err := filepath.Glob(filepath.Join(data, "caddy", "webhooks", "offered", "*")); err != nil || len(files) != 1 {
		t.Errorf("files %v, %v: want no further one with 513 bytes", files, err)
	}
	event := c.Request("POST", c.Site+"/notion", `{"id":"1","type":"page.created"}`)
	event.Header.Set("Content-Type", "application/json")
	event.Header.Set("X-Notion-Signature", harness.GitHubSignature(`{"id":"1","type":"page.created"}`))
	if got := c.Do(event); got.Code != 401 {
		t.Errorf("without a secret a webhook was answered %d", got.Code)
	}
	if len(app.Got) > 0 {
		t.Error("a handshake was delivered")
	}
}

// TestHandshakeIsNoOracle sends what two handshakes answer back as webhooks.
func TestHandshakeIsNoOracle(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf(`webhooks /bt braintree {
		secret "%[1]s"
		option public_key pub
		require_https off
		forward %[2]s
	}
	webhooks /x x-twitter {
		secret "%[1]s"
		require_https off
		forward %[2]s
	}`, harness.GitHubSecret, app.Address), "")

	const challenge = "0123456789abcdef0123456789abcdef"
	signed := c.Do(c.Request("GET", c.Site+"/bt?bt_challenge="+challenge, ""))
	if !strings.HasPrefix(signed.Body, "pub|") {
		t.Fatalf("the challenge was answered %d %q", signed.Code, signed.Body)
	}
	forged := c.Request("POST", c.Site+"/bt", url.Values{"bt_signature": {signed.Body}, "bt_payload": {challenge}}.Encode())
	forged.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	harness.CheckAnswerWord(t, c.Do(forged), 401, "invalid_signature")

	signed = c.Do(c.Request("GET", c.Site+"/x?crc_token=abcdef123", ""))
	var answer struct {
		Token string `json:"response_token"`
	}
	if err := json.Unmarshal([]byte(signed.Body), &answer); err != nil || answer.Token == "" {
		t.Fatalf("the token was answered %d %q", signed.Code, signed.Body)
	}
	forged = c.Request("POST", c.Site+"/x", "abcdef123")
	forged.Header.Set("Content-Type", "application/json")
	forged.Header.Set("X-Twitter-Webhooks-Signature", answer.Token)
	harness.CheckAnswerWord(t, c.Do(forged), 401, "invalid_signature")
	if len(app.Got) != 0 {
		t.Error("it was delivered")
	}
}
