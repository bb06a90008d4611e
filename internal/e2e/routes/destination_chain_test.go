package routes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestHandleThatDeliversNothing refuses handlers by which an event would count as delivered, or
// be tried for ever, and the application would never get it.
func TestHandleThatDeliversNothing(t *testing.T) {
	app := harness.StartApplication(t)
	site := func(handle string) string {
		return fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret, "forward {\nname app\nhandle {\n"+strings.ReplaceAll(handle, "APP", app.Address)+"\n}\n}")
	}
	c := harness.Start(t, "respond empty", "")
	for _, test := range []struct{ name, handle, want string }{
		{"respond", "reverse_proxy APP\nrespond 202", "respond (or redir) answers every event before reverse_proxy"},
		{"respond with a path that all match", "reverse_proxy APP\nrespond /* 202", "answers every event before reverse_proxy"},
		{"respond some", "@x path /other\nreverse_proxy APP\nrespond @x 202", ""},
		{"respond last", "route {\nreverse_proxy @x APP\nrespond 410\n}\n@x header X-Kind a", ""},
		{"redir", "reverse_proxy APP\nredir https://else.example", "respond (or redir) answers"},
		{"abort", "reverse_proxy APP\nabort", "abort answers"},
		{"error", "route {\nerror 410\nreverse_proxy APP\n}", "error answers"},
		{"file_server", "route {\nfile_server\nreverse_proxy APP\n}", "file_server answers every event before reverse_proxy"},
		{"file_server that passes on", "route {\nfile_server {\npass_thru\n}\nreverse_proxy APP\n}", ""},
		{"two applications", "route {\nreverse_proxy APP\nreverse_proxy localhost:1\n}", "reverse_proxy answers every event before reverse_proxy"},
		{"a login", "route {\nforward_auth APP {\nuri /login\n}\nreverse_proxy APP\n}", ""},
		{"in a route below", "route {\nroute {\nrespond 200\n}\ntest_hang\n}", "respond (or redir) answers every event before test_hang"},
		{"in handles", "handle /a {\nrespond 200\n}\nhandle {\nreverse_proxy APP\n}", ""},
		{"only headers", "header X-Kind a", "no handler in it answers"},
		{"only a rewrite", "rewrite /index.php", "no handler in it answers"},
		{"only an answer", "respond 204", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.Load(site(test.handle))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestNullInJSON: null for a destination, a route or handlers is an error with a name, and no panic.
func TestNullInJSON(t *testing.T) {
	for _, test := range []struct{ forward, want string }{
		{`[null]`, "destination 1 is null"},
		{`[{"name":"a","upstreams":["localhost:1"]},null]`, "destination 2 is null"},
		{`[{"name":"a","handle":[null]}]`, "no handler in it answers"},
		{`[{"name":"a","handle":[{"handle":[]}]}]`, "no handler in it answers"},
		{`[{"name":"a","handle":[{"handle":[null]}]}]`, ""},
	} {
		config := fmt.Sprintf(`{"admin":{"disabled":true},"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:%s"],"routes":[{"handle":[
			{"handler":"webhooks","provider":"github","secrets":["some secret of ours"],"forward":%s}]}]}}},
			"webhooks":{"store":{"backend":"file","path":%q}}}}`, harness.FreePort(t), test.forward, t.TempDir()+"/db")
		var parsed caddy.Config
		if err := caddy.StrictUnmarshalJSON([]byte(config), &parsed); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&parsed); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.forward, err, test.want)
		}
	}
}

// TestHandleThatMatchesNothing: a destination whose matchers the endpoint's webhooks cannot pass.
func TestHandleThatMatchesNothing(t *testing.T) {
	app := harness.StartApplication(t)
	site := func(matcher string) string {
		return "handle_path /hooks/* {\n" + fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret,
			"forward {\nname app\nhandle {\n"+matcher+"\nreverse_proxy @x "+app.Address+"\n}\n}") + "\n}"
	}
	c := harness.Start(t, "respond empty", "")
	for _, test := range []struct {
		matcher string
		found   bool
	}{
		{"@x path /hooks/github", true},
		{"@x path /github", false},
		{"@x method PUT", true},
		{"@x header X-GitHub-Event push", false},
		{"@x path_regexp ^/hub", true},
	} {
		if err := c.Load(site(test.matcher)); err != nil {
			t.Fatal(err)
		}
		if got := c.Finds(t, "route", "find no handler"); got != test.found {
			t.Errorf("%s: found %v", test.matcher, got)
		}
	}
}
