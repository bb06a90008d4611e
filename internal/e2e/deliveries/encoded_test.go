package deliveries

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEncodedBodies: types are read from bodies that are compressed or in UTF-16, and
// bodies are delivered as they came; the same id in another writing is a duplicate.
func TestEncodedBodies(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, stripeSite("shop", forwardOf(app, "a", "events invoice.*")), "")
	event := func(id string) string { return `{"id":"` + id + `","type":"invoice.paid","note":"some more text"}` }
	for name, body := range map[string]string{
		"gzip":     gzipped(t, event("gzip")),
		"UTF-16":   "\xff\xfe" + strings.Join(strings.Split(event("UTF-16"), ""), "\x00") + "\x00",
		"a mark":   "\ufeff" + event("a mark"),
		"NUL":      event("NUL") + "\x00",
		"raw TAB":  strings.Replace(event("raw TAB"), "some more", "some\tmore", 1),
		"new line": "\r\n" + event("new line") + "\n",
	} {
		harness.CheckAnswer(t, stripe(c, "shop", body), 202, "accepted")
		got := app.Next(t)
		if string(got.Body) != body || got.Header.Get("Webhook-Event-Type") != "invoice.paid" || got.Header.Get("Webhook-Event-Id") != name {
			t.Errorf("%s: %q, %v", name, got.Body, got.Header)
		}
		harness.CheckAnswer(t, stripe(c, "shop", event(name)), 200, "duplicate")
	}
}

// TestBodyBeyondTheBound: what becomes longer than max_body has no type that can be read.
func TestBodyBeyondTheBound(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, stripeSite("shop", "max_body 4KiB\n"+forwardOf(app, "a", "events invoice.*")), "")
	harness.CheckAnswer(t, stripe(c, "shop", gzipped(t, `{"id":"1","type":"invoice.paid","note":"`+strings.Repeat("x", 3<<10)+`"}`)), 202, "accepted")
	app.Next(t)
	harness.CheckAnswer(t, stripe(c, "shop", gzipped(t, `{"id":"2","type":"invoice.paid","note":"`+strings.Repeat("x", 5<<10)+`"}`)), 202, "accepted")
	if d := c.Delivery("endpoint=shop&state=dead"); d.Reason != "type_unknown" {
		t.Errorf("%+v, want a dead letter", d)
	}
}

// TestSignedBeforeCompression: other gzip of what Stream has signed is the same webhook.
func TestSignedBeforeCompression(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /quick quicknode {\nname quick\nsecret %s\nrequire_https off\n%s\n}\n", stripeSecret, forwardOf(app, "a", "")), "")
	p, _ := verify.Lookup("quicknode")
	v, err := p.NewVerifier(verify.Options{Secrets: []string{stripeSecret}})
	if err != nil {
		t.Fatal(err)
	}
	text := `{"data":[` + strings.Repeat(`{"hash":"0xabc"},`, 100) + `{}]}`
	signed := &verify.Request{Method: http.MethodPost, Header: http.Header{"X-Qn-Nonce": {"1"}, "Content-Type": {"application/json"}}, Body: []byte(text)}
	if err := v.Sign(signed, time.Now()); err != nil {
		t.Fatal(err)
	}
	send := func(body, coding string) harness.Reply {
		r := c.Request(http.MethodPost, c.Site+"/quick", body)
		if r.Header = signed.Header.Clone(); coding != "" {
			r.Header.Set("Content-Encoding", coding)
		}
		return c.Do(r)
	}
	body := gzipped(t, text)
	harness.CheckAnswer(t, send(body, "gzip"), 200, "accepted")
	if got := app.Next(t); string(got.Body) != body || got.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d bytes, %v", len(got.Body), got.Header)
	}
	other := body[:4] + "\x01" + body[5:] // its time
	harness.CheckAnswer(t, send(other, "gzip"), 200, "duplicate")
	harness.CheckAnswer(t, send(text, ""), 200, "duplicate")
	if got := send(body, ""); got.Code != 401 {
		t.Errorf("without its Content-Encoding: %d", got.Code)
	}
}
