package deliveries

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func init() {
	for name, handler := range map[string]caddyhttp.MiddlewareHandler{"test_gave_up": new(quitter)} {
		caddy.RegisterModule(handler.(caddy.Module))
		httpcaddyfile.RegisterHandlerDirective(name, func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
			return handler, nil
		})
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

// quitter is a handler that reports the end of its context with a status.
type quitter struct{}

func (*quitter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_gave_up", New: func() caddy.Module { return new(quitter) }}
}

func (*quitter) ServeHTTP(_ http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	<-r.Context().Done()
	return caddyhttp.Error(404, fmt.Errorf("gave up: %w", r.Context().Err()))
}

// TestHandlerErrorsAreAnswers: what a handler refuses with an error has its status,
// like what it writes; what a reverse_proxy could not reach has none.
func TestHandlerErrorsAreAnswers(t *testing.T) {
	nobody := harness.FreePort(t)
	const later = "retry {\ninitial 1h\n}\n"
	for _, test := range []struct {
		name, lines, handle string
		state               string
		status              int
		text                string // in the attempt's error
	}{
		{"410", later, "error \"gone\" 410", "dead", 410, "gone"},
		{"410 in a route", later, "route {\nheader X-Any thing\nerror /github \"gone\" 410\n}", "dead", 410, "gone"},
		{"410 without words", later, "error 410", "dead", 410, ""},
		{"dead_on", "dead_on 401\n" + later, "basic_auth {\nbob $2a$04$8SmKaNbyKPBJmVFBsN1UbuL6ZK3a1n9tzhcWfQyVeivMmlCrQGLEu\n}\nrespond 200", "dead", 401, "not authenticated"},
		{"basic_auth", later, "basic_auth {\nbob $2a$04$8SmKaNbyKPBJmVFBsN1UbuL6ZK3a1n9tzhcWfQyVeivMmlCrQGLEu\n}\nrespond 200", "pending", 401, "not authenticated"},
		{"file_server", later, "root * " + t.TempDir() + "\nmethod GET\nfile_server", "pending", 404, ""},
		{"418", later, "error \"out of order\" 418", "pending", 418, "out of order"},
		{"body too large", later, "request_body {\nmax_size 1\n}\nreverse_proxy 127.0.0.1:" + nobody, "pending", 413, "too large"},
		{"invoke", later, "invoke gone", "dead", 410, "gone"},
		{"error in handle_response", later, "reverse_proxy APP {\n@all status 2xx\nhandle_response @all {\nerror \"not so\" 410\n}\n}", "dead", 410, "not so"},
		{"503", later, "error \"closed\" 503", "pending", 503, "closed"},
		{"no success", later, "error \"what?\" 200", "pending", 0, "what?"},
		{"refused", "dead_on 502\n" + later, "reverse_proxy 127.0.0.1:" + nobody, "pending", 0, "connection refused"},
		{"nobody is healthy", "dead_on 503\n" + later, "reverse_proxy {\ndynamic a nobody.invalid 80\n}", "pending", 0, "no upstreams"},
		{"nobody there to ask", "dead_on 502\n" + later, "forward_auth 127.0.0.1:" + nobody + " {\nuri /\n}\nrespond 200", "pending", 0, "connection refused"},
		{"upstream is slow", "dead_on 504\n" + later, "reverse_proxy APP/ {\ntransport http {\nresponse_header_timeout 50ms\n}\n}", "pending", 0, "timeout"},
		{"attempt is over", "timeout 50ms\ndead_on 404\n" + later, "test_gave_up", "pending", 0, "timeout after 50ms"},
		{"goexit", later, "test_goexit", "pending", 0, "runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := harness.StartApplication(t)
			if test.name == "upstream is slow" {
				app.AnswerWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			}
			handle := strings.ReplaceAll(strings.ReplaceAll(test.handle, "APP/", app.Address), "APP", app.Address)
			c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db"), "")
			c.Options += "\n}\n&(gone) {\nerror \"gone\" 410\n"
			harness.Begin(t, c, harness.HandledSite(test.lines, handle))
			harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "refused", "{}")), 202, "accepted")
			var d api.Delivery
			harness.Eventually(t, "one attempt ended", func() bool {
				d = c.Delivery("event_id=refused")
				return d.Attempts == 1 && d.State == test.state
			})
			if d.LastStatus != test.status || !strings.Contains(d.LastError, test.text) {
				t.Errorf("last status %d, error %q: want %d, %q", d.LastStatus, d.LastError, test.status, test.text)
			}
			if test.state == "dead" && d.Reason != fmt.Sprintf("status_%d", test.status) {
				t.Errorf("reason %q", d.Reason)
			}
		})
	}
}

// TestHandlerErrorKeepsRetryAfter: what was set on the writer before the error counts.
func TestHandlerErrorKeepsRetryAfter(t *testing.T) {
	for _, code := range []int{429, 503} {
		c := harness.Start(t, harness.HandledSite("retry {\ninitial 1ms\n}", fmt.Sprintf("route {\nheader Retry-After 1000\nerror \"slow down\" %d\n}", code)), "")
		started := time.Now()
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "later", "{}")), 202, "accepted")
		var d api.Delivery
		harness.Eventually(t, "one attempt ended", func() bool {
			d = c.Delivery("event_id=later")
			return d.Attempts == 1 && d.State == "pending"
		})
		if wait := d.NextAttemptAt.Sub(started); wait < 990*time.Second || wait > 1100*time.Second {
			t.Errorf("%d: next attempt in %s", code, wait)
		}
	}
}

// TestHandlerErrorsAndTheBreaker: who refuses lives; only 5xx and no answer open it.
func TestHandlerErrorsAndTheBreaker(t *testing.T) {
	for _, test := range []struct {
		code  int
		state string
	}{{404, "closed"}, {429, "closed"}, {503, "open"}} {
		c := harness.Start(t, harness.HandledSite("breaker 2 1h\nretry {\ninitial 1h\n}", fmt.Sprintf("error %d", test.code)), "")
		for n := range 3 {
			id := fmt.Sprint("breaker-", n)
			harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", id, "{}")), 202, "accepted")
			if n < 2 {
				harness.Eventually(t, "the attempt ended", func() bool { return c.Delivery("event_id="+id).Attempts == 1 })
			}
		}
		var stats api.Stats
		c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
		if got := stats.Destinations[0].Breaker; string(got) != test.state {
			t.Errorf("after errors %d the breaker is %s: want %s", test.code, got, test.state)
		}
	}
}

// TestHandlerErrorIsNotRelayed: the provider that waits for the application's
// answer gets no error of a handler, nor a success made of one.
func TestHandlerErrorIsNotRelayed(t *testing.T) {
	for _, handle := range []string{"error \"gone\" 410", "error \"what?\" 200", "route {\nheader Content-Type text/xml\nerror \"secret words\" 404\n}", "test_goexit"} {
		site := harness.Edited(harness.HandledSite("retry {\ninitial 1h\n}", handle), "require_https off", "require_https off\nrespond upstream 10s")
		c := harness.Start(t, site, "")
		got := c.Do(c.GitHubRequest("/github", "relayed", "{}"))
		harness.CheckAnswer(t, got, 202, "accepted")
		if strings.Contains(got.Body, "secret words") {
			t.Errorf("answered %q", got.Body)
		}
	}
}
