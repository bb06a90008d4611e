package routes

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestRoutesCheck has Caddyfiles in which something else takes what is the
// endpoint's, and similar ones in which nothing does.
func TestRoutesCheck(t *testing.T) {
	app := harness.StartApplication(t)
	port := app.Address[strings.LastIndexByte(app.Address, ':')+1:]
	t.Setenv("REACH_TEST_TO", app.Address)
	const to = "forward APP {\nname app\n}"
	endpoint := func(matcher, mode string) string {
		return fmt.Sprintf(harness.Hooked, matcher, harness.GitHubSecret, mode)
	}
	tests := []struct {
		name, site string
		finding    string // a part of it; empty: none
	}{
		{"alone", endpoint("/github", to), ""},
		{"handle beside it", endpoint("/github", to) + "\nhandle {\nrespond site\n}", ""},
		{"in a handle", "handle /hooks/* {\n" + endpoint("/hooks/github", to) + "\n}\nhandle {\nrespond site\n}", ""},
		{"in a handle_path", "handle_path /hooks/* {\n" + endpoint("/github", to) + "\n}\nhandle {\nrespond site\n}", ""},
		{"in a route", "route {\n" + endpoint("/github", to) + "\nrespond site\n}", ""},
		{"behind respond in a route", "route {\nrespond site\n" + endpoint("/github", to) + "\n}", "respond (or redir) gets it first"},
		{"behind abort in a route", "route {\nabort /github\n" + endpoint("/github", to) + "\n}", "abort gets it first"},
		{"behind error in a route", "route {\nerror gone 410\n" + endpoint("/github", to) + "\n}", "error gets it first"},
		{"behind a password", "route {\nbasic_auth {\nann " + bcryptLetmein + "\n}\n" + endpoint("/github", to) + "\n}", "basic_auth gets it first"},
		{"behind another login", "route {\nforward_auth APP {\nuri /login\n}\n" + endpoint("/github", to) + "\n}", "reverse_proxy gets it first"},
		{"in a second handle", "handle /git* {\nrespond site\n}\nhandle /github {\n" + endpoint("", to) + "\n}", ""}, // sorted by length
		{"in a handle that another excludes", "route {\nhandle /git* {\nrespond site\n}\nhandle /github {\n" + endpoint("", to) + "\n}\n}", "respond (or redir) gets it first"},
		{"behind a rewrite in a route", "route {\nrewrite * /index.php\n" + endpoint("/github", to) + "\n}", "no handler gets it"},
		{"behind another endpoint", endpoint("/git*", to+"\nname all") + "\n" + endpoint("/git*", to+"\nname one"), "endpoint all gets it first"},
		{"with a regular expression", "@hook path_regexp ^/hooks/(github|gitlab)/[0-9]+$\n" + endpoint("@hook", to) + "\nhandle {\nrespond site\n}", ""},
		{"behind one with a regular expression", "route {\n@hook path_regexp ^/hooks/[^/]+$\nrespond @hook site\n" + endpoint("/hooks/*", to) + "\n}", "POST localhost/hooks/webhook does not come to it"},
		{"with header, query, method and address", "@hook {\nheader X-Kind a*\nquery k=v\nmethod PUT POST\nremote_ip 10.0.0.0/8\nhost hooks.example.com\n}\n" +
			"route {\nrespond @hook site\n" + endpoint("@hook", to) + "\n}", "POST hooks.example.com/?k=v does not come to it"},
		{"whose matcher cannot be made up", "@hook expression {query.k}.matches('^[0-9]{8}$')\nroute {\nrespond site\n" + endpoint("@hook", to) + "\n}", "no request could be made up for expression on the way to it"},
		{"invoked", "invoke page", ""},
		{"guard with a closed prefix", "handle /hooks* {\nroute /hooks/github {\n" + endpoint("", "") + "\nreverse_proxy APP\n}\nrespond 404\n}\nreverse_proxy APP", ""},
		{"guard beside the same application", "route /hooks/github {\n" + endpoint("", "") + "\nreverse_proxy APP\n}\nreverse_proxy APP", "POST localhost/hooks/github/ comes to the same application"},
		{"guard beside another application", "route /hooks/github {\n" + endpoint("", "") + "\nreverse_proxy APP\n}\nreverse_proxy localhost:1", ""},
		{"forward beside the same application", endpoint("/hooks/github", to) + "\nreverse_proxy APP", "comes to the same application"},
		{"forward of a prefix beside the same application", endpoint("/hooks/github*", to) + "\nreverse_proxy APP", ""},
		{"handlers beside the same application", endpoint("/hooks/github", "forward {\nname app\nhandle {\nroute {\nreverse_proxy APP\n}\n}\n}") + "\nreverse_proxy APP", "comes to the same application"},
		{"case beside the same application", "@hook path_regexp ^/github\n" + endpoint("@hook", to) + "\nreverse_proxy APP", "POST localhost/GITHUB comes to the same application"},
		{"further endpoint in guard mode", "route /hooks/github {\n" + endpoint("", "name one") + "\n" + endpoint("", "name two") + "\nreverse_proxy APP\n}", ""},
		{"of this machine by another name", endpoint("/hooks/github", to) + "\nreverse_proxy localhost:PORT", "comes to the same application"},
		{"of another machine", endpoint("/hooks/github", to) + "\nreverse_proxy 192.0.2.1:PORT", ""},
		{"by placeholders", endpoint("/hooks/github", "forward {$REACH_TEST_TO} {\nname app\n}") + "\nreverse_proxy {env.REACH_TEST_TO}", "comes to the same application"},
		{"address", "@h {\npath /hook*\nremote_ip 192.30.252.0/22\n}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "POST localhost/hook from another address comes to the same application"},
		{"address of another application", "@h {\npath /hook*\nremote_ip 192.30.252.0/22\n}\n" + endpoint("@h", to) + "\nreverse_proxy localhost:1", ""},
		{"header", "@h {\npath /hook*\nheader X-Hub-Signature-256 *\n}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "POST localhost/hook without the header X-Hub-Signature-256 comes"},
		{"content type", "@h {\npath /hook*\nheader Content-Type application/json\n}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "without the header Content-Type comes"},
		{"query", "@h {\npath /hook*\nquery token=abc\n}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "POST localhost/hook without the query comes"},
		{"protocol", "@h {\npath /hook*\nprotocol https\n}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "by plain HTTP comes"},
		{"host", "@h {\npath /hook*\nhost hooks.example.com\n}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "POST elsewhere.example/hook (another host) comes"},
		{"wildcard host with a more specific one", "@s host *.example.com\n@api host api.example.com\nhandle @api {\nreverse_proxy APP\n}\nhandle @s {\n" + endpoint("/hook*", to) + "\n}", "POST api.example.com/hook (another host) comes"},
		{"another host that is closed", "@h {\npath /hook*\nhost hooks.example.com\n}\n" + endpoint("@h", to) + "\nhandle /hook* {\nrespond 404\n}\nreverse_proxy APP", ""},
		{"all alternatives", "@h path_regexp ^/(hook|hook2)$\nroute {\nrespond /hook2 site\n" + endpoint("@h", to) + "\n}", "POST localhost/hook2 does not come to it"},
		{"with a query in the path", endpoint("/hook?x=1", to) + "\nreverse_proxy APP", "has a query in it"},
		{"with an escaped letter", endpoint("/ho%6fk", to) + "\nreverse_proxy APP", "has an escaped letter"},
		{"with what handle_path takes off", "handle_path /hooks/* {\n" + endpoint("/hooks/github", to) + "\nreverse_proxy APP\n}", "begins with /hooks, which is taken off before"},
		{"with what uri takes off", "route {\nuri strip_prefix /hooks\n" + endpoint("/hooks/github", to) + "\nreverse_proxy APP\n}", "begins with /hooks, which is taken off before"},
		{"by another method", "@g {\npath /hook\nmethod GET\n}\n" + endpoint("@g", to) + "\nreverse_proxy APP", "asks for another method than POST"},
		{"with a placeholder that is unset", "@h path {env.REACH_TEST_UNSET}\n" + endpoint("@h", to) + "\nreverse_proxy APP", "could not be checked"},
		{"behind what is outside of its handle", "basic_auth {\nann " + bcryptLetmein + "\n}\nhandle /hook {\n" + endpoint("", to) + "\n}", "take it out of `handle`, and give it the matcher itself"},
	}
	c := harness.Start(t, "\trespond empty", "")
	c.Routes = "&(page) {\n" + endpoint("/github", strings.ReplaceAll(to, "APP", app.Address)) + "\n}\n"
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			site := strings.ReplaceAll(strings.ReplaceAll(test.site, "APP", app.Address), "PORT", port)
			if err := c.Load("\t" + site); err != nil {
				t.Fatal(err)
			}
			var report api.Doctor
			c.AdminCall(http.MethodGet, "/webhooks/doctor", "", &report)
			var found []string
			for _, check := range report.Checks {
				if check.Name == "route" {
					found = append(found, check.Message+" → "+check.Fix)
				}
			}
			switch {
			case test.finding == "" && len(found) > 0:
				t.Errorf("found %q", found)
			case test.finding != "" && !slices.ContainsFunc(found, func(message string) bool { return strings.Contains(message, test.finding) }):
				t.Errorf("found %q, want %q", found, test.finding)
			}
		})
	}
}

// TestConditionsAreLogged: what is open by the very URL of the endpoint is said at load.
func TestConditionsAreLogged(t *testing.T) {
	log := t.TempDir() + "/log"
	harness.StartLogging(t, log, "@h {\npath /hook*\nremote_ip 192.30.252.0/22\n}\n"+fmt.Sprintf(harness.Hooked, "@h", harness.GitHubSecret, "forward localhost:1")+"\nreverse_proxy 127.0.0.1:1")
	lines, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(lines); !strings.Contains(text, "requests come to the application past its endpoint") || !strings.Contains(text, "from another address") || strings.Contains(text, "/hook/") {
		t.Errorf("the log does not say what comes past the endpoint, or too much:\n%s", text)
	}
}

// TestUnsetVariableIsLogged: handlers work with nothing in its place.
func TestUnsetVariableIsLogged(t *testing.T) {
	log := t.TempDir() + "/log"
	t.Setenv("SET_FOR_TEST", "x")
	harness.StartLogging(t, log, fmt.Sprintf(harness.Hooked, "/hook", harness.GitHubSecret, "forward {\nname app\nhandle {\nreverse_proxy localhost:1 {\nheader_up X {env.UNSET_FOR_TEST}{env.SET_FOR_TEST}\n}\n}\n}"))
	lines, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(lines); !strings.Contains(text, `"variable":"UNSET_FOR_TEST"`) || strings.Contains(text, `"variable":"SET_FOR_TEST"`) {
		t.Errorf("the log does not name the variable, or another one:\n%s", text)
	}
}

// TestNoEndpoint: a named route that no site invokes is no endpoint.
func TestNoEndpoint(t *testing.T) {
	c := harness.Start(t, "respond empty", "")
	c.Routes = "&(page) {\n" + fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret, "forward localhost:1") + "\n}\n"
	if err := c.Load("respond empty"); err != nil {
		t.Fatal(err)
	}
	if !c.Finds(t, "endpoints", "there is no endpoint") {
		t.Error("not found")
	}
}

// TestUnreachedIsLogged says it at load, since nothing else would.
func TestUnreachedIsLogged(t *testing.T) {
	log := t.TempDir() + "/log"
	harness.StartLogging(t, log, "route {\nrespond site\n"+fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret, "forward localhost:1")+"\n}")
	lines, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(lines), "webhooks do not come to their endpoint") {
		t.Errorf("the log does not say that the endpoint cannot be reached:\n%s", lines)
	}
}
