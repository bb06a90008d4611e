package providers

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestHandshakesAreNotLogged: what a provider and an endpoint tell each other to get acquainted is
// not for others: tokens, secrets that are handed over, and challenges.
func TestHandshakesAreNotLogged(t *testing.T) {
	var now atomic.Int64
	process.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	t.Cleanup(func() { process.Clock = nil })
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // for secrets that are handed over
	const token = "my-token-of-the-handshake"
	app := harness.StartApplication(t)
	log := filepath.Join(t.TempDir(), "log")
	c := harness.StartLogging(t, log, "respond 404")
	var routes []any
	attempts := make(map[string][]harness.ProviderWebhook)
	for _, p := range verify.Providers() {
		x := harness.WebhooksOf(t, p.Name)[0]
		x.Settings = maps.Clone(x.Settings)
		secret := func(name string) bool {
			return slices.ContainsFunc(p.Settings, func(s verify.Setting) bool { return s.Name == name && s.Secret })
		}
		for _, h := range p.Handshakes {
			if secret(h.TokenSetting) {
				if x.Settings == nil {
					x.Settings = make(map[string][]string)
				}
				x.Settings[h.TokenSetting] = []string{token}
			}
			if attempt, ok := handshakeOf(t, p, &h, x); ok {
				attempts[p.Name] = append(attempts[p.Name], attempt)
			}
		}
		if len(attempts[p.Name]) > 0 {
			routes = append(routes, harness.EndpointRoute(p.Name, x, app))
			now.Store(x.Now)
		}
	}
	c.LoadServer(routes, map[string]any{"logs": map[string]any{}})
	sent := 0
	for name, tries := range attempts {
		now.Store(harness.WebhooksOf(t, name)[0].Now)
		for _, attempt := range tries {
			c.Do(attempt.RequestTo(t, c.Site, name))
			sent++
		}
	}
	if sent < 24 {
		t.Errorf("%d handshakes were tried, want 24 at least", sent)
	}
	lines := accessLines(c, log, sent)
	for _, leak := range []string{token, challenge} {
		if at := strings.Index(lines, leak); at >= 0 {
			t.Errorf("%q is in the log: …%s…", leak, lines[max(0, at-400):min(len(lines), at+100)])
		}
	}
}

// TestMaskedLines: the lines that are written in place of Caddy are Caddy's own, but for the
// secrets: the same fields, status, size and further fields, by the same loggers. And they are
// left out where Caddy would leave them out.
func TestMaskedLines(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(503)
	log := filepath.Join(t.TempDir(), "log")
	const secret = "glpat-tell-nobody"
	gitlab := func(path, more string) string {
		return fmt.Sprintf("webhooks %s gitlab-token {\nname %s\nsecret %s\nrequire_https off\n%s\n}", path, path[1:], secret, more)
	}
	c := harness.StartLogging(t, log, fmt.Sprintf(`log {
		output file %[1]s {
			roll_disabled
		}
	}
	log_append after {http.request.method}
	log_append token {header.X-Gitlab-Token}
	log_append number 7
	log_name /named special
	log_skip /skipped
	route {
		%[2]s
		%[3]s
		%[4]s
		%[5]s
		handle /guarded {
			reverse_proxy %[6]s {
				@failed status 503
				handle_response @failed {
					error "the application is away: %[7]s" 502
				}
			}
		}
		respond /plain "hello" 200
	}
	handle_errors {
		respond "instead" 200
	}`, log, gitlab("/hook", "forward "+app.Address), gitlab("/named", "forward "+app.Address),
		gitlab("/skipped", "forward "+app.Address), gitlab("/guarded", ""), app.Address, secret))
	for n, path := range []string{"/plain", "/hook?own=1&%74oken=" + secret, "/named", "/skipped", "/guarded"} {
		r := c.Request(http.MethodPost, c.Site+path, `{}`)
		r.Header.Set("Content-Type", harness.MediaJSON)
		r.Header.Set("X-Gitlab-Token", secret)
		r.Header.Set("Idempotency-Key", fmt.Sprint("masked-", n))
		got := c.Do(r)
		if path == "/guarded" && got.Body != "instead" {
			t.Errorf("%s is answered %d %s", path, got.Code, got.Body)
		}
	}
	lines := make(map[string]map[string]any)
	harness.Eventually(t, "four lines", func() bool {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		clear(lines)
		for line := range strings.Lines(string(text)) {
			var fields map[string]any
			if strings.Contains(line, secret) && !strings.Contains(line, `"uri":"/plain"`) {
				t.Fatalf("the secret is in the log: %s", line)
			}
			if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == "handled request" {
				uri := fields["request"].(map[string]any)["uri"].(string)
				lines[uri] = fields
			}
		}
		return len(lines) >= 4
	})
	if len(lines) != 4 {
		t.Errorf("%d lines", len(lines))
	}
	for uri, want := range map[string]map[string]any{
		"/plain":                               {"status": 200.0, "size": 5.0, "logger": "http.log.access.log0"},
		"/hook?own=1&%74oken=" + redact.Masked: {"status": 202.0, "logger": "http.log.access.log0"},
		"/named":                               {"status": 202.0, "logger": "http.log.access.special"},
		"/guarded":                             {"status": 200.0, "size": 7.0, "logger": "http.log.access.log0"},
	} {
		line, plain := lines[uri], lines["/plain"]
		if line == nil {
			t.Errorf("%s has no line", uri)
			continue
		}
		if got, want := slices.Sorted(maps.Keys(line)), slices.Sorted(maps.Keys(plain)); !slices.Equal(got, want) {
			t.Errorf("%s has the fields %v, Caddy's own line %v", uri, got, want)
		}
		if got, want := slices.Sorted(maps.Keys(line["request"].(map[string]any))), slices.Sorted(maps.Keys(plain["request"].(map[string]any))); !slices.Equal(got, want) {
			t.Errorf("the request of %s has the fields %v, Caddy's own %v", uri, got, want)
		}
		want["after"], want["number"] = "POST", "7"
		if uri != "/plain" {
			want["token"] = redact.Masked
		}
		for field, value := range want {
			if fmt.Sprint(line[field]) != fmt.Sprint(value) {
				t.Errorf("%s: %s is %v, want %v", uri, field, line[field], value)
			}
		}
	}
}
