package providers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
)

// TestSecretsThatDoNotArrive: a request with an endpoint's secret that never comes to the endpoint,
// or is none of its requests, is logged with the secret masked: by Caddy's loggers, with the status
// that it was answered.
func TestSecretsThatDoNotArrive(t *testing.T) {
	const token, password, hubToken = "tell-nobody/of-this", "pass word of basic", "hub-token-of-meta"
	app := harness.StartApplication(t)
	log := filepath.Join(t.TempDir(), "log")
	hash, err := bcrypt.GenerateFromPassword([]byte("another"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	forward := "require_https off\nforward " + app.Address + "\n}"
	c := harness.StartLogging(t, log, fmt.Sprintf(`log {
		output file %s {
			roll_disabled
		}
	}
	request_body {
		max_size 1KB
	}
	webhooks /telegram telegram {
		secret %q
		%[3]s
	webhooks /tokq custom {
		name tokq
		verify token {
			signature query token
		}
		secret %[2]q
		%[3]s
	@post {
		method POST
		path /post
	}
	webhooks @post custom {
		name post
		verify basic {
		}
		secret "user:%[4]s"
		%[3]s
	webhooks /meta meta {
		secret app-secret-of-meta
		option verify_token %[5]s
		%[3]s
	route /auth {
		basic_auth {
			admin %[6]s
		}
		webhooks custom {
			name auth
			verify token {
				signature header X-Own
			}
			secret %[2]q
			%[3]s
	}
	redir /moved /elsewhere{uri}
	error /broken "cannot {http.request.uri}" 500
	respond /fine "hello" 200`, log, token, forward, password, hubToken, hash))
	const telegram = "X-Telegram-Bot-Api-Secret-Token"
	big := strings.Repeat("x", 3000)
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + password))
	tests := []struct {
		method, path, header, value, body string
		status                            int
	}{
		{"POST", "/telegram", telegram, token, big, 413},
		{"POST", "/telegram?token=tell-nobody%2fof-this", "", "", big, 413},
		{"POST", "/tokq?token=tell-nobody%2Fof-this", "", "", big, 413},
		{"POST", "/tokq/?token=%74ell-nobody/of-this", "", "", "{}", 0},
		{"POST", "/tokq%2f?token=" + token, "", "", "{}", 0},
		{"POST", "/tokq/" + token, "", "", "{}", 0},
		{"POST", "/telegram/", telegram, "not-the-one-of-now", "{}", 0},
		{"POST", "/auth", "X-Own", token, "{}", 401},
		{"POST", "/auth", "X-Own", "what-another-endpoint-has", "{}", 401},
		{"GET", "/post?password=pass%20word+of%20basic", "", "", "", 0},
		{"GET", "/post", "X-Copy", "Basic " + basic, "", 0},
		{"GET", "/meta?hub_mode=subscribe&hub_verify_token=" + hubToken + "&hub_challenge=1", "", "", "", -1},
		{"GET", "/moved?token=" + token, "", "", "", 302},
		{"GET", "/broken?token=" + token, "", "", "", 500},
		{"GET", "/fine?token=" + token, "", "", "", 200},
		{"GET", "/fine?token=of-somebody-else", "", "", "", 200},
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, test := range tests {
		r := c.Request(test.method, c.Site+test.path, test.body)
		r.Header.Set("Content-Type", harness.MediaJSON)
		if test.header != "" {
			r.Header.Set(test.header, test.value)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	const logger = `"logger":"http.log.access.log0"`
	var lines string
	harness.Eventually(t, "a line for each", func() bool {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		lines = string(text)
		return strings.Count(lines, logger) >= len(tests)
	})
	for _, secret := range []string{token, "tell-nobody%", "%74ell", password, "pass%20word", basic, hubToken, "not-the-one-of-now", "what-another-endpoint-has"} {
		if at := strings.Index(lines, secret); at >= 0 {
			t.Errorf("%q is in the log: …%s…", secret, lines[max(0, at-400):min(len(lines), at+100)])
		}
	}
	if !strings.Contains(lines, "cannot /broken?token="+redact.Masked) || !strings.Contains(lines, "/elsewhere/moved?token="+redact.Masked) {
		t.Error("the error of a handler, or the redirection, is not logged with the secret masked")
	}
	seen := 0
	for line := range strings.Lines(lines) {
		var entry struct {
			Msg     string
			Status  int
			Request struct{ URI string }
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || !strings.Contains(line, logger) {
			continue
		}
		test := tests[seen]
		seen++
		if path, _, _ := strings.Cut(test.path, "?"); !strings.HasPrefix(entry.Request.URI, strings.TrimSuffix(path, token)) ||
			test.status >= 0 && entry.Status != test.status || (entry.Msg == "NOP") != (entry.Status == 0) {
			t.Errorf("%s %s has the line %s", test.method, test.path, line)
		}
		if strings.HasSuffix(test.path, "somebody-else") != strings.Contains(line, "of-somebody-else") {
			t.Errorf("%s %s has the line %s", test.method, test.path, line)
		}
	}
}
