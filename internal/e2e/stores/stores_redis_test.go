package stores

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// TestRedisStore takes events through Redis: stored, delivered, retried, a dead
// letter, replayed, duplicate after a reload.
func TestRedisStore(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	site := fmt.Sprintf(`webhooks github {
		secret "%s"
		require_https off
		forward %s {
			name app
			retry linear {
				initial 10ms
				max_delay 10ms
				max_attempts 3
			}
		}
	}`, harness.GitHubSecret, app.Address)
	c := harness.OnRedis(t, "redis "+server.URL(), site)
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "one", "{}")), 202, "accepted")
	for range 3 {
		app.Next(t)
	}
	dead := c.Delivery("state=dead")
	if dead.EventID != "one" || dead.Attempts != 3 || dead.Reason != "max_attempts" {
		t.Errorf("dead letter: %+v", dead)
	}
	app.AnswerStatus(200)
	if err := c.Load(site + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "one", "{}")), 200, "duplicate")
	if code := c.AdminCall("POST", "/webhooks/deliveries/"+dead.ID+"/replay", "", nil); code != 200 {
		t.Errorf("replay answered %d", code)
	}
	if got := app.Next(t); got.Header.Get("Webhook-Attempt") != "4" || got.Header.Get("Webhook-Id") != dead.ID {
		t.Errorf("replayed as %v", got.Header)
	}
	harness.Eventually(t, "nothing is left", func() bool { return c.OpenDeliveries() == 0 })
}

// TestRedisAway answers 503 while Redis is not there, starts without it, and
// goes on when it is back.
func TestRedisAway(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	app := harness.StartApplication(t)
	server.Pause() // takes connections and says nothing
	paused := harness.OnRedis(t, "redis "+server.URL(), harness.GitHubSite(app, ""))
	harness.CheckAnswer(t, paused.Do(paused.GitHubRequest("/github", "paused", "{}")), 503, "unavailable")
	server.Resume()
	server.Kill()
	c := harness.OnRedis(t, "redis "+server.URL(), harness.GitHubSite(app, ""))
	got := c.Do(c.GitHubRequest("/github", "early", "{}"))
	harness.CheckAnswer(t, got, 503, "unavailable")
	if got.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	server.Restart()
	harness.Eventually(t, "Redis is noticed", func() bool {
		return c.Do(c.GitHubRequest("/github", "early", "{}")).Code == 202
	})
	app.Next(t)
	server.Kill()
	harness.Eventually(t, "its end is noticed", func() bool {
		return c.Do(c.GitHubRequest("/github", "late", "{}")).Code == 503
	})
	if up := c.Metrics()["webhook_store_up"]; up != 0 {
		t.Errorf("webhook_store_up is %v", up)
	}
	server.Restart()
	harness.Eventually(t, "Redis is back", func() bool {
		code := c.Do(c.GitHubRequest("/github", "late", "{}")).Code
		return code == 202 || code == 200
	})
	app.Next(t)
	harness.Eventually(t, "nothing is left", func() bool { return c.OpenDeliveries() == 0 })
}

// TestRedisComesLaterAndEvicts starts without Redis. One that comes then and would throw
// events away is refused as it would be at the start, and is used once it is set right.
func TestRedisComesLaterAndEvicts(t *testing.T) {
	harness.ForgetTraffic(t)
	server := redistest.Start(t, append([]string{"--maxmemory-policy", "allkeys-lru"}, redistest.AOF...)...)
	server.Kill()
	app := harness.StartApplication(t)
	c := harness.OnRedis(t, "redis "+server.URL(), harness.GitHubSite(app, ""))
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "early", "{}")), 503, "unavailable")
	server.Restart()
	harness.Eventually(t, "its policy is noticed", func() bool {
		return c.Metrics()["webhook_store_refusing"] == 1 && harness.StoreSays(c.Doctor(), api.LevelError, "noeviction")
	})
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "early", "{}")), 503, "unavailable")
	if err := server.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "it is used", func() bool { return c.Do(c.GitHubRequest("/github", "early", "{}")).Code == 202 })
	app.Next(t)
	if got := c.Metrics()["webhook_store_refusing"]; got != 0 {
		t.Errorf("webhook_store_refusing is %v", got)
	}
}

