package caddywebhooks

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// awaitLoop waits until a delivery came back, and is kept.
func (c *running) awaitLoop(query string) {
	c.t.Helper()
	var d api.Delivery
	eventually(c.t, "the attempt came back", func() bool {
		d = c.delivery(query)
		return d.Attempts == 1
	})
	if d.State != "pending" || d.LastStatus != 508 || !strings.Contains(d.LastError, "loop") {
		c.t.Errorf("%+v", d)
	}
}

const laterRetry = "retry {\ninitial 1h\n}"

// TestLoop: a destination that leads back to its own endpoint has not got the event.
func TestLoop(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	// Caddy writes its own port; the site is known only once it runs.
	site := func(port string) string {
		return fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nrequire_https off\nforward 127.0.0.1:%s {\nname app\n%s\n}\n}", githubSecret, port, laterRetry)
	}
	c := startCaddyLogging(t, log, site("9"))
	if err := c.load(site(c.port)); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "round", "{}")), 202, "accepted")
	c.awaitLoop("event_id=round")
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "is the server that its own endpoint is on") {
		t.Errorf("no warning at load (%v)", err)
	}
	// What came back does not count as the webhook's own repeat, and a corrected config delivers it.
	checkAnswer(t, c.do(c.githubRequest("/github", "round", "{}")), 200, "duplicate")
	app := startApplication(t)
	if err := c.load(site(app.address[strings.LastIndexByte(app.address, ':')+1:])); err != nil {
		t.Fatal(err)
	}
	d := c.delivery("event_id=round")
	if code := c.adminCall(http.MethodPost, "/webhooks/deliveries/"+d.ID+"/replay", "", nil); code != 200 {
		t.Fatalf("replay answered %d", code)
	}
	if got := app.next(t); got.header.Get("Webhook-Via") == "" {
		t.Errorf("header: %v", got.header)
	}
}

// TestLoopWithoutMarks: a proxy in `handle` takes out the headers by which the endpoint would know
// its own delivery.
func TestLoopWithoutMarks(t *testing.T) {
	for _, strip := range []string{"header_up -Webhook-Via", "header_up -Webhook-*", "header_up -Webhook-*\nheader_up X-GitHub-Delivery other"} {
		log := filepath.Join(t.TempDir(), "log")
		c := startCaddyLogging(t, log, "respond 200")
		site := fmt.Sprintf(hooked, "/github", githubSecret, "forward {\nname app\n"+laterRetry+"\nhandle {\nreverse_proxy 127.0.0.1:"+c.port+" {\n"+strip+"\n}\n}\n}")
		if err := c.load(site); err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, c.do(c.githubRequest("/github", "round", "{}")), 202, "accepted")
		c.awaitLoop("event_id=round")
		if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "is the server that its own endpoint is on") {
			t.Errorf("no warning at load (%v)", err)
		}
	}
}

// TestNoLoopOfChain: another endpoint of this process is a destination like any other, also when it
// answers that it has the event already.
func TestNoLoopOfChain(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, "respond 200", "")
	site := "webhooks /a github {\nname a\nsecret \"" + githubSecret + "\"\nrequire_https off\nforward {\nname b\nhandle {\nrewrite /b\nreverse_proxy 127.0.0.1:" + c.port + "\n}\n}\n}\n" +
		"webhooks /b github {\nname b\nsecret \"" + githubSecret + "\"\nrequire_https off\nforward " + app.address + "\n}"
	if err := c.load(site); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/b", "round", "{}")), 202, "accepted")
	app.next(t)
	checkAnswer(t, c.do(c.githubRequest("/a", "round", "{}")), 202, "accepted")
	checkAnswer(t, c.do(c.githubRequest("/a", "once", "{}")), 202, "accepted")
	app.next(t)
	eventually(t, "both are delivered", func() bool {
		var stats api.Stats
		c.adminCall(http.MethodGet, "/webhooks/stats", "", &stats)
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
			name, name, githubSecret, laterRetry, other, port)
	}
	c := startCaddy(t, "respond 200", "")
	if err := c.load(endpoint("a", c.port, "b") + endpoint("b", c.port, "a")); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/a", "round", "{}")), 202, "accepted")
	c.awaitLoop("event_id=round&endpoint=b")
}

// TestLoopOfAnotherProcess: who shares the store knows a delivery by its id.
func TestLoopOfAnotherProcess(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	c := startCaddy(t, controlledSite(app, laterRetry), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "first", "{}")), 202, "accepted")
	arrived := app.next(t)
	again := c.githubRequest("/github", "first", "{}")
	again.Header.Set("Webhook-Id", arrived.header.Get("Webhook-Id"))
	again.Header.Set("Webhook-Via", "0123456789abcdef") // of the other process
	checkAnswer(t, c.do(again), 508, "loop")

	// A delivery of an endpoint in front, which has another store, is no loop.
	other := c.githubRequest("/github", "second", "{}")
	other.Header.Set("Webhook-Id", "00000000000020058heel38jck")
	other.Header.Set("Webhook-Via", "0123456789abcdef")
	checkAnswer(t, c.do(other), 202, "accepted")
	if got := app.next(t).header.Get("Webhook-Via"); !strings.HasPrefix(got, "0123456789abcdef, ") {
		t.Errorf("Webhook-Via is %q", got)
	}

	// Without an end in sight it is one, whoever's marks they are.
	long := c.githubRequest("/github", "third", "{}")
	long.Header.Set("Webhook-Via", strings.Repeat("0123456789abcdef, ", envelope.MaxVia))
	checkAnswer(t, c.do(long), 508, "loop")
}

// TestGuardLoop: a next handler that leads back to its endpoint ends.
func TestGuardLoop(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, "respond 200", "")
	site := strings.Replace(guardSite(app, "reverse_proxy 127.0.0.1:"+c.port), "require_https off", "require_https off\nname looping\ndedupe off", 1)
	if err := c.load(site); err != nil {
		t.Fatal(err)
	}
	if got := c.do(c.githubRequest("/github", "round", "{}")); got.code != 508 {
		t.Errorf("answered %d %q", got.code, got.body)
	}
	if !c.finds(t, "traffic", "leads back to it: give reverse_proxy the application's address") {
		t.Error("the doctor does not say what to do about the loop")
	}
	if !c.finds(t, "route", "is the server that the endpoint is on") {
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
