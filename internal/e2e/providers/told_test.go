package providers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// told is a webhook of a provider, in the words of its documentation or code, and what becomes of it.
type told struct {
	header map[string]string
	body   string
	word   string
	code   int
}

// The webhooks that were taken for others of the same provider, or answered in a way that it takes
// for a failure; and those that are to be taken for others.
var toldWebhooks = map[string][]told{
	// One happening for two apps: https://docs.github.com/en/webhooks/webhook-events-and-payloads
	"github": {
		{map[string]string{"X-GitHub-Delivery": "1", "X-GitHub-Hook-ID": "111", "X-GitHub-Event": "push"}, `{"a":1}`, "accepted", 202},
		{map[string]string{"X-GitHub-Delivery": "1", "X-GitHub-Hook-ID": "222", "X-GitHub-Event": "push"}, `{"a":1}`, "accepted", 202},
		{map[string]string{"X-GitHub-Delivery": "1", "X-GitHub-Hook-ID": "111", "X-GitHub-Event": "push"}, `{"a":1}`, "duplicate", 200},
	},
	"ms-graph": {
		{nil, `{"value":[{"subscriptionId":"s","clientState":"$secret","resource":"me/drive/root","changeType":"updated"}]}`, "accepted", 202},
		{nil, `{"value":[{"subscriptionId":"s","clientState":"$secret","resource":"me/drive/root","changeType":"updated"}]}`, "accepted", 202},
		{nil, `{"value":[{"id":"1","clientState":"$secret"},{"id":"2","clientState":"$secret"}]}`, "accepted", 202},
		{nil, `{"value":[{"id":"1","clientState":"$secret"},{"id":"2","clientState":"$secret"}]}`, "duplicate", 202},
		{nil, `{"value":[{"id":"1","clientState":"$secret"},{"id":"3","clientState":"$secret"}]}`, "accepted", 202},
	},
	"alertmanager": {
		{nil, `{"status":"firing"}`, "accepted", 202},
		{nil, `{"status":"firing"}`, "accepted", 202},
	},
	"google-pubsub": { // payload unwrapping, with metadata
		{map[string]string{"X-Goog-Pubsub-Message-Id": "21"}, "{}", "accepted", 202},
		{map[string]string{"X-Goog-Pubsub-Message-Id": "22"}, "{}", "accepted", 202},
		{map[string]string{"X-Goog-Pubsub-Message-Id": "22"}, "{}", "duplicate", 200},
		{map[string]string{"X-Goog-Pubsub-Message-Id": "23", "Content-Type": "text/plain"}, "x", "accepted", 202},
		{map[string]string{"X-Goog-Pubsub-Message-Id": "24", "Content-Type": ""}, "x", "accepted", 202},
		{map[string]string{"X-Goog-Pubsub-Message-Id": "25", "Content-Type": "application/cloudevents+json"}, "{}", "accepted", 202},
		{map[string]string{"Content-Type": "text/plain"}, "x", "accepted", 202},
		{map[string]string{"Content-Type": "text/plain"}, "x", "accepted", 202},
	},
	"appwrite": {
		{map[string]string{"X-Appwrite-Webhook-Events": "databases.d.tables.t.create"}, `{"$id":"1"}`, "accepted", 202},
		{map[string]string{"X-Appwrite-Webhook-Events": "databases.d.tables.t.delete"}, `{"$id":"1"}`, "accepted", 202},
		{map[string]string{"X-Appwrite-Webhook-Events": "databases.d.tables.t.delete"}, `{"$id":"1"}`, "duplicate", 200},
		{map[string]string{"X-Appwrite-Webhook-Events": appwriteEvents("create")}, `{"$id":"2"}`, "accepted", 202},
		{map[string]string{"X-Appwrite-Webhook-Events": appwriteEvents("delete")}, `{"$id":"2"}`, "accepted", 202},
		{map[string]string{"X-Appwrite-Webhook-Events": "users.u.update.prefs"}, `{"theme":"dark"}`, "accepted", 202},
		{map[string]string{"X-Appwrite-Webhook-Events": "users.u.update.prefs"}, `{"theme":"dark"}`, "accepted", 202},
	},
	"help-scout": {
		{map[string]string{"X-HelpScout-Event": "convo.agent.reply.created"}, `{"id":1}`, "accepted", 200},
		{map[string]string{"X-HelpScout-Event": "convo.status"}, `{"id":1}`, "accepted", 200},
		{map[string]string{"X-HelpScout-Event": "convo.assigned"}, `{"id":1}`, "accepted", 200},
	},
	"clickup": {
		{nil, `{"event":"spaceUpdated","space_id":"7","webhook_id":"w"}`, "accepted", 200},
		{nil, `{"event":"spaceUpdated","space_id":"7","webhook_id":"w"}`, "accepted", 200},
		{nil, `{"event":"taskUpdated","webhook_id":"w","history_items":[{"id":"8"}]}`, "accepted", 200},
		{nil, `{"event":"taskStatusUpdated","webhook_id":"w","history_items":[{"id":"8"}]}`, "accepted", 200},
		{nil, `{"event":"taskUpdated","webhook_id":"w","history_items":[{"id":"8"}]}`, "duplicate", 200},
	},
	"huggingface": {
		{nil, `{"event":{"action":"update","scope":"repo.config"},"updatedConfig":{}}`, "accepted", 200},
		{nil, `{"event":{"action":"update","scope":"repo.config"},"updatedConfig":{}}`, "accepted", 200},
	},
	"buildkite": { // one second, one state of the build
		{map[string]string{"X-Buildkite-Event": "ping", "X-Buildkite-Request": "1"}, `{"event":"ping"}`, "accepted", 200},
		{map[string]string{"X-Buildkite-Event": "ping", "X-Buildkite-Request": "2"}, `{"event":"ping"}`, "accepted", 200},
		{map[string]string{"X-Buildkite-Event": "ping", "X-Buildkite-Request": "2"}, `{"event":"ping"}`, "duplicate", 200},
	},
	"hcp-terraform": { // Send a Test, twice
		{nil, `{"notification_configuration_id":"nc-1","notifications":[{"trigger":"verification","run_status":null}]}`, "accepted", 202},
		{nil, `{"notification_configuration_id":"nc-1","notifications":[{"trigger":"verification","run_status":null}]}`, "accepted", 202},
		{nil, `{"run_id":"run-1","notifications":[{"trigger":"run:completed","run_updated_at":"2026-01-02T03:04:05Z"}]}`, "accepted", 202},
		{nil, `{"run_id":"run-1","notifications":[{"trigger":"run:completed","run_updated_at":"2026-01-02T03:04:05Z"}]}`, "duplicate", 200},
	},
	"cloudflare-notifications": { // Save and Test, twice
		{nil, `{"text":"Hello World!"}`, "accepted", 200},
		{nil, `{"text":"Hello World!"}`, "accepted", 200},
		{nil, `{"text":"down","ts":1}`, "accepted", 200},
		{nil, `{"text":"down","ts":1}`, "duplicate", 200},
		{nil, `{"text":"up","ts":1}`, "accepted", 200},
	},
	"frappe": {
		{nil, `{"name":"ISS-1","status":"Open"}`, "accepted", 202},
		{nil, `{"name":"ISS-1","status":"Closed"}`, "accepted", 202},
		{nil, `{"name":"ISS-1","status":"Open"}`, "accepted", 202},
	},
	"shopware": {
		{nil, `{"source":{"eventId":"e"},"timestamp":1,"data":{"event":"product.written"}}`, "accepted", 202},
		{nil, `{"source":{"eventId":"e"},"timestamp":2,"data":{"event":"product.written"}}`, "duplicate", 200},
		{nil, `{"source":{"eventId":"f"},"timestamp":2,"data":{"event":"product.written"}}`, "accepted", 202},
	},
	// Subscriptions to several topics share the event's id.
	"shopify": {
		{map[string]string{"X-Shopify-Event-Id": "e", "X-Shopify-Webhook-Id": "1", "X-Shopify-Topic": "orders/create"}, `{"id":1}`, "accepted", 202},
		{map[string]string{"X-Shopify-Event-Id": "e", "X-Shopify-Webhook-Id": "2", "X-Shopify-Topic": "orders/paid"}, `{"id":1}`, "accepted", 202},
		{map[string]string{"X-Shopify-Event-Id": "e", "X-Shopify-Webhook-Id": "2", "X-Shopify-Topic": "orders/paid"}, `{"id":1}`, "duplicate", 200},
	},
	"line": { // Verify, in the console, twice; a redelivery
		{nil, `{"destination":"U1","events":[]}`, "accepted", 200},
		{nil, `{"destination":"U1","events":[]}`, "accepted", 200},
		{nil, `{"events":[{"webhookEventId":"1","deliveryContext":{"isRedelivery":false}},{"webhookEventId":"2"}]}`, "accepted", 200},
		{nil, `{"events":[{"webhookEventId":"1","deliveryContext":{"isRedelivery":true}},{"webhookEventId":"2"}]}`, "duplicate", 200},
		{nil, `{"events":[{"webhookEventId":"1"},{"webhookEventId":"3"}]}`, "accepted", 200},
	},
	"plivo-v3": { // the caller presses 1 twice
		{map[string]string{"X-Plivo-Signature-V3-Nonce": "1", "Content-Type": "application/x-www-form-urlencoded"}, "Digits=1", "accepted", 200},
		{map[string]string{"X-Plivo-Signature-V3-Nonce": "2", "Content-Type": "application/x-www-form-urlencoded"}, "Digits=1", "accepted", 200},
		{map[string]string{"X-Plivo-Signature-V3-Nonce": "2", "Content-Type": "application/x-www-form-urlencoded"}, "Digits=1", "duplicate", 200},
	},
	"intuit": { // since May 2026 as CloudEvents
		{map[string]string{"Content-Type": "application/cloudevents-batch+json"}, `[{"id":"1"}]`, "accepted", 200},
		{map[string]string{"Content-Type": "application/cloudevents+json"}, `{"id":"1"}`, "accepted", 200},
	},
	"zulip": { // the Slack-compatible format says nothing of the message's id
		{nil, `{"token":"$secret","message":{"id":1}}`, "accepted", 200},
		{nil, `{"token":"$secret","message":{"id":1}}`, "duplicate", 200},
		{map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "token=$secret&text=yes&timestamp=1", "accepted", 200},
		{map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "token=$secret&text=yes&timestamp=1", "accepted", 200},
	},
	"modern-treasury": {
		{map[string]string{"X-Webhook-Id": "1"}, `{"event":"updated"}`, "accepted", 202},
		{map[string]string{"X-Webhook-Id": "2"}, `{"event":"updated"}`, "accepted", 202},
		{map[string]string{"X-Webhook-Id": "2"}, `{"event":"updated"}`, "duplicate", 200},
	},
	"tatum": { // a failed transaction of the key management has no txId
		{nil, `{"subscriptionType":"KMS_FAILED_TX","error":"no funds"}`, "accepted", 202},
		{nil, `{"subscriptionType":"KMS_FAILED_TX","error":"no funds"}`, "accepted", 202},
		{nil, `{"txId":"a","amount":"1"}`, "accepted", 202},
		{nil, `{"txId":"a","amount":"1"}`, "duplicate", 200},
	},
	"bitbucket-server": {
		{map[string]string{"X-Request-Id": "1", "X-Event-Key": "repo:refs_changed"}, `{"date":"1"}`, "accepted", 200},
		{map[string]string{"X-Request-Id": "2", "X-Event-Key": "repo:refs_changed"}, `{"date":"1"}`, "accepted", 200},
		{map[string]string{"X-Request-Id": "2", "X-Event-Key": "repo:refs_changed"}, `{"date":"1"}`, "duplicate", 200},
	},
	"qonto": { // two subscriptions of one URL
		{nil, `{"id":"1","subscription_id":"a"}`, "accepted", 202},
		{nil, `{"id":"1","subscription_id":"b"}`, "accepted", 202},
		{nil, `{"id":"1","subscription_id":"b"}`, "duplicate", 200},
	},
	"linkedin": { // all jobs are to be synced again, twice
		{nil, `{"type":"RESYNC_JOBS","syncAllOpenJobs":true}`, "accepted", 200},
		{nil, `{"type":"RESYNC_JOBS","syncAllOpenJobs":true}`, "accepted", 200},
		{nil, `{"type":"LEAD_ACTION","occurredAt":1}`, "accepted", 200},
		{nil, `{"type":"LEAD_ACTION","occurredAt":1}`, "duplicate", 200},
	},
	"mastodon": { // a payload template
		{nil, `{"text":"New report"}`, "accepted", 202},
		{nil, `{"text":"New report"}`, "accepted", 202},
		{nil, `{"event":"report.created","created_at":"2026-01-02T03:04:05.000Z","object":{"id":"1"}}`, "accepted", 202},
		{nil, `{"event":"report.created","created_at":"2026-01-02T03:04:05.000Z","object":{"id":"1"}}`, "duplicate", 200},
	},
	"emailit": { // each attempt is signed anew
		{nil, `[{"event_id":"1","type":"email.delivered"}]`, "accepted", 202},
		{nil, `[{"event_id":"1","type":"email.delivered"}]`, "duplicate", 200},
		{nil, `[{"event_id":"2","type":"email.delivered"}]`, "accepted", 202},
	},
	"auth0": { // a list of logs
		{nil, `[{"log_id":"1","data":{"type":"s"}},{"log_id":"2","data":{"type":"f"}}]`, "accepted", 200},
		{nil, `[{"log_id":"1","data":{"type":"s"}},{"log_id":"2","data":{"type":"f"}}]`, "duplicate", 200},
		{nil, `[{"log_id":"3","data":{"type":"s"}}]`, "accepted", 200},
	},
	"paystack": { // two partial refunds of one amount
		{nil, `{"event":"refund.pending","data":{"transaction_reference":"t","refund_reference":null,"amount":"10000"}}`, "accepted", 200},
		{nil, `{"event":"refund.pending","data":{"transaction_reference":"t","refund_reference":null,"amount":"10000"}}`, "accepted", 200},
		{nil, `{"event":"charge.success","data":{"id":1}}`, "accepted", 200},
		{nil, `{"event":"charge.success","data":{"id":1}}`, "duplicate", 200},
	},
	"figma": { // a retry is counted in its body
		{nil, `{"event_type":"FILE_UPDATE","passcode":"$secret","webhook_id":"1","timestamp":"2026-01-02T03:04:05Z","file_key":"a","retries":0}`, "accepted", 200},
		{nil, `{"event_type":"FILE_UPDATE","passcode":"$secret","webhook_id":"1","timestamp":"2026-01-02T03:04:05Z","file_key":"a","retries":1}`, "duplicate", 200},
		{nil, `{"event_type":"FILE_UPDATE","passcode":"$secret","webhook_id":"1","timestamp":"2026-01-02T03:04:05Z","file_key":"b","retries":0}`, "accepted", 200},
		{nil, `{"event_type":"LIBRARY_PUBLISH","passcode":"$secret","webhook_id":"1","timestamp":"2026-01-02T03:04:05Z","file_key":"a","created_components":[{"key":"k"}]}`, "accepted", 200},
		{nil, `{"event_type":"LIBRARY_PUBLISH","passcode":"$secret","webhook_id":"1","timestamp":"2026-01-02T03:04:05Z","file_key":"a","created_styles":[{"key":"k"}]}`, "accepted", 200},
	},
	"fastspring": { // an automatic retry keeps the ids, and may have newer content
		{nil, `{"events":[{"id":"1","processed":false},{"id":"2"}]}`, "accepted", 200},
		{nil, `{"events":[{"id":"1","processed":true},{"id":"2"}]}`, "duplicate", 200},
		{nil, `{"events":[{"id":"1"},{"id":"3"}]}`, "accepted", 200},
	},
	"slack": { // a modal
		{map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "payload=%7B%22type%22%3A%22view_submission%22%2C%22trigger_id%22%3A%221.2.3%22%7D", "accepted", 200},
	},
}

