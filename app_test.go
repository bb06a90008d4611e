package caddywebhooks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

// storePath is the file of a running Caddy's store.
func (c *running) storePath() string {
	_, rest, _ := strings.Cut(c.options, "store file ")
	path, _, _ := strings.Cut(rest, "\n")
	return path
}

// TestValidateBesideServer provisions a second config with the same store, as
// `caddy validate` does, while the first one runs.
func TestValidateBesideServer(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	raw, err := adapt("{\n" + c.options + "\n}\nhttp://127.0.0.1:" + c.port + " {\n" + githubSite(app, "") + "\n}")
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "after-validate", "{}")), 202, "accepted")
	app.next(t)
}

// TestFileInUse starts with a store that another process holds.
func TestFileInUse(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	other := filepath.Join(t.TempDir(), "other.db")
	holder, err := filestore.Open(other, filestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	options := c.options
	c.options = strings.Replace(options, c.storePath(), other, 1)
	err = c.load(githubSite(app, ""))
	if err == nil || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error is %v: want one that names the file and another process", err)
	}
	// The old config goes on.
	checkAnswer(t, c.do(c.githubRequest("/github", "after-refusal", "{}")), 202, "accepted")
	app.next(t)
	c.options = options
}

// TestReloadKeepsAttempt reloads while an attempt is in flight: it ends as if nothing had happened.
func TestReloadKeepsAttempt(t *testing.T) {
	app := startApplication(t)
	release := make(chan struct{})
	app.answerWith(func(http.ResponseWriter, *http.Request) { <-release })
	c := startCaddy(t, githubSite(app, ""), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "in-flight", "{}")), 202, "accepted")
	app.next(t)
	for range 3 {
		if err := c.load(githubSite(app, "") + "\nheader X-Changed yes"); err != nil {
			t.Fatal(err)
		}
		if err := c.load(githubSite(app, "")); err != nil {
			t.Fatal(err)
		}
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "in-flight", "{}")), 200, "duplicate")
	close(release)
	eventually(t, "the attempt was settled", func() bool { return c.openDeliveries() == 0 })
	if len(app.got) != 0 {
		t.Error("it was delivered again")
	}
}

func (c *running) openDeliveries() int {
	var stats api.Stats
	c.adminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	open := 0
	for _, lane := range stats.Destinations {
		open += lane.Pending + lane.Leased
	}
	return open
}

// TestRemovedEndpoint keeps and shows the deliveries of an endpoint that a new
// config lacks, and delivers them when it is back.
func TestRemovedEndpoint(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	c := startCaddy(t, githubSite(app, ""), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "kept", "{}")), 202, "accepted")
	app.next(t)
	if err := c.load("respond 200"); err != nil {
		t.Fatal(err)
	}
	if code := c.adminCall(http.MethodGet, "/webhooks/stats", "", nil); code != 200 {
		t.Fatalf("stats answered %d without endpoints", code)
	}
	eventually(t, "the last attempt of the old config has ended", func() bool {
		return c.delivery("event_id=kept").State == "pending"
	})
	var stats api.Stats
	c.adminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	if len(stats.Destinations) != 1 || stats.Destinations[0].Configured {
		t.Errorf("stats: %+v", stats)
	}
	for len(app.got) > 0 {
		<-app.got
	}
	app.answerStatus(200)
	if err := c.load(githubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	if got := app.next(t); got.header.Get("Webhook-Event-Id") != "kept" {
		t.Errorf("arrived: %v", got.header)
	}
}

// TestRestart delivers after a stop and a start what could not be delivered before.
func TestRestart(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	c := startCaddy(t, githubSite(app, ""), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "restart", "{}")), 202, "accepted")
	app.next(t)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	process.Draining.Wait()
	app.answerStatus(200)
	for len(app.got) > 0 {
		<-app.got
	}
	if err := c.load(githubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	if got := app.next(t); got.header.Get("Webhook-Event-Id") != "restart" {
		t.Errorf("arrived: %v", got.header)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "restart", "{}")), 200, "duplicate")
}

// TestSeveralServers has one site on two addresses: Caddy makes two servers of
// it, each with a copy of the directive.
func TestSeveralServers(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, "respond 200", "")
	second := freePort(t)
	config, err := adapt(fmt.Sprintf("{\n%s\n}\nhttp://127.0.0.1:%s, http://127.0.0.1:%s {\n%s\n}", c.options, c.port, second, githubSite(app, "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "two-servers", "{}")), 202, "accepted")
	app.next(t)
	c.site = "http://127.0.0.1:" + second
	checkAnswer(t, c.do(c.githubRequest("/github", "two-servers", "{}")), 200, "duplicate")
}

// TestRefusedConfigs loads configs that adapt but must not run. The errors name
// the endpoint, and never a secret.
func TestRefusedConfigs(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, "respond 200", "")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY_SECRET", "")
	forward := "forward " + app.address + "\n}"
	for _, test := range []struct{ name, directives, want string }{
		{"no secret", "webhooks github {\n" + forward, "secret"},
		{"unset variable", "webhooks github {\nsecret {env.SURELY_NOT_SET}\n" + forward, "SURELY_NOT_SET"},
		{"empty variable", "webhooks github {\nsecret {env.EMPTY_SECRET}\n" + forward, "EMPTY_SECRET"},
		{"missing file", "webhooks github {\nsecret {file./surely/not/there}\n" + forward, "/surely/not/there"},
		{"empty file", "webhooks github {\nsecret {file." + empty + "}\n" + forward, "empty"},
		{"two of one name", "webhooks /a github {\nsecret x\n" + forward + "\nwebhooks /b github {\nsecret y\n" + forward, "another endpoint has this name"},
		{"two equal ones", "webhooks /a github {\nsecret x\n" + forward + "\nwebhooks /b github {\nsecret x\n" + forward, "another endpoint has this name"},
		{"two destinations of one name", "webhooks github {\nsecret x\nforward a:1\nforward a:1\n}", "two destinations are named"},
		{"verify with a known provider", "webhooks github {\nsecret x\nverify token {\nsignature header X-Token\n}\n" + forward, "verify"},
		{"custom without verify", "webhooks custom {\nsecret x\n" + forward, "verify"},
		{"short memory", "webhooks stripe {\nsecret tell-nobody\ntolerance 10m\ndedupe_ttl 15m\n" + forward, "dedupe_ttl is 15m0s: want at least 20m0s"},
		{"bad name", "webhooks github {\nname \"a b\"\nsecret x\n" + forward, "name"},
		{"svix secret that is no base64", "webhooks svix {\nsecret tell-nobody!\n" + forward, "base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.load(test.directives)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v: want one with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "tell-nobody") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// TestSecretFromFile reads a secret from a file with a newline at its end, as editors leave it.
func TestSecretFromFile(t *testing.T) {
	app := startApplication(t)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(githubSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCaddy(t, fmt.Sprintf("webhooks /github github {\nsecret {file.%s}\nrequire_https off\nforward %s\n}", file, app.address), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "file", "{}")), 202, "accepted")
	app.next(t)
}
