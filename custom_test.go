package caddywebhooks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
)

// customSite is an endpoint of a provider with a scheme of its own.
func customSite(app *application, verify, more string) string {
	return fmt.Sprintf(`webhooks /custom custom {
		secret s3cret
		require_https off
		verify hmac-sha256 {
			signature header X-Sig
			%s
		}
		forward %s {
			name app
			retry linear {
				initial 1ms
				max_delay 1ms
				max_attempts 3
			}
			%s
		}
	}`, verify, app.address, more)
}

func (c *running) customRequest(body, signed string, header map[string]string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.site+"/custom", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write([]byte(signed))
	r.Header.Set("X-Sig", hex.EncodeToString(mac.Sum(nil)))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

// TestNotResignable: where a late attempt cannot be signed anew, it carries the
// provider's own signature; nothing is spent on trying.
func TestNotResignable(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	c := startCaddy(t, customSite(app, "content \"{timestamp}.{body}\"\ntimestamp json /ts", ""), "")
	body := fmt.Sprintf(`{"ts":%d}`, time.Now().Unix())
	checkAnswer(t, c.do(c.customRequest(body, body[6:16]+"."+body, nil)), 202, "accepted")
	first := app.next(t).header.Get("X-Sig")
	app.answerStatus(200)
	if second := app.next(t); second.header.Get("X-Sig") != first || second.body != body {
		t.Errorf("the second attempt carries %q: want the provider's own %q", second.header.Get("X-Sig"), first)
	}
	err := c.load(customSite(app, "content \"{timestamp}.{body}\"\ntimestamp json /ts", "resign on"))
	if err == nil || !strings.Contains(err.Error(), "resign is on, but") {
		t.Errorf("resign on was answered %v", err)
	}
}

// TestOwnedHeaders: what the provider's scheme signs arrives as the provider
// sent it, even under a name of ours.
func TestOwnedHeaders(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, customSite(app, "content \"{id}.{header.X-Correlation-Id}.{body}\"\nid header Idempotency-Key", ""), "")
	checkAnswer(t, c.do(c.customRequest("{}", "own-id.own-corr.{}", map[string]string{
		"Idempotency-Key": "own-id", "X-Correlation-Id": "own-corr",
	})), 202, "accepted")
	got := app.next(t).header
	if got.Get("Idempotency-Key") != "own-id" || got.Get("X-Correlation-Id") != "own-corr" || got.Get("Webhook-Event-Id") != "own-id" {
		t.Errorf("arrived with %v", got)
	}
	if len(got.Get("Webhook-Id")) < 16 {
		t.Error("no delivery id")
	}
}

// TestCustomSecretIsMasked: a token is nothing but the secret, whatever its header is called.
func TestCustomSecretIsMasked(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(410)
	c := startCaddy(t, fmt.Sprintf("webhooks /custom custom {\nsecret tell-nobody\nrequire_https off\nverify token {\nsignature header X-Hook\nid header X-Event\n}\nforward %s\n}", app.address), "")
	checkAnswer(t, c.do(c.customRequest("{}", "", map[string]string{"X-Hook": "tell-nobody", "X-Event": "e1"})), 202, "accepted")
	app.next(t)
	d := c.delivery("state=dead")
	var detail api.Detail
	c.adminCall(http.MethodGet, "/webhooks/deliveries/"+d.ID, "", &detail)
	if got := detail.Headers.Get("X-Hook"); got != redact.Masked {
		t.Errorf("X-Hook is shown as %q", got)
	}
}

// TestNameOnTwoServers: endpoints that differ only in their `handle` are not
// copies of one. (In a Caddyfile the second name is refused earlier.)
func TestNameOnTwoServers(t *testing.T) {
	c := startCaddy(t, "respond 200", "")
	endpoint := func(name, answer string) string {
		return fmt.Sprintf("webhooks /github github {\nname %s\nsecret x\nforward {\nname app\nhandle {\nrespond %s\n}\n}\n}", name, answer)
	}
	config, err := adapt(fmt.Sprintf("{\n%s\n}\nhttp://127.0.0.1:%s {\n%s\n}\nhttp://127.0.0.1:%s {\n%s\n}",
		c.options, c.port, endpoint("one", "200"), freePort(t), endpoint("two", "201")))
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.ReplaceAll(config, []byte(`"name":"two"`), []byte(`"name":"one"`))
	if err := caddy.Load(config, true); err == nil || !strings.Contains(err.Error(), "another endpoint has this name") {
		t.Errorf("error is %v", err)
	}
}

// TestBrokenAnswerIsNotRelayed: half an answer must not look like a whole one.
func TestBrokenAnswerIsNotRelayed(t *testing.T) {
	app := startApplication(t)
	app.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	c := startCaddy(t, relaySite(app, ""), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "half", "{}")), 202, "accepted")
	eventually(t, "it counts as delivered", func() bool { return c.openDeliveries() == 0 })
	if len(app.got) != 1 {
		t.Errorf("%d requests at the application: want one", len(app.got))
	}
}

// TestGuardFlush: the first flush decides, as a header does.
func TestGuardFlush(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, guardSite(app, "test_flush"), "")
	if got := c.do(c.githubRequest("/github", "flushed", "{}")); got.code != 200 || got.body != "flushed" {
		t.Errorf("answered %d %q", got.code, got.body)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "flushed", "{}")), 200, "duplicate")
}

func TestRequestBodyLimitOfCaddy(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, "request_body {\nmax_size 1KB\n}\n"+githubSite(app, ""), "")
	r := c.githubRequest("/github", "large", "")
	withChunkedBody(strings.Repeat("x", 5000))(r)
	checkAnswer(t, c.do(r), 413, "payload_too_large")
}

func TestContentTypeSetting(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, "content_type Application/JSON"), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "case", "{}")), 202, "accepted")
	err := c.load(githubSite(app, `content_type "application/json; charset=utf-8"`))
	if err == nil || !strings.Contains(err.Error(), "without parameters") {
		t.Errorf("error is %v", err)
	}
}

// TestForwardedProtoOfStrangers: what is left of the trusted proxy's own word is anybody's.
func TestForwardedProtoOfStrangers(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nforward %s\n}", githubSecret, app.address), "servers {\ntrusted_proxies static 127.0.0.1/32\n}")
	r := c.githubRequest("/github", "proto", "{}")
	r.Header.Set("X-Forwarded-Proto", "https, http")
	checkAnswer(t, c.do(r), 400, "https_required")
}

// TestAppBeforeStart stops and cleans up an app that never started.
func TestAppBeforeStart(t *testing.T) {
	a := &App{started: make(chan struct{})}
	for range 2 {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if err := a.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// flusher is a handler that flushes before it writes, and tries to take the connection.
type flusher struct{}

func (*flusher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_flush", New: func() caddy.Module { return new(flusher) }}
}

func (*flusher) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	controller := http.NewResponseController(w)
	if connection, _, err := controller.Hijack(); err == nil {
		return fmt.Errorf("hijacked %v", connection.RemoteAddr())
	}
	if err := controller.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "flushed")
	return err
}
