package openapi

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
)

// want is a reply by its status and word.
func (k *contract) want(got harness.Reply, code int, word string) {
	k.Helper()
	if got.Code != code || got.Header.Get("Webhook-Status") != word {
		k.Errorf("answered %d %s %q: want %d %s", got.Code, got.Header.Get("Webhook-Status"), got.Body, code, word)
	}
}

// providerSite is an endpoint of any provider, at a path of its name.
func providerSite(provider, lines string) string {
	return fmt.Sprintf("webhooks /%[1]s %[1]s {\nrequire_https off\n%[2]s\nforward {\nname app\nhandle {\nrespond 200\n}\n}\n}\n", provider, lines)
}

// contractWebhooks sends what is taken and what is refused.
func contractWebhooks(k *contract) {
	c := harness.Start(k.T, harness.HookSite("plain", "max_body 100\nforward {\nname app\nevents push\nhandle {\nrespond 200\n}\n}")+
		harness.Edited(harness.AnswersSite("secure", "200"), "require_https off", "")+
		harness.Edited(harness.AnswersSite("blocked", "200"), "require_https", "block_ips 127.0.0.0/8\nrequire_https")+
		harness.Edited(harness.AnswersSite("elsewhere", "200"), "require_https", "allow_ips 203.0.113.7\nrequire_https")+
		providerSite("stripe", "secret "+harness.ContractSecret)+providerSite("twilio", "secret "+harness.ContractSecret)+
		harness.Edited(providerSite("okta", "secret "+harness.ContractSecret), "name app", "name app\nevents test")+
		harness.Edited(providerSite("ms-graph", "secret "+harness.ContractSecret), "name app", "name app\nevents test"), "")
	send := func(path, id string, change func(*http.Request)) harness.Reply {
		r := c.GitHubRequest(path, id, "{}")
		if change != nil {
			change(r)
		}
		return k.hook(c, r)
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	k.want(send("/plain", "one", nil), 202, "accepted")
	k.want(send("/plain", "one", nil), 200, "duplicate")
	k.want(send("/plain", "two", set("X-GitHub-Event", "star")), 200, "ignored")
	k.want(send("/plain", "bad", set("X-Hub-Signature-256", harness.GitHubSignature("else"))), 401, "invalid_signature")
	k.want(send("/plain", "bad", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }), 401, "missing_signature")
	k.want(send("/plain", "bad", set("Content-Type", "text/csv")), 415, "unsupported_media_type")
	k.want(k.hook(c, c.GitHubRequest("/plain", "bad", strings.Repeat("x", 101))), 413, "payload_too_large")
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		got := send("/plain", "bad", func(r *http.Request) { r.Method = method })
		k.want(got, 405, "method_not_allowed")
		if allow := got.Header.Get("Allow"); allow != "POST" {
			k.Errorf("%s: Allow is %q", method, allow)
		}
	}
	k.want(send("/secure", "bad", nil), 400, "https_required")
	k.want(send("/blocked", "bad", nil), 403, "ip_blocked")
	k.want(send("/elsewhere", "bad", nil), 403, "ip_not_allowed")

	webhook := sample.Webhook{EventID: "1", EventType: "test", At: time.Now().Add(-time.Hour)}
	k.want(k.hook(c, harness.SampleRequest(c, "stripe", webhook)), 400, "timestamp_expired")
	webhook.At = time.Now()
	undated := harness.SampleRequest(c, "stripe", webhook)
	_, rest, _ := strings.Cut(undated.Header.Get("Stripe-Signature"), ",")
	undated.Header.Set("Stripe-Signature", "t=soon,"+rest)
	k.want(k.hook(c, undated), 400, "invalid_timestamp")
	k.want(k.hook(c, harness.SampleRequest(c, "twilio", webhook)), 200, "accepted")
	for _, word := range []string{"accepted", "duplicate", "ignored"} { // for those who want no body, or no 200
		if word == "ignored" {
			webhook.EventID, webhook.EventType = "2", "other"
		}
		k.want(k.hook(c, harness.SampleRequest(c, "okta", webhook)), 204, word)
		graph := c.Request("POST", c.Site+"/ms-graph", fmt.Sprintf(`{"value":[{"id":%q,"changeType":%q,"clientState":%q}]}`,
			webhook.EventID, webhook.EventType, harness.ContractSecret))
		graph.Header.Set("Content-Type", "application/json")
		k.want(k.hook(c, graph), 202, word)
	}
	graph := c.Request("POST", c.Site+"/ms-graph", fmt.Sprintf(`{"value":[{"id":"3","changeType":"updated","clientState":%q}]}`, harness.ContractSecret))
	graph.Header.Set("Content-Type", "application/json; charset=utf-16")
	k.want(k.hook(c, graph), 400, "ambiguous_request")
	k.admin(c, "GET", "/webhooks/stats", "") // which tells of the ignored ones
}

// contractGuard has the application answer.
func contractGuard(k *contract) {
	app := harness.StartApplication(k.T)
	c := harness.Start(k.T, harness.HookSite("relayed", "respond upstream\nforward "+app.Address)+
		"route /guarded {\n"+harness.HookSite("guarded", "")+"\nreverse_proxy "+app.Address+"\n}", "")
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "<p>made")
	})
	k.want(k.relayed(c, c.GitHubRequest("/relayed", "one", "{}")), 201, "delivered")
	k.want(k.relayed(c, c.GitHubRequest("/guarded", "one", "{}")), 201, "accepted")
	app.AnswerStatus(418)
	k.want(k.relayed(c, c.GitHubRequest("/guarded", "two", "{}")), 418, "failed")
	for range 3 {
		app.Next(k.T)
	}
	release := make(chan struct{})
	app.AnswerWith(func(http.ResponseWriter, *http.Request) { <-release })
	first := make(chan harness.Reply)
	go func() { first <- c.Do(c.GitHubRequest("/guarded", "three", "{}")) }()
	app.Next(k.T)
	k.want(k.hook(c, c.GitHubRequest("/guarded", "three", "{}")), 409, "in_progress")
	close(release)
	<-first
	k.want(k.hook(c, c.GitHubRequest("/guarded", "three", "{}")), 200, "duplicate")
	round := c.GitHubRequest("/guarded", "four", "{}")
	round.Header.Set("Webhook-Via", strings.Repeat("0123456789abcdef, ", envelope.MaxVia))
	k.want(k.hook(c, round), 508, "loop")
}

