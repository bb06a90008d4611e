package caddywebhooks

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// hooked wants the endpoint's matcher, its secret and what follows.
const hooked = `webhooks %s github {
	secret "%s"
	require_https off
	%s
}`

// TestRoutesCheck has Caddyfiles in which something else takes what is the
// endpoint's, and similar ones in which nothing does.
func TestRoutesCheck(t *testing.T) {
	app := startApplication(t)
	const to = "forward APP {\nname app\n}"
	endpoint := func(matcher, mode string) string { return fmt.Sprintf(hooked, matcher, githubSecret, mode) }
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
		{"whose matcher cannot be made up", "@hook expression {query.k}.matches('^[0-9]{8}$')\nroute {\nrespond site\n" + endpoint("@hook", to) + "\n}", ""},
		{"invoked", "invoke page", ""},
		{"guard with a closed prefix", "handle /hooks* {\nroute /hooks/github {\n" + endpoint("", "") + "\nreverse_proxy APP\n}\nrespond 404\n}\nreverse_proxy APP", ""},
		{"guard beside the same application", "route /hooks/github {\n" + endpoint("", "") + "\nreverse_proxy APP\n}\nreverse_proxy APP", "POST localhost/hooks/github/ comes to the same application"},
		{"guard beside another application", "route /hooks/github {\n" + endpoint("", "") + "\nreverse_proxy APP\n}\nreverse_proxy localhost:1", ""},
		{"forward beside the same application", endpoint("/hooks/github", to) + "\nreverse_proxy APP", "comes to the same application"},
		{"forward of a prefix beside the same application", endpoint("/hooks/github*", to) + "\nreverse_proxy APP", ""},
		{"handlers beside the same application", endpoint("/hooks/github", "forward {\nname app\nhandle {\nroute {\nreverse_proxy APP\n}\n}\n}") + "\nreverse_proxy APP", "comes to the same application"},
		{"case beside the same application", "@hook path_regexp ^/github\n" + endpoint("@hook", to) + "\nreverse_proxy APP", "POST localhost/GITHUB comes to the same application"},
	}
	c := startCaddy(t, "\trespond empty", "")
	c.routes = "&(page) {\n" + endpoint("/github", strings.ReplaceAll(to, "APP", app.address)) + "\n}\n"
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			site := strings.ReplaceAll(test.site, "APP", app.address)
			if err := c.load("\t" + site); err != nil {
				t.Fatal(err)
			}
			var report doctorView
			c.adminCall(http.MethodGet, "/webhooks/doctor", "", &report)
			var found []string
			for _, check := range report.Checks {
				if check.Name == "route" {
					found = append(found, check.Message)
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

// TestUnreachedIsLogged says it at load, since nothing else would.
func TestUnreachedIsLogged(t *testing.T) {
	log := t.TempDir() + "/log"
	startCaddyLogging(t, log, "route {\nrespond site\n"+fmt.Sprintf(hooked, "/github", githubSecret, "forward localhost:1")+"\n}")
	lines, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(lines), "webhooks do not come to their endpoint") {
		t.Errorf("the log does not say that the endpoint cannot be reached:\n%s", lines)
	}
}
