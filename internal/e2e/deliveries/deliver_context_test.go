package deliveries

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestHandledPlaceholders sends a stored event through Caddy's own handlers,
// matchers and placeholders: each finds what it looks for.
func TestHandledPlaceholders(t *testing.T) {
	app := harness.StartApplication(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "github"), []byte("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := "reverse_proxy " + app.Address + " {\nheader_up X-Seen \"VALUE\"\n}"
	value := func(placeholder string) string { return harness.Edited(proxy, "VALUE", placeholder) }
	for _, test := range []struct{ name, handle, seen string }{
		{"local", value("{http.request.local}"), "127.0.0.1:PORT"},
		{"local host", value("{http.request.local.host}"), "127.0.0.1"},
		{"local port", value("{http.request.local.port}"), "PORT"},
		{"remote host", value("{remote_host}"), "127.0.0.1"},
		{"client ip", value("{client_ip}"), "127.0.0.1"},
		{"original path", value("{http.request.orig_uri.path}"), "/github"},
		{"rewritten", "rewrite /other\n" + value("{path}"), "/other"},
		{"body", "request_header X-Body {http.request.body}\n" + value("{header.X-Body}"), "{}"},
		{"cookie", value("{cookie.a}"), "b"},
		{"query", value("{query.x}"), "1"},
		{"header", value("{header.X-GitHub-Event}"), "push"},
		{"method", value("{method}"), "POST"},
		{"scheme", value("{scheme}"), "http"},
		{"shutting down", value("{http.shutting_down}"), "false"},
		{"endpoint", value("{http.webhooks.endpoint}"), "github"},
		{"provider", value("{http.webhooks.provider}"), "github"},
		{"event id", value("{http.webhooks.event_id}"), "seen"},
		{"event type", value("{http.webhooks.event_type}"), "push"},
		{"destination", value("{http.webhooks.destination}"), "app"},
		{"attempt", value("{http.webhooks.attempt}"), "1"},
		{"vars", "vars tenant acme\n" + value("{vars.tenant}"), "acme"},
		{"map", "map {path} {where} {\n/github here\ndefault there\n}\n" + value("{where}"), "here"},
		{"matcher vars", "vars tenant acme\n@acme vars tenant acme\nroute @acme {\n" + value("yes") + "\n}", "yes"},
		{"matcher expression", "@all expression `{http.webhooks.event_type} == \"push\" && {remote_host} == \"127.0.0.1\"`\nroute @all {\n" + value("yes") + "\n}", "yes"},
		{"matcher remote_ip", "@local remote_ip 127.0.0.1\nroute @local {\n" + value("yes") + "\n}", "yes"},
		{"matcher client_ip", "@local client_ip 127.0.0.1\nroute @local {\n" + value("yes") + "\n}", "yes"},
		{"matcher protocol", "@plain protocol http\nroute @plain {\n" + value("yes") + "\n}", "yes"},
		{"matcher host", "@here host 127.0.0.1\nroute @here {\n" + value("yes") + "\n}", "yes"},
		{"matcher path_regexp", "@name path_regexp name ^/(.*)$\nroute @name {\n" + value("{re.name.1}") + "\n}", "github"},
		{"matcher file", "root * " + root + "\n@file file\nroute @file {\n" + value("{http.matchers.file.relative}") + "\n}", "/github"},
		{"request_body", "request_body {\nmax_size 1MB\n}\n" + value("yes"), "yes"},
		{"encode", "encode\n" + value("yes"), "yes"},
		{"templates", "templates\n" + value("yes"), "yes"},
		{"log_append", "log_append tenant {http.webhooks.event_id}\n" + value("yes"), "yes"},
		{"push", "push /style.css\n" + value("yes"), "yes"},
		{"tracing", "tracing {\nspan in\n}\n" + value("yes"), "yes"},
		{"request header", "request_header X-Twice {http.request.local.host}\n" + value("{header.X-Twice}"), "127.0.0.1"},
		{"intercept", "intercept {\n@ok status 2xx\nhandle_response @ok {\nrespond \"{http.intercept.status_code}\" 200\n}\n}\n" + value("yes"), "yes"},
		{"forward_auth", "forward_auth " + app.Address + " {\nuri /auth\ncopy_headers X-User\nheader_up X-Seen auth\n}\n" + value("yes"), "auth"},
		{"copy_response", "reverse_proxy " + app.Address + " {\nheader_up X-Seen yes\n@ok status 2xx\nhandle_response @ok {\ncopy_response_headers {\ninclude X-Any\n}\ncopy_response\n}\n}", "yes"},
		{"try_files", "root * " + root + "\ntry_files {path} /index.html\n" + value("{path}"), "/github"},
		{"uuid", value("{http.request.uuid}"), ""},
		{"duration", value("{http.request.duration_ms}"), ""},
		{"received at", value("{http.webhooks.received_at}"), ""},
		{"correlation id", value("{http.webhooks.correlation_id}"), ""},
		{"delivery id", value("{http.webhooks.delivery_id}"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := harness.Start(t, harness.HandledSite(laterRetry, test.handle), "")
			r := c.GitHubRequest("/github?x=1", "seen", "{}")
			r.Header.Set("Cookie", "a=b")
			harness.CheckAnswer(t, c.Do(r), 202, "accepted")
			got := app.Next(t).Header.Get("X-Seen")
			want := strings.ReplaceAll(test.seen, "PORT", c.Port)
			if want != "" && got != want || got == "" || strings.Contains(got, "{http") {
				t.Errorf("saw %q: want %q", got, want)
			}
			for test.name == "forward_auth" && got == "auth" { // then comes the webhook itself
				got = app.Next(t).Header.Get("X-Seen")
			}
		})
	}
}

// TestHandledAnswers sends a stored event through handlers that answer themselves.
func TestHandledAnswers(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("{{.RemoteIP}} {{placeholder \"http.request.local.host\"}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string]string{
		"respond":     "respond \"{http.request.local} {http.request.tls.server_name}\" 200",
		"file_server": "root * " + root + "\nmethod GET\nrewrite /index.html\ntemplates\nfile_server",
		"metrics":     "method GET\nmetrics",
	} {
		t.Run(name, func(t *testing.T) {
			c := harness.Start(t, harness.HandledSite(laterRetry, handle), "")
			harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "seen", "{}")), 202, "accepted")
			harness.Eventually(t, "it was delivered", func() bool {
				var list api.List
				c.AdminCall(http.MethodGet, "/webhooks/deliveries?event_id=seen", "", &list)
				if len(list.Deliveries) > 0 && list.Deliveries[0].Attempts > 0 {
					t.Fatalf("%+v", list.Deliveries[0])
				}
				return len(list.Deliveries) == 0
			})
		})
	}
}