// contractHandshakes has endpoints tried out.
func contractHandshakes(k *contract) {
	k.Setenv("XDG_DATA_HOME", k.TempDir()) // for the secrets that are handed over
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		k.Fatal(err)
	}
	c := harness.Start(k.T, providerSite("meta", "secret "+harness.ContractSecret+"\noption verify_token my-token")+providerSite("asana", "")+
		providerSite("ringcentral", "secret "+harness.ContractSecret)+providerSite("dropbox", "secret "+harness.ContractSecret)+
		providerSite("intercom", "secret "+harness.ContractSecret)+providerSite("monday", "secret "+harness.ContractSecret)+
		providerSite("discord-webhook-events", "public_key "+hex.EncodeToString(public)), "")
	const challenge = "/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
	for _, test := range []struct {
		method, path, header, body string
		code                       int
		word                       string
	}{
		{"GET", challenge + "my-token", "", "", 200, "handshake"},
		{"GET", challenge + "another", "", "", 403, "handshake_refused"},
		{"GET", "/meta", "", "", 405, "method_not_allowed"},
		{"POST", "/asana", "X-Hook-Secret: b537207f20cbfa02357cf448134da559", "", 200, "handshake"},
		{"POST", "/ringcentral", "Validation-Token: c0ffee", "", 200, "handshake"},
		{"GET", "/dropbox?challenge=abc", "", "", 200, "handshake"},
		{"HEAD", "/intercom", "", "", 200, "handshake"},
		{"POST", "/monday", "", `{"challenge":"abc"}`, 200, "handshake"},
	} {
		r := c.Request(test.method, c.Site+test.path, test.body)
		if name, value, ok := strings.Cut(test.header, ": "); ok {
			r.Header.Set(name, value)
		}
		if test.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		k.want(k.hook(c, r), test.code, test.word)
	}
	ping := c.Request("POST", c.Site+"/discord-webhook-events", `{"type":0}`)
	now := strconv.FormatInt(time.Now().Unix(), 10)
	ping.Header.Set("Content-Type", "application/json")
	ping.Header.Set("X-Signature-Timestamp", now)
	ping.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(private, []byte(now+`{"type":0}`))))
	k.want(k.hook(c, ping), 204, "handshake")
}

// contractLimits sends more than is taken.
func contractLimits(k *contract) {
	limited := func(name, tier string) string {
		return harness.Edited(harness.AnswersSite(name, "200"), "require_https", tier+"\nrequire_https")
	}
	site := limited("shielded", "rate_limit ip 1 1/h") + limited("limited", "rate_limit provider 1 1/h") + harness.AnswersSite("unlimited", "200") +
		harness.DestinationSite("stuck", "127.0.0.1:1", "retry {\ninitial 1h\n}")
	c := harness.New(k.T, filepath.Join(k.TempDir(), "deliveries.db"), "")
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\nrate_limit global 4 1/h\nmax_pending 1")
	harness.Begin(k.T, c, site)
	for _, test := range []struct {
		name string
		code int
		word string
		tier any
	}{
		{"shielded", 202, "accepted", nil}, {"shielded", 429, "rate_limit_exceeded", "ip"},
		{"limited", 202, "accepted", nil}, {"limited", 429, "rate_limit_exceeded", "provider"},
		{"stuck", 202, "accepted", nil}, {"stuck", 503, "unavailable", nil},
		{"unlimited", 429, "rate_limit_exceeded", "global"},
	} {
		got := k.hook(c, c.GitHubRequest("/"+test.name, fmt.Sprint(test.name, test.code), "{}"))
		k.want(got, test.code, test.word)
		if tier := got.JSON(k.T)["tier"]; tier != test.tier {
			k.Errorf("%s: the tier is %v: want %v", test.name, tier, test.tier)
		}
	}
}

// contractBrokenBodies sends bodies that do not end, or too early.
func contractBrokenBodies(k *contract) {
	harness.ShortBodyTime(k.T, 300*time.Millisecond)
	c := harness.Start(k.T, harness.AnswersSite("broken", "200"), "")
	for word, hangUp := range map[string]bool{"body_timeout": false, "body_incomplete": true} {
		r := c.GitHubRequest("/broken", word, "{}")
		w := harness.Wire{Address: strings.TrimPrefix(c.Site, "http://")}
		if err := w.Open(); err != nil {
			k.Fatal(err)
		}
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "POST /broken HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n")
		if err := r.Header.Write(&raw); err != nil {
			k.Fatal(err)
		}
		if _, err := w.Conn.Write(append(raw.Bytes(), "\r\n{}"...)); err != nil {
			k.Fatal(err)
		}
		if hangUp {
			if err := w.Conn.CloseWrite(); err != nil {
				k.Fatal(err)
			}
		}
		if err := w.Conn.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
			k.Fatal(err)
		}
		got, _, err := harness.ReadReply(w.Reader, http.MethodPost)
		w.Close()
		if err != nil {
			k.Fatal(err)
		}
		k.answered(r, hookPath, got)
		k.want(got, map[bool]int{false: 408, true: 400}[hangUp], word)
	}
}
