package harness

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// NewSlackChallenge is Slack's url_verification request.
func NewSlackChallenge(t *testing.T, c *Caddy, secret string) *http.Request {
	t.Helper()
	return NewSlackRequest(t, c, secret, `{"token":"t","challenge":"the-challenge","type":"url_verification"}`)
}

// NewSlackRequest signs as Slack documents it, with the standard library only.
func NewSlackRequest(t *testing.T, c *Caddy, secret, body string) *http.Request {
	t.Helper()
	return NewSlackRequestAt(t, c, secret, body, strconv.FormatInt(time.Now().Unix(), 10))
}

func NewSlackRequestAt(t *testing.T, c *Caddy, secret, body, stamp string) *http.Request {
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
