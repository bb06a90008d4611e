package endpoints

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestTimestampAnswers: stale, future and malformed timestamps, each signed correctly.
func TestTimestampAnswers(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /slack slack {\nsecret s3cret\nrequire_https off\nforward %s\n}", app.Address), "")
	unix := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	for _, test := range []struct {
		name, stamp string
		code        int
		word        string
	}{
		{"just in time", unix(-4 * time.Minute), 200, "accepted"},
		{"a little ahead", unix(4 * time.Minute), 200, "accepted"},
		{"stale", unix(-6 * time.Minute), 400, "timestamp_expired"},
		{"future", unix(6 * time.Minute), 400, "invalid_timestamp"},
		{"malformed", "yesterday", 400, "invalid_timestamp"},
		{"missing", "", 400, "invalid_timestamp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"event_id":%q,"event":{"type":"message"}}`, test.name)
			harness.CheckAnswerWord(t, c.Do(harness.NewSlackRequestAt(t, c, "s3cret", body, test.stamp)), test.code, test.word)
		})
	}
}

// twilioRequest is a form webhook, signed as Twilio documents it, with the standard library only.
func twilioRequest(t *testing.T, c *harness.Caddy, token string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Site+"/twilio", nil)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"From": {"+15550001"}, "Body": {"hi"}, "MessageSid": {"SM1"}, "SmsStatus": {"received"}}
	signed := c.Site + "/twilio"
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		signed += name + form.Get(name)
	}
	mac := hmac.New(sha1.New, []byte("auth-token"))
	mac.Write([]byte(signed))
	body := form.Encode()
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("I-Twilio-Idempotency-Token", token)
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

// TestProviderAcknowledgement: Twilio takes JSON for an error, so it gets an
// empty TwiML response, for accepted, duplicate and ignored alike.
func TestProviderAcknowledgement(t *testing.T) {
	app := harness.StartApplication(t)
	site := "webhooks /twilio twilio {\nsecret auth-token\nrequire_https off\nforward " + app.Address + " {\nEVENTS\n}\n}"
	c := harness.Start(t, harness.Edited(site, "EVENTS", ""), "")
	acknowledged := func(word string) {
		t.Helper()
		got := c.Do(twilioRequest(t, c, "token-1"))
		if got.Code != 200 || got.Header.Get("Webhook-Status") != word || got.Header.Get("Content-Type") != "text/xml" ||
			!strings.Contains(got.Body, "<Response/>") {
			t.Errorf("answered %d %v %q: want %s", got.Code, got.Header, got.Body, word)
		}
	}
	acknowledged("accepted")
	acknowledged("duplicate")
	if err := c.Load(harness.Edited(site, "EVENTS", "events nothing.*")); err != nil {
		t.Fatal(err)
	}
	acknowledged("ignored")
}

// TestTwiML relays the application's TwiML.
func TestTwiML(t *testing.T) {
	app := harness.StartApplication(t)
	const twiml = `<Response><Message>hello</Message></Response>`
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, twiml)
	})
	c := harness.Start(t, fmt.Sprintf("webhooks /twilio twilio {\nsecret auth-token\nrequire_https off\nrespond upstream\nforward %s\n}", app.Address), "")
	if got := c.Do(twilioRequest(t, c, "token-2")); got.Code != 200 || got.Body != twiml || got.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("answered %d %v %q", got.Code, got.Header, got.Body)
	}
}
