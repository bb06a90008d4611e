package deliveries

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// awaitLoop waits until a delivery came back, and is kept.
func awaitLoop(c *harness.Caddy, query string) {
	c.T.Helper()
	var d api.Delivery
	harness.Eventually(c.T, "the attempt came back", func() bool {
		d = c.Delivery(query)
		return d.Attempts == 1
	})
	if d.State != "pending" || d.LastStatus != 508 || !strings.Contains(d.LastError, "loop") {
		c.T.Errorf("%+v", d)
	}
}

const laterRetry = "retry {\ninitial 1h\n}"

// TestLoop: a destination that leads back to its own endpoint has not got the event.
func TestLoop(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	// Caddy writes its own port; the site is known only once it runs.
	site := func(port string) string {
		return fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nrequire_https off\nforward 127.0.0.1:%s {\nname app\n%s\n}\n}", harness.GitHubSecret, port, laterRetry)
	}
	c := harness.StartLogging(t, log, site("9"))
	if err := c.Load(site(c.Port)); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "round", "{}")), 202, "accepted")
	awaitLoop(c, "event_id=round")
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "is the server that its own endpoint is on") {
		t.Errorf("no warning at load (%v)", err)
	}
	// What came back does not count as the webhook's own repeat, and a corrected config delivers it.
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "round", "{}")), 200, "duplicate")
	app := harness.StartApplication(t)
	if err := c.Load(site(app.Address[strings.LastIndexByte(app.Address, ':')+1:])); err != nil {
		t.Fatal(err)
	}
	d := c.Delivery("event_id=round")
	if code := c.AdminCall(http.MethodPost, "/webhooks/deliveries/"+d.ID+"/replay", "", nil); code != 200 {
		t.Fatalf("replay answered %d", code)
	}
	if got := app.Next(t); got.Header.Get("Webhook-Via") == "" {
		t.Errorf("header: %v", got.Header)
	}
}

// TestLoopWithoutMarks: a proxy in `handle` takes out the headers by which the endpoint would know
// its own delivery.
func TestLoopWithoutMarks(t *testing.T) {
	for _, strip := range []string{"header_up -Webhook-Via", "header_up -Webhook-*", "header_up -Webhook-*\nheader_up X-GitHub-Delivery other"} {
		log := filepath.Join(t.TempDir(), "log")
		c := harness.StartLogging(t, log, "respond 200")
		site := fmt.Sprintf(harness.Hooked, "/github", harness.GitHubSecret, "forward {\nname app\n"+laterRetry+"\nhandle {\nreverse_proxy 127.0.0.1:"+c.Port+" {\n"+strip+"\n}\n}\n}")
		if err := c.Load(site); err != nil {
			t.Fatal(err)
		}
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "round", "{}")), 202, "accepted")
		awaitLoop(c, "event_id=round")
		if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "is the server that its own endpoint is on") {
			t.Errorf("no warning at load (%v)", err)
		}
	}
}

// TestNoLoopOfChain: another endpoint of this process is a destination like any other, also when it
// answers that it has the event already.
func TestNoLoopOfChain(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 200", "")
	site := "webhooks /a github {\nname a\nsecret \"" + harness.GitHubSecret + "\"\nrequire_https off\nforward {\nname b\nhandle {\nrewrite /b\nreverse_proxy 127.0.0.1:" + c.Port + "\n}\n}\n}\n" +
		"webhooks /b github {\nname b\nsecret \"" + harness.GitHubSecret + "\"\nrequire_https off\nforward " + app.Address + "\n}"
	if err := c.Load(site); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/b", "round", "{}")), 202, "accepted")
	app.Next(t)
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/a", "round", "{}")), 202, "accepted")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/a", "once", "{}")), 202, "accepted")
	app.Next(t)
	harness.Eventually(t, "both are delivered", func() bool {
		var stats api.Stats
		c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
		for _, lane := range stats.Destinations {
			if lane.Pending+lane.Leased+lane.Dead > 0 {
				return false
			}
		}
		return true
	})
}

