package routes

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// besides is, for each of Caddy's ordered directives, how somebody writes it in
// the site of an endpoint at /github such that it could take or change a webhook.
var besides = map[string]string{
	"tracing":               "tracing\n",
	"map":                   "map {path} {kind} {\n\tdefault page\n}\n",
	"vars":                  "vars kind page\n",
	"fs":                    "fs default\n",
	"root":                  "root /srv\n",
	"log_append":            "log_append kind page\n",
	"skip_log":              "skip_log\n",
	"log_skip":              "log_skip\n",
	"log_name":              "log_name pages\n",
	"log_level":             "log_level info\n",
	"header":                "header X-Frame-Options DENY\n",
	"copy_response_headers": "", // in reverse_proxy's handle_response only
	"request_body":          "request_body {\n\tmax_size 1MB\n}\n",
	"timeouts":              "timeouts {\n\tread_timeout 1m\n}\n",
	"redir":                 "redir https://example.com\n",
	"method":                "method GET\n",
	"rewrite":               "rewrite * /index.php\n",
	"uri":                   "uri strip_prefix /github\n",
	"try_files":             "try_files {path} /index.html\nfile_server\n",
	"basicauth":             "basicauth {\n\tann " + bcryptLetmein + "\n}\n",
	"basic_auth":            "basic_auth {\n\tann " + bcryptLetmein + "\n}\n",
	"forward_auth":          "forward_auth SITE {\n\turi /login\n}\n",
	"request_header":        "request_header -X-Hub-Signature-256\n",
	"encode":                "encode gzip\n",
	"push":                  "push /style.css\n",
	"intercept":             "intercept {\n\thandle_response {\n\t\trespond teapot 418\n\t}\n}\n",
	"templates":             "templates\n",
	"invoke":                "invoke page\n",
	"handle":                "handle /api/* {\n\treverse_proxy SITE\n}\nhandle {\n\treverse_proxy SITE\n}\n",
	"handle_path":           "handle_path /git* {\n\treverse_proxy SITE\n}\n",
	"route":                 "route {\n\treverse_proxy SITE\n}\n",
	"abort":                 "abort\n",
	"error":                 "error gone 410\n",
	"copy_response":         "", // in reverse_proxy's handle_response only
	"respond":               "respond \"the site\"\n",
	"metrics":               "metrics\n",
	"reverse_proxy":         "reverse_proxy SITE\n",
	"php_fastcgi":           "php_fastcgi SITE\n",
	"file_server":           "file_server\n",
	"acme_server":           "acme_server\n",
}

// TestDirectiveOrder puts each of Caddy's directives into the site of an
// endpoint: none of them may take a webhook from it, before or behind it in the
// Caddyfile, or change what is verified.
func TestDirectiveOrder(t *testing.T) {
	app, site := harness.StartApplication(t), harness.StartApplication(t)
	addresses := strings.NewReplacer("APP", app.Address, "SITE", site.Address)
	c := harness.Start(t, "\trespond empty", "skip_install_trust") // of acme_server's authority
	c.Routes = addresses.Replace("&(page) {\n\treverse_proxy SITE\n}\n")
	standard := standardDirectives(t)
	for _, directive := range standard {
		beside, ok := besides[directive]
		if !ok {
			t.Errorf("Caddy has a directive %q: say here how it is written beside an endpoint", directive)
		}
		if beside == "" {
			continue
		}
		t.Run(directive, func(t *testing.T) {
			for i, order := range []string{"ENDPOINT BESIDE", "BESIDE ENDPOINT"} {
				load := func(forward string) {
					endpoint := fmt.Sprintf(githubEndpoint, harness.GitHubSecret, forward)
					if err := c.Load(addresses.Replace(strings.NewReplacer("ENDPOINT", endpoint, "BESIDE", beside).Replace(order))); err != nil {
						t.Fatal(err)
					}
				}
				load("")
				refusesForged(c)
				load("forward APP {\nname app\n}")
				refusesForged(c)
				id := fmt.Sprintf("%s-%d", directive, i)
				if got := c.Do(c.GitHubRequest("/github", id, "{}")); got.Code != http.StatusAccepted {
					t.Fatalf("a webhook was answered %d %q", got.Code, got.Body)
				}
				if delivered := app.Next(t); delivered.URI != "/github" || delivered.Header.Get("X-Github-Delivery") != id {
					t.Errorf("delivered was %s of %s", delivered.URI, delivered.Header.Get("X-Github-Delivery"))
				}
			}
		})
	}
	for directive := range besides {
		if !slices.Contains(standard, directive) {
			t.Errorf("Caddy has no directive %q any more", directive)
		}
	}
	if len(site.Got) > 0 {
		t.Errorf("the site behind the other directives got %d webhooks", len(site.Got))
	}
}

// githubEndpoint wants the secret and what follows it.
const githubEndpoint = `
webhooks /github github {
	secret "%s"
	require_https off
	%s
}
`

// refusesForged sends a webhook that is no provider's.
func refusesForged(c *harness.Caddy) {
	c.T.Helper()
	forged := c.GitHubRequest("/github", "forged", "{}")
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("other"))
	if got := c.Do(forged); got.Code != http.StatusUnauthorized || got.Header.Get("Webhook-Status") != "invalid_signature" {
		c.T.Errorf("another handler answered a forged webhook: %d %q", got.Code, got.Body)
	}
}

// standardDirectives are those that Caddy itself orders, read from its source:
// it has them in a variable that it does not export.
func standardDirectives(t *testing.T) []string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "caddyconfig", "httpcaddyfile", "directives.go")
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "defaultDirectiveOrder" {
			return true
		}
		for _, element := range spec.Values[0].(*ast.CompositeLit).Elts {
			name, err := strconv.Unquote(element.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		return false
	})
	if len(names) < 30 {
		t.Fatalf("only %d directives were found in %s", len(names), source)
	}
	return names
}

// bcryptLetmein is a cheap hash of "letmein".
const bcryptLetmein = "$2a$04$lh3VoBxd7xHPBDuCFFIE6ekVZ0BUvAUlMIH4NgzNB/3KLg1qZAVje"