// appwriteEvents are the patterns that fit a change of a document, as Appwrite lists them: more than a type may have.
func appwriteEvents(change string) string {
	event := "databases.d.collections.c.documents.1." + change
	return event + strings.Repeat(",databases.*.collections.*.documents.*."+change, 20)
}

// TestToldApart sends each of these webhooks through Caddy, signed as its provider does.
func TestToldApart(t *testing.T) {
	var providers []*verify.Provider
	for name := range toldWebhooks {
		p, ok := verify.Lookup(name)
		if !ok {
			t.Fatalf("no provider %s", name)
		}
		providers = append(providers, p)
	}
	c, app, now, bases := harness.StartProviders(t, providers)
	for name, webhooks := range toldWebhooks {
		t.Run(name, func(t *testing.T) {
			c.T = t
			base := bases[name]
			now.Store(base.Now)
			for i, hook := range webhooks {
				got := c.Do(hook.request(t, c.Site, name, base))
				if status := got.Header.Get("Webhook-Status"); status != hook.word || got.Code != hook.code {
					t.Errorf("%d: answered %d %s, want %d %s", i, got.Code, status, hook.code, hook.word)
				}
				if hook.word == "accepted" {
					app.Next(t)
				}
			}
		})
	}
}

// request is the webhook as the provider of base sends it. Where it cannot be signed here, what
// proves base proves it as well.
func (hook told) request(t *testing.T, site, name string, base harness.ProviderWebhook) *http.Request {
	t.Helper()
	x := base
	x.BodyBase64, x.Headers = "", make(map[string]json.RawMessage)
	x.Body = hook.body
	if len(base.Secrets) > 0 {
		x.Body = strings.ReplaceAll(hook.body, "$secret", base.Secrets[0])
	}
	r := x.RequestTo(t, site, name)
	r.Header.Set("Content-Type", "application/json")
	for header, value := range hook.header {
		r.Header.Set(header, value)
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Del("Content-Type")
	}
	p, _ := verify.Lookup(name)
	v, err := p.NewVerifier(verify.Options{Secrets: base.Secrets, PublicKeys: base.PublicKeys, Settings: base.Settings, Now: process.Clock, Transport: process.KeyTransport})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if !v.CanSign() {
		proof := base.RequestTo(t, site, name)
		r.Header["Authorization"] = proof.Header["Authorization"]
		return r
	}
	target, err := url.Parse(base.URL)
	if err != nil {
		t.Fatal(err)
	}
	signed := &verify.Request{Method: r.Method, Scheme: target.Scheme, Host: r.Host, URI: target.RequestURI(), Header: r.Header, Body: []byte(x.Body)}
	if err := v.Sign(signed, process.Clock()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPlaidAgain: Plaid signs a new time at each attempt. What can be nothing but a repetition is told;
// what may say that something has changed once more is taken.
func TestPlaidAgain(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	options := verify.Options{
		Secrets:    []string{string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))},
		PublicKeys: []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
	}
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 404", "")
	c.LoadRoutes([]any{harness.EndpointRoute("plaid", harness.ProviderWebhook{Vector: vectors.Vector{Secrets: options.Secrets, PublicKeys: options.PublicKeys}}, app)})
	p, _ := verify.Lookup("plaid")
	v, err := p.NewVerifier(options)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct{ body, word string }{
		{`{"webhook_code":"INITIAL_UPDATE","item_id":"1"}`, "accepted"},
		{`{"webhook_code":"INITIAL_UPDATE","item_id":"1"}`, "duplicate"},
		{`{"webhook_code":"SYNC_UPDATES_AVAILABLE","item_id":"1"}`, "accepted"},
		{`{"webhook_code":"SYNC_UPDATES_AVAILABLE","item_id":"1"}`, "accepted"},
	} {
		x := harness.ProviderWebhook{Vector: vectors.Vector{URL: "https://hooks.example.com/in", Body: step.body}}
		r := x.RequestTo(t, c.Site, "plaid")
		r.Header.Set("Content-Type", "application/json")
		at := time.Now().Add(time.Duration(i-4) * time.Second)
		if err := v.Sign(&verify.Request{Method: r.Method, Header: r.Header, Body: []byte(step.body)}, at); err != nil {
			t.Fatal(err)
		}
		harness.CheckAnswer(t, c.Do(r), http.StatusOK, step.word)
	}
}

