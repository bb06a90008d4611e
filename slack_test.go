package caddywebhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// newSlackChallenge is Slack's url_verification request.
func newSlackChallenge(t *testing.T, c *harness.Caddy, secret string) *http.Request {
	t.Helper()
	return newSlackRequest(t, c, secret, `{"token":"t","challenge":"the-challenge","type":"url_verification"}`)
}

// newSlackRequest signs as Slack documents it, with the standard library only.
func newSlackRequest(t *testing.T, c *harness.Caddy, secret, body string) *http.Request {
	t.Helper()
	return newSlackRequestAt(t, c, secret, body, strconv.FormatInt(time.Now().Unix(), 10))
}

func newSlackRequestAt(t *testing.T, c *harness.Caddy, secret, body, stamp string) *http.Request {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Site+"/slack", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if stamp != "" {
		r.Header.Set("X-Slack-Request-Timestamp", stamp)
	}
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}