// TestRedisSettings refuses what cannot work.
func TestRedisSettings(t *testing.T) {
	evicting := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	locked := redistest.Start(t, "--requirepass", "right-password")
	limited := redistest.Start(t, redistest.AOF...)
	if err := limited.Client().Do(t.Context(), "ACL", "SETUSER", "webhooks", "on", ">pass-word", "~wh:*", "~{wh:*", "&wh:*", "+@all", "-zadd", "-publish").Err(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ store, want string }{
		{"redis " + evicting.URL(), "noeviction"},
		{"redis redis://:wrong-password@" + locked.Addr(), "WRONGPASS"},
		{"redis redis://webhooks:pass-word@" + limited.Addr(), "zadd"},
		{"redis redis://webhooks:pass-word@" + limited.Addr(), "+publish"},
		{"redis http://localhost:6379", "must be redis, rediss"},
		{"redis {env.NO_SUCH_URL}", "{env.NO_SUCH_URL}"},
		{"redis", "URL"},
		{"redis " + evicting.URL() + " {\nmin_replicas 1 soon\n}", "200ms"},
		{"redis " + evicting.URL() + " {\nshards many\n}", "whole number"},
	} {
		c := harness.New(t, "unused", "")
		c.Options = harness.WithStore(c.Options, x.store)
		err := c.Load("webhooks github {\nsecret x\nforward localhost:1\n}")
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("store %s: error %v, want one with %q", x.store, err, x.want)
		}
		if err != nil && (strings.Contains(err.Error(), "wrong-password") || strings.Contains(err.Error(), "pass-word")) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestRedisLimits has two configs, as two nodes would, spend one budget; while
// Redis is away the setting decides.
func TestRedisLimits(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	app := harness.StartApplication(t)
	site := func(name string) string {
		return fmt.Sprintf(`webhooks github {
			name shared
			secret "%s"
			require_https off
			rate_limit provider 3 1/h
			forward %s {
				name app
			}
		}
		header X-Node %s`, harness.GitHubSecret, app.Address, name)
	}
	c := harness.OnRedis(t, "redis "+server.URL(), site("one"))
	for i := range 2 {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", fmt.Sprint("first", i), "{}")), 202, "accepted")
	}
	// Another prefix of the URL is another store, and so another client.
	c.Options = harness.Edited(c.Options, server.URL(), server.URL()+"/0")
	if err := c.Load(site("two")); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "second", "{}")), 202, "accepted")
	harness.WantLimited(t, c.Do(c.GitHubRequest("/", "third", "{}")), "provider", `"provider";q=3`)

	for policy, want := range map[string]int{"allow": 401, "local": 401, "deny": 503} {
		c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\nrate_limit on_error "+policy)
		if err := c.Load(harness.Edited(site(policy), "rate_limit provider", "rate_limit ip 3 1/h\nrate_limit provider")); err != nil {
			t.Fatal(err)
		}
		server.Kill()
		forged := c.GitHubRequest("/", "forged", "{}")
		forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("[]"))
		if got := c.Do(forged); got.Code != want {
			t.Errorf("on_error %s: answered %d %s, want %d", policy, got.Code, got.Body, want)
		}
		server.Restart()
		harness.Eventually(t, "the limits are back", func() bool {
			return c.Do(c.GitHubRequest("/", "again", "{}")).Code != 503
		})
		c.Options = harness.Edited(c.Options, "\nrate_limit on_error "+policy, "")
	}
}

// TestRedisDoctor says that a Redis that saves nothing may lose events.
func TestRedisDoctor(t *testing.T) {
	server := redistest.Start(t) // without persistence
	c := harness.OnRedis(t, "redis "+server.URL(), "webhooks github {\nsecret \""+harness.GitHubSecret+"\"\nrequire_https off\nforward localhost:1\n}")
	var view api.Doctor
	c.AdminCall("GET", "/webhooks/doctor", "", &view)
	for _, check := range view.Checks {
		if strings.Contains(check.Message, "append") {
			return
		}
	}
	t.Errorf("nothing is said of its persistence: %+v", view)
}
