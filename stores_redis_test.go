package caddywebhooks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// onRedis is a running Caddy whose store is that Redis.
func onRedis(t *testing.T, store, directives string) *running {
	t.Helper()
	c := newRunning(t, "unused", "")
	before, _, _ := strings.Cut(c.options, "store file")
	c.options = before + "store " + store + "\n}"
	startRunning(t, c, directives)
	return c
}

// TestRedisStore takes events through Redis: stored, delivered, retried, a dead
// letter, replayed, duplicate after a reload.
func TestRedisStore(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	app := startApplication(t)
	app.answerStatus(500)
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
	}`, githubSecret, app.address)
	c := onRedis(t, "redis "+server.URL(), site)
	checkAnswer(t, c.do(c.githubRequest("/", "one", "{}")), 202, "accepted")
	for range 3 {
		app.next(t)
	}
	dead := c.delivery("state=dead")
	if dead.EventID != "one" || dead.Attempts != 3 || dead.Reason != "max_attempts" {
		t.Errorf("dead letter: %+v", dead)
	}
	app.answerStatus(200)
	if err := c.load(site + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/", "one", "{}")), 200, "duplicate")
	if code := c.adminCall("POST", "/webhooks/deliveries/"+dead.ID+"/replay", "", nil); code != 200 {
		t.Errorf("replay answered %d", code)
	}
	if got := app.next(t); got.header.Get("Webhook-Attempt") != "4" || got.header.Get("Webhook-Id") != dead.ID {
		t.Errorf("replayed as %v", got.header)
	}
	eventually(t, "nothing is left", func() bool { return c.openDeliveries() == 0 })
}

// TestRedisAway answers 503 while Redis is not there, starts without it, and
// goes on when it is back.
func TestRedisAway(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	app := startApplication(t)
	server.Kill()
	c := onRedis(t, "redis "+server.URL(), githubSite(app, ""))
	got := c.do(c.githubRequest("/github", "early", "{}"))
	checkAnswer(t, got, 503, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	server.Restart()
	eventually(t, "Redis is noticed", func() bool {
		return c.do(c.githubRequest("/github", "early", "{}")).code == 202
	})
	app.next(t)
	server.Kill()
	eventually(t, "its end is noticed", func() bool {
		return c.do(c.githubRequest("/github", "late", "{}")).code == 503
	})
	if up := c.metrics()["webhook_store_up"]; up != 0 {
		t.Errorf("webhook_store_up is %v", up)
	}
	server.Restart()
	eventually(t, "Redis is back", func() bool {
		code := c.do(c.githubRequest("/github", "late", "{}")).code
		return code == 202 || code == 200
	})
	app.next(t)
	eventually(t, "nothing is left", func() bool { return c.openDeliveries() == 0 })
}

// TestRedisSettings refuses what cannot work.
func TestRedisSettings(t *testing.T) {
	evicting := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	locked := redistest.Start(t, "--requirepass", "right-password")
	for _, x := range []struct{ store, want string }{
		{"redis " + evicting.URL(), "noeviction"},
		{"redis redis://:wrong-password@" + locked.Addr(), "WRONGPASS"},
		{"redis http://localhost:6379", "must be redis, rediss"},
		{"redis {env.NO_SUCH_URL}", "{env.NO_SUCH_URL}"},
		{"redis", "URL"},
		{"redis " + evicting.URL() + " {\nmin_replicas 1 soon\n}", "200ms"},
		{"redis " + evicting.URL() + " {\nshards many\n}", "whole number"},
	} {
		c := newRunning(t, "unused", "")
		before, _, _ := strings.Cut(c.options, "store file")
		c.options = before + "store " + x.store + "\n}"
		err := c.load("webhooks github {\nsecret x\nforward localhost:1\n}")
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("store %s: error %v, want one with %q", x.store, err, x.want)
		}
		if err != nil && strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
