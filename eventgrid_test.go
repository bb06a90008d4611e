package caddywebhooks

import (
	"fmt"
	"net/http"
	"testing"
)

// TestBitbucketPing: the unsigned connection test is answered 200 and goes nowhere; nothing else that
// is not signed is taken.
func TestBitbucketPing(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /bb bitbucket-server {\nsecret %q\nrequire_https off\nforward %s\n}", githubSecret, app.address), "")
	post := func(key, body string) reply {
		r := c.request("POST", c.site+"/bb", body)
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set("X-Event-Key", key)
		return c.do(r)
	}
	checkAnswerWord(t, post("diagnostics:ping", `{"test": true}`), 200, "handshake")
	for _, other := range [][2]string{{"diagnostics:ping", `{"test": true, "x": 1}`}, {"repo:refs_changed", `{"test": true}`}, {"repo:refs_changed", `{"eventKey":"repo:refs_changed"}`}} {
		if got := post(other[0], other[1]); got.code != 401 {
			t.Errorf("%s %s: answered %d", other[0], other[1], got.code)
		}
	}
	if len(app.got) > 0 {
		t.Error("the connection test was delivered")
	}
}

// TestEventGrid tells its events apart by all ids of a batch, and by the subscription.
func TestEventGrid(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /grid* azure-event-grid {\nsecret s3cret\nrequire_https off\nforward %s\n}", app.address), "")
	event := func(id string) string {
		return `{"id":"` + id + `","topic":"/t","eventType":"Microsoft.Storage.BlobCreated","subject":"s"}`
	}
	post := func(subscription, body string) reply {
		r := c.request("POST", c.site+"/grid?code=s3cret", body)
		r.Header = http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Aeg-Subscription-Name": {subscription}}
		return c.do(r)
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
		checkAnswer(t, post(step.subscription, step.body), step.code, step.word)
	}
	if got := c.do(c.request("POST", c.site+"/grid?code=another", "[]")); got.code == 202 || got.code == 200 {
		t.Errorf("another secret is answered %d", got.code)
	}

	probe := c.request("OPTIONS", c.site+"/grid", "")
	probe.Header.Set("WebHook-Request-Origin", "eventgrid.azure.net")
	got := c.do(probe)
	checkAnswerWord(t, got, 200, "handshake")
	if got.header.Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" || got.header.Get("WebHook-Allowed-Rate") != "*" {
		t.Errorf("the probe is answered %v", got.header)
	}
	if got := c.do(c.request("OPTIONS", c.site+"/grid", "")); got.code != 405 {
		t.Errorf("OPTIONS without an origin is answered %d", got.code)
	}
}
