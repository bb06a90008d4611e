package deliveries

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
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
)

// customSite is an endpoint of a provider with a scheme of its own.
func customSite(app *harness.Application, verify, more string) string {
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
	}`, verify, app.Address, more)
}

func customRequest(c *harness.Caddy, body, signed string, header map[string]string) *http.Request {
	c.T.Helper()
	r, err := http.NewRequestWithContext(c.T.Context(), http.MethodPost, c.Site+"/custom", strings.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
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
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, customSite(app, "content \"{timestamp}.{body}\"\ntimestamp json /ts", ""), "")
	body := fmt.Sprintf(`{"ts":%d}`, time.Now().Unix())
	harness.CheckAnswer(t, c.Do(customRequest(c, body, body[6:16]+"."+body, nil)), 202, "accepted")
	first := app.Next(t).Header.Get("X-Sig")
	app.AnswerStatus(200)
	if second := app.Next(t); second.Header.Get("X-Sig") != first || second.Body != body {
		t.Errorf("the second attempt carries %q: want the provider's own %q", second.Header.Get("X-Sig"), first)
	}
	err := c.Load(customSite(app, "content \"{timestamp}.{body}\"\ntimestamp json /ts", "resign on"))
	if err == nil || !strings.Contains(err.Error(), "resign is on, but") {
		t.Errorf("resign on was answered %v", err)
	}
}

// TestOwnedHeaders: what the provider's scheme signs arrives as the provider
// sent it, even under a name of ours.
func TestOwnedHeaders(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, customSite(app, "content \"{id}.{header.X-Correlation-Id}.{body}\"\nid header Idempotency-Key", ""), "")
	harness.CheckAnswer(t, c.Do(customRequest(c, "{}", "own-id.own-corr.{}", map[string]string{
		"Idempotency-Key": "own-id", "X-Correlation-Id": "own-corr",
	})), 202, "accepted")
	got := app.Next(t).Header
	if got.Get("Idempotency-Key") != "own-id" || got.Get("X-Correlation-Id") != "own-corr" || got.Get("Webhook-Event-Id") != "own-id" {
		t.Errorf("arrived with %v", got)
	}
	if len(got.Get("Webhook-Id")) < 16 {
		t.Error("no delivery id")
	}
}

// TestCustomSecretIsMasked: a token is nothing but the secret, whatever its header is called.
func TestCustomSecretIsMasked(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(410)
	c := harness.Start(t, fmt.Sprintf("webhooks /custom custom {\nsecret tell-nobody\nrequire_https off\nverify token {\nsignature header X-Hook\nid header X-Event\n}\nforward %s\n}", app.Address), "")
	harness.CheckAnswer(t, c.Do(customRequest(c, "{}", "", map[string]string{"X-Hook": "tell-nobody", "X-Event": "e1"})), 202, "accepted")
	app.Next(t)
	d := c.Delivery("state=dead")
	var detail api.Detail
	c.AdminCall(http.MethodGet, "/webhooks/deliveries/"+d.ID, "", &detail)
	if got := detail.Headers.Get("X-Hook"); got != redact.Masked {
		t.Errorf("X-Hook is shown as %q", got)
	}
}

// TestNameOnTwoServers: endpoints that differ only in their `handle` are not
// copies of one. (In a Caddyfile the second name is refused earlier.)
func TestNameOnTwoServers(t *testing.T) {
	c := harness.Start(t, "respond 200", "")
	endpoint := func(name, answer string) string {
		return fmt.Sprintf("webhooks /github github {\nname %s\nsecret x\nforward {\nname app\nhandle {\nrespond %s\n}\n}\n}", name, answer)
	}
	config, err := harness.Adapt(fmt.Sprintf("{\n%s\n}\nhttp://127.0.0.1:%s {\n%s\n}\nhttp://127.0.0.1:%s {\n%s\n}",
		c.Options, c.Port, endpoint("one", "200"), harness.FreePort(t), endpoint("two", "201")))
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
	app := harness.StartApplication(t)
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	c := harness.Start(t, relaySite(app, ""), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "half", "{}")), 202, "accepted")
	harness.Eventually(t, "it counts as delivered", func() bool { return c.OpenDeliveries() == 0 })
	if len(app.Got) != 1 {
		t.Errorf("%d requests at the application: want one", len(app.Got))
	}
}

// TestGuardFlush: the first flush decides, as a header does.
func TestGuardFlush(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GuardSite(app, "test_flush"), "")
	if got := c.Do(c.GitHubRequest("/github", "flushed", "{}")); got.Code != 200 || got.Body != "flushed" {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "flushed", "{}")), 200, "duplicate")
}

func TestRequestBodyLimitOfCaddy(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "request_body {\nmax_size 1KB\n}\n"+harness.GitHubSite(app, ""), "")
	r := c.GitHubRequest("/github", "large", "")
	harness.WithChunkedBody(strings.Repeat("x", 5000))(r)
	harness.CheckAnswer(t, c.Do(r), 413, "payload_too_large")
}

func TestContentTypeSetting(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, "content_type Application/JSON"), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "case", "{}")), 202, "accepted")
	err := c.Load(harness.GitHubSite(app, `content_type "application/json; charset=utf-8"`))
	if err == nil || !strings.Contains(err.Error(), "without parameters") {
		t.Errorf("error is %v", err)
	}
}

// TestForwardedProtoOfStrangers: what is left of the trusted proxy's own word is anybody's.
func TestForwardedProtoOfStrangers(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nforward %s\n}", harness.GitHubSecret, app.Address), "servers {\ntrusted_proxies static 127.0.0.1/32\n}")
	r := c.GitHubRequest("/github", "proto", "{}")
	r.Header.Set("X-Forwarded-Proto", "https, http")
	harness.CheckAnswer(t, c.Do(r), 400, "https_required")
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
