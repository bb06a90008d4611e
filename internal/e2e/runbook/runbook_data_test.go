package runbook

import (
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

// Situations in which the store's data is elsewhere, gone, refused or damaged.

// leftBehind gives the config another store, while the application is down.
func (o *situation) leftBehind() {
	o.Setenv("XDG_DATA_HOME", o.TempDir()) // which the second Caddy shares
	o.Env = append(o.Env, "XDG_DATA_HOME="+filepath.Dir(caddy.AppDataDir()))
	app := harness.StartApplication(o.T)
	app.AnswerStatus(500)
	site := harness.DestinationSite("left-shop", app.Address, "breaker 1000 1h\nretry linear {\ninitial 100ms\nmax_delay 1s\nmax_attempts 1000\n}")
	c := harness.New(o.T, filepath.Join(o.TempDir(), "old.db"), "")
	c.States = func() string { return filepath.Join(caddy.AppDataDir(), "webhooks", "stores") }
	process.Book = process.NewBook(c.States)
	harness.Begin(o.T, c, site)
	o.Starts(c, "left-shop")
	go func() {
		for range app.Got { // nobody counts what arrives
		}
	}()
	o.send(3, 202, "accepted")
	o.Stands(3, 0)
	old := c.Options
	harness.Reloads(c, harness.WithStore(old, "file "+filepath.Join(o.TempDir(), "new.db")), site)
	o.Types()

	app.AnswerStatus(200)
	other := harness.New(o.T, "unused", "")
	process.Book = process.NewBook(c.States)
	o.Fill["other address"] = other.AdminAddress()
	o.Fill["other log"] = filepath.Join(o.TempDir(), "log")
	o.Fill["old Caddyfile"] = filepath.Join(o.TempDir(), "Caddyfile")
	o.Writes("old Caddyfile", fmt.Sprintf("{\n\t%s\n}\nhttp://:%s {\n\tbind 127.0.0.1\n%s\n}\n",
		harness.Edited(old, c.AdminAddress(), other.AdminAddress()), other.Port, site))
	o.Cleanup(func() { // has an effect if the chapter was not typed to its end
		if got, err := http.Post(other.Admin+"/stop", "", nil); err == nil {
			got.Body.Close()
		}
	})
	o.Types()
	first := o.Caddy
	o.Caddy = other
	o.Stands(0, 0)
	o.Caddy = first
	o.Types()
	harness.Eventually(o.T, "the second Caddy has ended, and said what it leaves", func() bool {
		o.Caddy.Doctor()
		return o.Caddy.Metrics()["webhook_store_left_behind"] == 0
	})
	o.Types()
}

func (o *situation) storeEmptied() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(500)
	server := o.withRedis(harness.DestinationSite("gone-shop", app.Address, "retry {\ninitial 1h\n}"), "gone-shop")
	o.send(1, 202, "accepted")
	o.Stands(1, 0)
	app.Next(o.T)
	if err := server.Client().FlushAll(o.Context()).Err(); err != nil {
		o.Fatal(err)
	}
	harness.Eventually(o.T, "that is noticed", func() bool { return o.Caddy.Metrics()["webhook_store_replaced_total"] == 1 })
	app.AnswerStatus(200)
	o.Types()
	o.Types()
	o.Types()
}

func (o *situation) redisRefused() {
	server := o.withRedis(harness.AnswersSite("refused-shop", "200"), "refused-shop")
	o.send(1, 202, "accepted")
	client := server.Client()
	if err := client.ConfigSet(o.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		o.Fatal(err)
	}
	// New connections are what it is looked at on; else within a minute.
	if err := client.Do(o.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		o.Fatal(err)
	}
	harness.Eventually(o.T, "it is noticed", func() bool {
		code := o.Caddy.Do(o.Caddy.GitHubRequest("/refused-shop", "more", "{}")).Code
		return code == 503 && o.Caddy.Metrics()["webhook_store_refusing"] == 1
	})
	o.Types()
	o.Types()
	harness.Eventually(o.T, "the repair is noticed", func() bool { return o.Caddy.Metrics()["webhook_store_refusing"] == 0 })
	o.Types()
}

func (o *situation) recordsDamaged() {
	server := o.withRedis(harness.AnswersSite("broken-shop", "200"), "broken-shop")
	o.send(1, 202, "accepted")
	o.Stands(0, 0)
	client := server.Client()
	if err := client.Set(o.Context(), "{wh:0}:o:broken-shop/app", "somebody else's", 0).Err(); err != nil {
		o.Fatal(err)
	}
	harness.CheckAnswer(o.T, o.Caddy.Do(o.Caddy.GitHubRequest("/broken-shop", "after", "{}")), 202, "accepted")
	keys, err := client.Keys(o.Context(), "*:broken:*").Result()
	if err != nil || len(keys) != 1 {
		o.Fatalf("set aside: %q, %v", keys, err)
	}
	o.Fill["broken key"] = keys[0]
	o.Stands(0, 0)
	o.Types()
	o.Types()
	o.Types()
}

func (o *situation) panicked() {
	o.Starts(harness.Start(o.T, harness.AnswersSite("sound-shop", "200"), ""), "sound-shop")
	_ = safe.Do(caddy.Log().Named("webhooks"), "test of the runbook", func() { panic("on purpose") })
	o.Types()
	o.Types()
	o.Types()
}