// TestHandledReferencesRefused: what would be empty at every attempt is an error at
// load, with the line that it is on.
func TestHandledReferencesRefused(t *testing.T) {
	for _, test := range []struct{ handle, text, line string }{
		{"respond \"{http.webhooks.outcome}\"", "{http.webhooks.outcome}", ":9"},
		{"route {\nrespond \"{vars.tenant}\"\n}", "{http.vars.tenant}", ":10"},
		{"respond \"{tls_client_subject}\"", "{http.request.tls.client.subject}", ":9"},
		{"respond \"{http.auth.user.id}\"", "{http.auth.user.id}", ":9"},
		{"respond \"{err.status_code}\"", "{http.error.status_code}", ":9"},
		{"respond \"{re.name.1}\"", "{http.regexp.name.1}", ":9"},
		{"@t vars tenant acme\nrespond @t 200", "{http.vars.tenant}", ":8"},
	} {
		_, err := harness.Adapt("http://:1 {\n" + harness.HandledSite("timeout 1s", test.handle) + "\n}")
		if err == nil || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), "Caddyfile"+test.line) {
			t.Errorf("%s: %v", test.handle, err)
		}
	}
}

// TestUpstreamPlaceholders: an upstream that comes to nothing is an error at load.
func TestUpstreamPlaceholders(t *testing.T) {
	app := harness.StartApplication(t)
	t.Setenv("WEBHOOKS_TEST_APP", app.Address)
	t.Setenv("WEBHOOKS_TEST_URL", "http://"+app.Address)
	t.Setenv("WEBHOOKS_TEST_EMPTY", "")
	t.Setenv("WEBHOOKS_TEST_ZERO", "127.0.0.1:0")
	t.Setenv("WEBHOOKS_TEST_TWO", "a:1 b:2")
	site := func(upstream string) string {
		return fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nrequire_https off\nforward %s {\nname app\n%s\n}\n}", harness.GitHubSecret, upstream, laterRetry)
	}
	for _, upstream := range []string{"{env.WEBHOOKS_TEST_APP}", "{env.WEBHOOKS_TEST_URL}", "{http.request.header.X-App}"} {
		c := harness.Start(t, site(upstream), "")
		r := c.GitHubRequest("/github", "expanded", "{}")
		r.Header.Set("X-App", app.Address)
		harness.CheckAnswer(t, c.Do(r), 202, "accepted")
		app.Next(t)
	}
	c := harness.Start(t, "respond 200", "")
	for upstream, text := range map[string]string{
		"{env.WEBHOOKS_TEST_UNSET}": "{env.WEBHOOKS_TEST_UNSET} is not set",
		"{env.WEBHOOKS_TEST_EMPTY}": "{env.WEBHOOKS_TEST_EMPTY} is not set, or empty",
		"{env.WEBHOOKS_TEST_ZERO}":  "port 0",
		"{env.WEBHOOKS_TEST_TWO}":   "space",
		"127.0.0.1:0":               "port 0",
		"{nobody.knows}":            "{nobody.knows}",
		"{http.vars.app}":           "{http.vars.app} is empty",
	} {
		// Another process may have the value: adapting a config asks for none.
		if _, err := harness.Adapt("http://:1 {\n" + site(upstream) + "\n}"); err != nil && strings.Contains(upstream, "{env.") {
			t.Errorf("%s: %v", upstream, err)
		}
		if err := c.Load(site(upstream)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", upstream, err)
		}
	}
	for handle, text := range map[string]string{
		"reverse_proxy {env.WEBHOOKS_TEST_UNSET}":                "{env.WEBHOOKS_TEST_UNSET} is not set",
		"route {\nreverse_proxy a:1 {env.WEBHOOKS_TEST_ZERO}\n}": "port 0",
	} {
		if err := c.Load(harness.HandledSite(laterRetry, handle)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", handle, err)
		}
	}
	if err := c.Load(harness.HandledSite(laterRetry, "map {path} {backend} {\ndefault "+app.Address+"\n}\nreverse_proxy {backend}")); err != nil {
		t.Error(err)
	}
}
