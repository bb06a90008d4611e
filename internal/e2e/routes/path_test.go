package routes

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestOddPaths sends signed webhooks by paths that match the endpoint's, and that an application
// may take for others.
func TestOddPaths(t *testing.T) {
	app := harness.StartApplication(t)
	block := fmt.Sprintf("{\nname %%s\nsecret %q\nrequire_https off\n", harness.GitHubSecret)
	c := harness.Start(t, "webhooks /github* github "+fmt.Sprintf(block, "forward")+"forward "+app.Address+"\n}\n"+
		"route /guard* {\nwebhooks github "+fmt.Sprintf(block, "guard")+"}\nreverse_proxy "+app.Address+"\n}", "")
	for _, name := range []string{"github", "guard"} {
		for i, path := range []string{
			"/internal/delete/../../NAME", "/internal/..%2fNAME", "/NAME/.", "/NAME/../NAME", "//NAME", "/NAME/a/%2e%2e/x", "/NAME%5cx",
			`/NAME\x`, "/%67" + name[1:], "/NAME%00", "/NAME/%252e%252e/x", "/NAME/..;/x",
		} {
			if name == "guard" && path == "/%67"+name[1:] {
				path = "/%67uard"
			}
			path = strings.ReplaceAll(path, "NAME", name)
			got := rawPost(t, c, path, fmt.Sprint(name, i))
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "ambiguous_request") {
				t.Errorf("%s: answered %q", path, got)
			}
		}
		for i, path := range []string{"/NAME", "/NAME/", "/NAME/a%20b", "/NAME/~me", "/NAME/%7Eme", "/NAME/acme.inc?a=%2f..%2f", "/NAME/50%25", "/NAME/caf%C3%A9", "/NAME/a;b=c"} {
			path = strings.ReplaceAll(path, "NAME", name)
			if got := rawPost(t, c, path, fmt.Sprint(name, "fine", i)); !strings.HasPrefix(got, "HTTP/1.1 20") {
				t.Errorf("%s: answered %q", path, got)
			}
			if arrived := app.Next(t); arrived.URI != path {
				t.Errorf("%s: arrived as %s", path, arrived.URI)
			}
		}
	}
	if len(app.Got) != 0 {
		t.Errorf("%s came to the application", (<-app.Got).URI)
	}
}

// rawPost sends a signed webhook with the path as it is, and returns the beginning of the answer.
func rawPost(t *testing.T, c *harness.Caddy, path, id string) string {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+c.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-GitHub-Delivery: %s\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
		path, id, harness.GitHubSignature("{}"))
	var all strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			return all.String()
		}
	}
}

// TestReroutingHeaders: what frameworks take another path or host from does not come from a sender.
func TestReroutingHeaders(t *testing.T) {
	app := harness.StartApplication(t)
	site := "webhooks /github github {\nsecret \"" + harness.GitHubSecret + "\"\nrequire_https off\nforward " + app.Address + "\n}\n" +
		"route /guard {\nwebhooks github {\nname guard\nsecret \"" + harness.GitHubSecret + "\"\nrequire_https off\n}\nreverse_proxy " + app.Address + "\n}"
	const trusting = "servers {\ntrusted_proxies static 127.0.0.1/8\n}"
	for _, trusted := range []bool{false, true} {
		extra := ""
		if trusted {
			extra = trusting
		}
		c := harness.Start(t, site, extra)
		for _, path := range []string{"/github", "/guard"} {
			r := c.GitHubRequest(path, fmt.Sprint(path, trusted), "{}")
			names := []string{"X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Prefix", "Forwarded"}
			for _, name := range names {
				r.Header.Set(name, "/internal/delete")
			}
			r.Header["X_original_url"] = []string{"/internal/delete"}
			if got := c.Do(r); got.Code >= 300 {
				t.Fatalf("answered %d %s", got.Code, got.Body)
			}
			arrived := app.Next(t).Header
			for _, name := range names {
				if there := arrived.Get(name) != ""; there != trusted {
					t.Errorf("%s, trusted %v: %s is %q", path, trusted, name, arrived[name])
				}
			}
			if arrived[http.CanonicalHeaderKey("X_original_url")] != nil && !trusted {
				t.Errorf("%s: X_Original_URL arrived", path)
			}
		}
	}
}
