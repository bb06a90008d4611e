package stores

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
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

// storePath is the file of a running Caddy's store.
func storePath(c *harness.Caddy) string {
	_, rest, found := strings.Cut(c.Options, "store file ")
	if !found {
		c.T.Fatalf("the store is no file:\n%s", c.Options)
	}
	path, _, _ := strings.Cut(rest, "\n")
	return path
}

// TestValidateBesideServer provisions a second config with the same store, as
// `caddy validate` does, while the first one runs.
func TestValidateBesideServer(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	raw, err := harness.Adapt("{\n" + c.Options + "\n}\nhttp://127.0.0.1:" + c.Port + " {\n" + harness.GitHubSite(app, "") + "\n}")
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
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "after-validate", "{}")), 202, "accepted")
	app.Next(t)
}

// TestFileInUse starts with a store that another process holds.
func TestFileInUse(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	other := filepath.Join(t.TempDir(), "other.db")
	holder, err := filestore.Open(other, filestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	options := c.Options
	c.Options = harness.Edited(options, storePath(c), other)
	err = c.Load(harness.GitHubSite(app, ""))
	if err == nil || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error is %v: want one that names the file and another process", err)
	}
	// The old config goes on.
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "after-refusal", "{}")), 202, "accepted")
	app.Next(t)
	c.Options = options
}

// TestReloadKeepsAttempt reloads while an attempt is in flight: it ends as if nothing had happened.
func TestReloadKeepsAttempt(t *testing.T) {
	app := harness.StartApplication(t)
	release := make(chan struct{})
	app.AnswerWith(func(http.ResponseWriter, *http.Request) { <-release })
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "in-flight", "{}")), 202, "accepted")
	app.Next(t)
	for range 3 {
		if err := c.Load(harness.GitHubSite(app, "") + "\nheader X-Changed yes"); err != nil {
			t.Fatal(err)
		}
		if err := c.Load(harness.GitHubSite(app, "")); err != nil {
			t.Fatal(err)
		}
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "in-flight", "{}")), 200, "duplicate")
	close(release)
	harness.Eventually(t, "the attempt was settled", func() bool { return c.OpenDeliveries() == 0 })
	if len(app.Got) != 0 {
		t.Error("it was delivered again")
	}
}

// TestRemovedEndpoint keeps and shows the deliveries of an endpoint that a new
// config lacks, and delivers them when it is back.
func TestRemovedEndpoint(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "kept", "{}")), 202, "accepted")
	app.Next(t)
	if err := c.Load("respond 200"); err != nil {
		t.Fatal(err)
	}
	if code := c.AdminCall(http.MethodGet, "/webhooks/stats", "", nil); code != 200 {
		t.Fatalf("stats answered %d without endpoints", code)
	}
	harness.Eventually(t, "the last attempt of the old config has ended", func() bool {
		return c.Delivery("event_id=kept").State == "pending"
	})
	var stats api.Stats
	c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	if len(stats.Destinations) != 1 || stats.Destinations[0].Configured {
		t.Errorf("stats: %+v", stats)
	}
	for len(app.Got) > 0 {
		<-app.Got
	}
	app.AnswerStatus(200)
	if err := c.Load(harness.GitHubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	if got := app.Next(t); got.Header.Get("Webhook-Event-Id") != "kept" {
		t.Errorf("arrived: %v", got.Header)
	}
}

// TestRestart delivers after a stop and a start what could not be delivered before.
func TestRestart(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "restart", "{}")), 202, "accepted")
	app.Next(t)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	process.Draining.Wait()
	app.AnswerStatus(200)
	for len(app.Got) > 0 {
		<-app.Got
	}
	if err := c.Load(harness.GitHubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	if got := app.Next(t); got.Header.Get("Webhook-Event-Id") != "restart" {
		t.Errorf("arrived: %v", got.Header)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "restart", "{}")), 200, "duplicate")
}

// TestSeveralServers has one site on two addresses: Caddy makes two servers of
// it, each with a copy of the directive.
func TestSeveralServers(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 200", "")
	second := harness.FreePort(t)
	config, err := harness.Adapt(fmt.Sprintf("{\n%s\n}\nhttp://127.0.0.1:%s, http://127.0.0.1:%s {\n%s\n}", c.Options, c.Port, second, harness.GitHubSite(app, "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "two-servers", "{}")), 202, "accepted")
	app.Next(t)
	c.Site = "http://127.0.0.1:" + second
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "two-servers", "{}")), 200, "duplicate")
}

// TestRefusedConfigs loads configs that adapt but must not run. The errors name
// the endpoint, and never a secret.
func TestRefusedConfigs(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 200", "")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY_SECRET", "")
	forward := "forward " + app.Address + "\n}"
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
			err := c.Load(test.directives)
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
	app := harness.StartApplication(t)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(harness.GitHubSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := harness.Start(t, fmt.Sprintf("webhooks /github github {\nsecret {file.%s}\nrequire_https off\nforward %s\n}", file, app.Address), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "file", "{}")), 202, "accepted")
	app.Next(t)
}