// TestLoopThroughAnother: two endpoints that deliver to each other.
func TestLoopThroughAnother(t *testing.T) {
	endpoint := func(name, port, other string) string {
		return fmt.Sprintf("webhooks /%s github {\nname %s\nsecret \"%s\"\nrequire_https off\nforward {\nname app\n%s\nhandle {\nrewrite /%s\nreverse_proxy 127.0.0.1:%s\n}\n}\n}\n",
			name, name, harness.GitHubSecret, laterRetry, other, port)
	}
	c := harness.Start(t, "respond 200", "")
	if err := c.Load(endpoint("a", c.Port, "b") + endpoint("b", c.Port, "a")); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/a", "round", "{}")), 202, "accepted")
	awaitLoop(c, "event_id=round&endpoint=b")
}

// TestLoopOfAnotherProcess: who shares the store knows a delivery by its id.
func TestLoopOfAnotherProcess(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, controlledSite(app, laterRetry), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "first", "{}")), 202, "accepted")
	arrived := app.Next(t)
	again := c.GitHubRequest("/github", "first", "{}")
	again.Header.Set("Webhook-Id", arrived.Header.Get("Webhook-Id"))
	again.Header.Set("Webhook-Via", "0123456789abcdef") // of the other process
	harness.CheckAnswer(t, c.Do(again), 508, "loop")

	// A delivery of an endpoint in front, which has another store, is no loop.
	other := c.GitHubRequest("/github", "second", "{}")
	other.Header.Set("Webhook-Id", "00000000000020058heel38jck")
	other.Header.Set("Webhook-Via", "0123456789abcdef")
	harness.CheckAnswer(t, c.Do(other), 202, "accepted")
	if got := app.Next(t).Header.Get("Webhook-Via"); !strings.HasPrefix(got, "0123456789abcdef, ") {
		t.Errorf("Webhook-Via is %q", got)
	}

	// Without an end in sight it is one, whoever's marks they are.
	long := c.GitHubRequest("/github", "third", "{}")
	long.Header.Set("Webhook-Via", strings.Repeat("0123456789abcdef, ", envelope.MaxVia))
	harness.CheckAnswer(t, c.Do(long), 508, "loop")
}

// TestGuardLoop: a next handler that leads back to its endpoint ends.
func TestGuardLoop(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 200", "")
	site := harness.Edited(harness.GuardSite(app, "reverse_proxy 127.0.0.1:"+c.Port), "require_https off", "require_https off\nname looping\ndedupe off")
	if err := c.Load(site); err != nil {
		t.Fatal(err)
	}
	if got := c.Do(c.GitHubRequest("/github", "round", "{}")); got.Code != 508 {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
	if !c.Finds(t, "traffic", "leads back to it: give reverse_proxy the application's address") {
		t.Error("the doctor does not say what to do about the loop")
	}
	if !c.Finds(t, "route", "is the server that the endpoint is on") {
		t.Error("the doctor does not find the loop")
	}
}

func TestListensOn(t *testing.T) {
	for _, test := range []struct {
		listen, upstream string
		want             bool
	}{
		{":8080", "localhost:8080", true},
		{":8080", "127.0.0.1:8080", true},
		{":8080", "http://[::1]:8080", true},
		{":8080", ":8080", true},
		{"127.0.0.1:8080", "localhost:8080", true},
		{"10.0.0.1:8080", "10.0.0.1:8080", true},
		{"tcp/:8080-8090", "localhost:8085", true},
		{":8080", "localhost:8081", false},
		{":8080", "app:8080", false},
		{"10.0.0.1:8080", "localhost:8080", false},
		{"10.0.0.1:8080", "10.0.0.2:8080", false},
		{"unix//run/caddy.sock", "localhost:8080", false},
		{":8080", "unix//run/app.sock", false},
		{":8080", "{http.request.header.X-App}", false},
		{":8080", "localhost", false},
	} {
		if got := reach.ListensOn([]string{test.listen}, test.upstream); got != test.want {
			t.Errorf("%s on %s: %v", test.upstream, test.listen, got)
		}
	}
}
