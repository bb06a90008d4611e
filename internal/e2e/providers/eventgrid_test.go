package providers

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestBitbucketPing: the unsigned connection test is answered 200 and goes nowhere; nothing else that
// is not signed is taken.
func TestBitbucketPing(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /bb bitbucket-server {\nsecret %q\nrequire_https off\nforward %s\n}", harness.GitHubSecret, app.Address), "")
	post := func(key, body string) harness.Reply {
		r := c.Request("POST", c.Site+"/bb", body)
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set("X-Event-Key", key)
		return c.Do(r)
	}
	harness.CheckAnswerWord(t, post("diagnostics:ping", `{"test": true}`), 200, "handshake")
	for _, other := range [][2]string{{"diagnostics:ping", `{"test": true, "x": 1}`}, {"repo:refs_changed", `{"test": true}`}, {"repo:refs_changed", `{"eventKey":"repo:refs_changed"}`}} {
		if got := post(other[0], other[1]); got.Code != 401 {
			t.Errorf("%s %s: answered %d", other[0], other[1], got.Code)
		}
	}
	if len(app.Got) > 0 {
		t.Error("the connection test was delivered")
	}
}

// TestEventGrid tells its events apart by all ids of a batch, and by the subscription.
func TestEventGrid(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /grid* azure-event-grid {\nsecret s3cret\nrequire_https off\nforward %s\n}", app.Address), "")
	event := func(id string) string {
		return `{"id":"` + id + `","topic":"/t","eventType":"Microsoft.Storage.BlobCreated","subject":"s"}`
	}
	post := func(subscription, body string) harness.Reply {
		r := c.Request("POST", c.Site+"/grid?code=s3cret", body)
		r.Header = http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Aeg-Subscription-Name": {subscription}}
		return c.Do(r)
	}
	for _, step := range []struct {
		subscription, body string
		code               int
		word               string
	}{
		{"A", "[" + event("1") + "," + event("2") + "]", 202, "accepted"},
		{"A", "[" + event("1") + "," + event("3") + "]", 202, "accepted"}, // one of them was there before
		{"B", "[" + event("1") + "," + event("2") + "]", 202, "accepted"},
		{"A", "[" + event("1") + "," + event("2") + "]", 200, "duplicate"},
		{"A", `[{"eventType":"x"}]`, 202, "accepted"}, // without an id nothing is certain
		{"A", `[{"eventType":"x"}]`, 202, "accepted"},
	} {
		harness.CheckAnswer(t, post(step.subscription, step.body), step.code, step.word)
	}
	if got := c.Do(c.Request("POST", c.Site+"/grid?code=another", "[]")); got.Code == 202 || got.Code == 200 {
		t.Errorf("another secret is answered %d", got.Code)
	}

	probe := c.Request("OPTIONS", c.Site+"/grid", "")
	probe.Header.Set("WebHook-Request-Origin", "eventgrid.azure.net")
	got := c.Do(probe)
	harness.CheckAnswerWord(t, got, 200, "handshake")
	if got.Header.Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" || got.Header.Get("WebHook-Allowed-Rate") != "*" {
		t.Errorf("the probe is answered %v", got.Header)
	}
	if got := c.Do(c.Request("OPTIONS", c.Site+"/grid", "")); got.Code != 405 {
		t.Errorf("OPTIONS without an origin is answered %d", got.Code)
	}
}
