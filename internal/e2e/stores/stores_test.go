package stores

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// waitingSite is an endpoint whose destination answers 500, so that all waits in the store.
func waitingSite(app *harness.Application) string {
	return fmt.Sprintf("webhooks /shop github {\nname shop\nsecret %q\nrequire_https off\nforward %s {\nname app\nretry {\ninitial 1h\n}\n}\n}", harness.GitHubSecret, app.Address)
}

// waiting sends webhooks that cannot be delivered, and waits until the attempts are over.
func waiting(c *harness.Caddy, app *harness.Application, n int) {
	c.T.Helper()
	app.AnswerStatus(500)
	for i := range n {
		harness.CheckAnswer(c.T, c.Do(c.GitHubRequest("/shop", fmt.Sprint("waiting", i), "{}")), 202, "accepted")
		app.Next(c.T)
	}
	harness.Eventually(c.T, "all attempts are settled", func() bool { return c.Metrics()["webhook_retry_queue_size"] == float64(n) })
}

// leaves checks log, metric and doctor about what was left behind.
func leaves(c *harness.Caddy, log, where string, n int) {
	c.T.Helper()
	if got := c.Metrics()["webhook_store_left_behind"]; got != float64(n) {
		c.T.Errorf("webhook_store_left_behind is %v, want %d", got, n)
	}
	if said := harness.Found(c.Doctor(), api.LevelError, "left behind", "store", where); said != (n > 0) {
		c.T.Errorf("the doctor says: %+v", c.Doctor())
	}
	text, err := os.ReadFile(log)
	if err != nil {
		c.T.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"error"`) && strings.Contains(line, "left behind") && strings.Contains(line, where) && strings.Contains(line, fmt.Sprintf(`"pending":%d`, n)) {
			lines++
		}
	}
	if lines != min(n, 1) {
		c.T.Errorf("the log has %d lines about it, want %d:\n%s", lines, min(n, 1), text)
	}
}

// TestAnotherStore changes the store under the config: from file to file, from file to
// Redis, and from one prefix and database of Redis to another, by reload and by restart.
// What the store before still holds is told, until it is used again.
func TestAnotherStore(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	const password = "hush_0123456789abcdef" // which no log and no state file may have
	if err := server.Client().Do(t.Context(), "ACL", "SETUSER", "webhooks", "on", ">"+password, "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	url := "redis://webhooks:" + password + "@" + server.Addr()
	file := func(t *testing.T) string { return "file " + filepath.Join(t.TempDir(), "deliveries.db") }
	redis := func(more string) func(*testing.T) string {
		return func(*testing.T) string { return "redis " + url + more }
	}
	for _, test := range []struct {
		name          string
		before, after func(*testing.T) string
		where         string
	}{
		{"file to file", file, file, "file /"},
		{"file to Redis", file, redis(" {\nprefix from-file\n}"), "file /"},
		{"prefix to prefix", redis(" {\nprefix one\n}"), redis(" {\nprefix two\n}"), "redis " + server.Addr() + ", database 0, prefix one"},
		{"database to database", redis("/4 {\nprefix db\n}"), redis("/5 {\nprefix db\n}"), server.Addr() + ", database 4"},
		{"Redis to file", redis("/6"), file, server.Addr() + ", database 6"},
	} {
		for way, change := range map[string]func(c *harness.Caddy, options, directives string){"reload": harness.Reloads, "restart": harness.Restarts} {
			t.Run(test.name+" by "+way, func(t *testing.T) {
				if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				harness.ForgetTraffic(t)
				app := harness.StartApplication(t)
				log := harness.LogsTo(t)
				c := harness.New(t, "unused", "")
				c.Options = harness.WithStore(c.Options, test.before(t))
				harness.Begin(t, c, waitingSite(app))
				before, after := c.Options, harness.WithStore(c.Options, test.after(t))
				waiting(c, app, 3)
				leaves(c, log, test.where, 0)
				change(c, after, waitingSite(app))
				leaves(c, log, test.where, 3)
				// A reload of the same says it no more than once.
				harness.Reloads(c, after, waitingSite(app)+"\nheader X-Changed yes")
				leaves(c, log, test.where, 3)
				change(c, before, waitingSite(app))
				if n := c.OpenDeliveries(); n != 3 {
					t.Errorf("%d deliveries are there, want 3", n)
				}
				if n := c.Metrics()["webhook_store_left_behind"]; n != 0 {
					t.Errorf("back to the store, and yet %v are left behind", n)
				}
				keepsNo(c, password)
			})
		}
	}
}

// keepsNo looks for a secret in the state files.
func keepsNo(c *harness.Caddy, secret string) {
	c.T.Helper()
	files, err := filepath.Glob(filepath.Join(c.States(), "*.json"))
	if err != nil || len(files) < 2 {
		c.T.Fatalf("state files: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(text), secret) {
			c.T.Errorf("%s: %v, %s", file, err, text)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			c.T.Errorf("%s has mode %v", file, info.Mode())
		}
	}
}

// TestSameDataElsewhere has the data of a store at another place, or reached otherwise:
// nothing is left behind.
func TestSameDataElsewhere(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	app := harness.StartApplication(t)
	log := harness.LogsTo(t)
	c := harness.OnRedis(t, "redis "+server.URL(), waitingSite(app))
	waiting(c, app, 2)
	alias := fmt.Sprintf("redis localhost:%d", server.Port())
	harness.Reloads(c, harness.WithStore(c.Options, alias), waitingSite(app))
	leaves(c, log, "redis", 0)
	harness.Restarts(c, harness.WithStore(c.Options, "redis "+server.URL()+" {\nshards 1\n}"), waitingSite(app))
	leaves(c, log, "redis", 0)

	moved := filepath.Join(t.TempDir(), "moved.db")
	c = harness.Start(t, waitingSite(app), "")
	waiting(c, app, 2)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	process.Draining.Wait()
	path := storePath(c)
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	harness.Restarts(c, harness.Edited(c.Options, path, moved), waitingSite(app))
	leaves(c, log, "file", 0)
	if n := c.OpenDeliveries(); n != 2 {
		t.Errorf("%d deliveries are there, want 2", n)
	}
}

// TestStoreReplacedBetweenRuns has a store emptied while Caddy does not run.
func TestStoreReplacedBetweenRuns(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	for name, test := range map[string]struct {
		start func(t *testing.T, directives string) *harness.Caddy
		empty func(c *harness.Caddy) error
	}{
		"file": {
			func(t *testing.T, directives string) *harness.Caddy { return harness.Start(t, directives, "") },
			func(c *harness.Caddy) error { return os.Remove(storePath(c)) },
		},
		"Redis": {
			func(t *testing.T, directives string) *harness.Caddy {
				return harness.OnRedis(t, "redis "+server.URL(), directives)
			},
			func(*harness.Caddy) error { return server.Client().FlushAll(context.Background()).Err() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := harness.StartApplication(t)
			log := harness.LogsTo(t)
			c := test.start(t, waitingSite(app))
			waiting(c, app, 3)
			harness.Restarts(c, c.Options, waitingSite(app)) // nothing happened
			loses(c, log, 0)
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			process.Draining.Wait()
			if err := test.empty(c); err != nil {
				t.Fatal(err)
			}
			harness.Restarts(c, c.Options, waitingSite(app))
			loses(c, log, 1)
			if !harness.Found(c.Doctor(), api.LevelError, "store", "store", "3 pending deliveries and 0 dead letters when last counted") {
				t.Errorf("the doctor says: %+v", c.Doctor())
			}
			harness.Reloads(c, c.Options, waitingSite(app)+"\nheader X-Changed yes")
			loses(c, log, 1)
			if n := c.Metrics()["webhook_store_left_behind"]; n != 0 {
				t.Errorf("%v are left behind", n)
			}
		})
	}
}

// loses checks log, metric and doctor about data that is gone.
func loses(c *harness.Caddy, log string, times int) {
	c.T.Helper()
	if got := c.Metrics()["webhook_store_replaced_total"]; got != float64(times) {
		c.T.Errorf("webhook_store_replaced_total is %v, want %d", got, times)
	}
	if said := harness.Found(c.Doctor(), api.LevelError, "store", "store", "its data has been gone or replaced"); said != (times > 0) {
		c.T.Errorf("the doctor says: %+v", c.Doctor())
	}
	text, err := os.ReadFile(log)
	if got := strings.Count(string(text), "does not hold any more what"); err != nil || got != times {
		c.T.Errorf("the log has %d lines about it, want %d: %v", got, times, err)
	}
}

// TestEndpointsRemoved has a config without webhooks follow one that has some.
func TestEndpointsRemoved(t *testing.T) {
	app := harness.StartApplication(t)
	log := harness.LogsTo(t)
	c := harness.Start(t, waitingSite(app), "")
	waiting(c, app, 1)
	harness.Reloads(c, harness.WithoutWebhooks(c.Options), "respond 200")
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "left behind") || !strings.Contains(string(text), `"pending":1`) {
		t.Errorf("%v: nothing is said in\n%s", err, text)
	}
}
