package deliveries

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
)

// TestInterceptedRefusal: `intercept` around an endpoint must not tell the provider that an event
// was taken which was not.
func TestInterceptedRefusal(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	for name, intercept := range map[string]string{
		"status":           "replace_status 200",
		"handler":          "handle_response {\nrespond fine 200\n}",
		"status of errors": "@e status 4xx 5xx\nreplace_status @e 204",
	} {
		for _, log := range []string{"", "log\n", "log\nencode\n"} {
			site := log + "route {\nintercept {\n" + intercept + "\n}\nintercept {\n" + intercept + "\n}\n" +
				fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret, "forward "+app.Address) +
				"\nroute /guard {\nwebhooks github {\nname guard\nsecret \"" + harness.GitHubSecret + "\"\nrequire_https off\n}\nreverse_proxy " + app.Address + "\n}\n}"
			c := harness.Start(t, site, "")
			forged := c.GitHubRequest("/github", "forged", "{}")
			forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("else"))
			harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
			for range 2 {
				if got := c.Do(c.GitHubRequest("/guard", "failing", "{}")); got.Code != 500 || got.Header.Get("Webhook-Status") != intake.OutcomeFailed {
					t.Errorf("%s, guard mode: answered %d %q", name, got.Code, got.Body)
				}
			}
			if r := c.GitHubRequest("/github", "fine", "{}"); name == "status of errors" {
				harness.CheckAnswer(t, c.Do(r), 202, "accepted")
			}
		}
	}
}

// statusChanger makes successes of all answers, as a handler of somebody else could.
type statusChanger struct{}

func (*statusChanger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_change", New: func() caddy.Module { return new(statusChanger) }}
}

func (*statusChanger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { d.Next(); return nil }

func (*statusChanger) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(changedWriter{&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}, r)
}

type changedWriter struct {
	*caddyhttp.ResponseWriterWrapper
}

func (w changedWriter) WriteHeader(int) { w.ResponseWriterWrapper.WriteHeader(200) }

// TestChangedRefusal: another handler that does so is found out.
func TestChangedRefusal(t *testing.T) {
	c := harness.Start(t, "log\nroute {\ntest_change\n"+fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret, "name "+filepath.Base(filepath.Dir(t.TempDir()))+"\nforward localhost:1")+"\n}", "")
	if c.Finds(t, "answer", "makes successes of its refusals") {
		t.Error("found before anything was changed")
	}
	forged := c.GitHubRequest("/github", "forged", "{}")
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("else"))
	if got := c.Do(forged); got.Code != 200 || !strings.Contains(got.Body, "invalid_signature") {
		t.Fatalf("answered %d %s: this test shows nothing", got.Code, got.Body)
	}
	harness.Eventually(t, "the doctor finds it", func() bool { return c.Finds(t, "answer", "it answered 401, and 200 went out") })
}
