package caddywebhooks

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHandshakes has Meta try out an endpoint by GET, and Notion hand over its secret.
func TestHandshakes(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf(`webhooks /meta meta {
		secret "%[1]s"
		option verify_token my-token
		require_https off
		forward %[2]s
	}
	webhooks /notion notion {
		require_https off
		forward %[2]s
	}`, githubSecret, app.address), "")

	const challenge = "/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
	got := c.do(c.request("GET", c.site+challenge+"my-token", ""))
	if got.code != 200 || got.body != "1158201444" || got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Content-Type") != "text/plain" {
		t.Errorf("Meta's handshake was answered %d %q %v", got.code, got.body, got.header)
	}
	if got := c.do(c.request("GET", c.site+challenge+"another", "")); got.code != 403 || strings.Contains(got.body, "1158201444") {
		t.Errorf("another token was answered %d %q", got.code, got.body)
	}
	if got := c.do(c.request("GET", c.site+"/meta", "")); got.code != 405 || got.header.Get("Allow") != "POST, GET" {
		t.Errorf("GET without a handshake was answered %d %v", got.code, got.header)
	}

	offer := c.request("POST", c.site+"/notion", `{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}`)
	offer.Header.Set("Content-Type", "application/json")
	checkAnswerWord(t, c.do(offer), 200, "handshake")
	files, err := filepath.Glob(filepath.Join(data, "caddy", "webhooks", "offered", "notion-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v: want one with Notion's secret", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || !strings.HasPrefix(string(text), "secret_tMrl") {
		t.Errorf("the file has %q, %v", text, err)
	}
	huge := c.request("POST", c.site+"/notion", `{"verification_token":"`+strings.Repeat("x", 513)+`"}`)
	huge.Header.Set("Content-Type", "application/json")
	c.do(huge)
	if files, err := filepath.Glob(filepath.Join(data, "caddy", "webhooks", "offered", "*")); err != nil || len(files) != 1 {
		t.Errorf("files %v, %v: want no further one with 513 bytes", files, err)
	}
	event := c.request("POST", c.site+"/notion", `{"id":"1","type":"page.created"}`)
	event.Header.Set("Content-Type", "application/json")
	event.Header.Set("X-Notion-Signature", githubSignature(`{"id":"1","type":"page.created"}`))
	if got := c.do(event); got.code != 401 {
		t.Errorf("without a secret a webhook was answered %d", got.code)
	}
	if len(app.got) > 0 {
		t.Error("a handshake was delivered")
	}
}

func checkAnswerWord(t *testing.T, got reply, code int, word string) {
	t.Helper()
	if got.code != code || got.header.Get("Webhook-Status") != word {
		t.Errorf("answered %d %s %q, want %d %s", got.code, got.header.Get("Webhook-Status"), got.body, code, word)
	}
}

// TestHandshakeIsNoOracle sends what two handshakes answer back as webhooks.
func TestHandshakeIsNoOracle(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf(`webhooks /bt braintree {
		secret "%[1]s"
		option public_key pub
		require_https off
		forward %[2]s
	}
	webhooks /x x-twitter {
		secret "%[1]s"
		require_https off
		forward %[2]s
	}`, githubSecret, app.address), "")

	const challenge = "0123456789abcdef0123456789abcdef"
	signed := c.do(c.request("GET", c.site+"/bt?bt_challenge="+challenge, ""))
	if !strings.HasPrefix(signed.body, "pub|") {
		t.Fatalf("the challenge was answered %d %q", signed.code, signed.body)
	}
	forged := c.request("POST", c.site+"/bt", url.Values{"bt_signature": {signed.body}, "bt_payload": {challenge}}.Encode())
	forged.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	checkAnswerWord(t, c.do(forged), 401, "invalid_signature")

	signed = c.do(c.request("GET", c.site+"/x?crc_token=abcdef123", ""))
	var answer struct {
		Token string `json:"response_token"`
	}
	if err := json.Unmarshal([]byte(signed.body), &answer); err != nil || answer.Token == "" {
		t.Fatalf("the token was answered %d %q", signed.code, signed.body)
	}
	forged = c.request("POST", c.site+"/x", "abcdef123")
	forged.Header.Set("Content-Type", "application/json")
	forged.Header.Set("X-Twitter-Webhooks-Signature", answer.Token)
	checkAnswerWord(t, c.do(forged), 401, "invalid_signature")
	if len(app.got) != 0 {
		t.Error("it was delivered")
	}
}