// TestMattermostCommand: slash commands come by GET as well, and want 200.
func TestMattermostCommand(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /mm mattermost {\nsecret 4xp9fdt77pncbef59f4k1qe83o\nrequire_https off\nforward %s\n}", app.Address), "")
	r := c.Request(http.MethodGet, c.Site+"/mm?token=4xp9fdt77pncbef59f4k1qe83o&command=%2Fdeploy&trigger_id=t1", "")
	got := c.Do(r)
	if got.Code != http.StatusOK || got.Body != "{}" {
		t.Errorf("answered %d %q, want 200 {}", got.Code, got.Body)
	}
	if delivered := app.Next(t); delivered.Header.Get("Webhook-Event-Type") != "/deploy" {
		t.Errorf("delivered with %v", delivered.Header)
	}
}

// TestBasicChallenge: Bandwidth sends its password only after a 401 that asks for it, and RFC 9110 wants
// that of each 401. Who sends no password is asked for none.
func TestBasicChallenge(t *testing.T) {
	var providers []*verify.Provider
	for _, name := range []string{"bandwidth", "chargebee", "github"} {
		p, _ := verify.Lookup(name)
		providers = append(providers, p)
	}
	c, app, now, bases := harness.StartProviders(t, providers)
	for name, want := range map[string]string{"bandwidth": `Basic realm="webhooks", charset="UTF-8"`, "chargebee": `Basic realm="webhooks", charset="UTF-8"`, "github": ""} {
		base := bases[name]
		now.Store(base.Now)
		asked := base.RequestTo(t, c.Site, name)
		asked.Header.Del("Authorization")
		asked.Header.Del("X-Hub-Signature-256")
		got := c.Do(asked)
		if got.Code != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") != want {
			t.Errorf("%s without a proof: answered %d, challenge %q, want %q", name, got.Code, got.Header.Get("WWW-Authenticate"), want)
		}
		if got := c.Do(base.RequestTo(t, c.Site, name)); got.Code/100 != 2 || got.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s with it: answered %d", name, got.Code)
		}
		app.Next(t)
	}
}
