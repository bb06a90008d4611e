package caddywebhooks

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

// controlledSite is a GitHub endpoint whose destination has these lines.
func controlledSite(app *application, lines string) string {
	return fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			name app
			%s
		}
	}`, githubSecret, app.address, lines)
}

// TestRateSmooths sends eleven webhooks at once. A tenth of a second's worth, two, may
// start at once; the others come 50 ms apart: none sooner, and none much later.
func TestRateSmooths(t *testing.T) {
	const count, atOnce, apart = 11, 2, 50 * time.Millisecond
	app := startApplication(t)
	arrived := make(chan time.Time, count)
	app.answerWith(func(http.ResponseWriter, *http.Request) { arrived <- time.Now() })
	c := startCaddy(t, controlledSite(app, "rate 20/s"), "")
	started := time.Now()
	for n := range count {
		checkAnswer(t, c.do(c.githubRequest("/github", fmt.Sprint("rate-", n), "{}")), 202, "accepted")
	}
	sent := time.Since(started)
	var last time.Duration
	for n := range count {
		app.next(t)
		last = (<-arrived).Sub(started)
		if soonest := (n + 1 - atOnce) * int(apart); last < time.Duration(soonest) {
			t.Errorf("delivery %d started after %s, want %s at the soonest", n+1, last, time.Duration(soonest))
		}
	}
	if most := sent + (count-atOnce)*apart + time.Second; last > most {
		t.Errorf("%d deliveries at 20/s took %s, want %s at most", count, last, most)
	}
}

func TestPriority(t *testing.T) {
	app := startApplication(t)
	release := make(chan struct{})
	app.answerWith(func(http.ResponseWriter, *http.Request) { <-release })
	c := startCaddy(t, controlledSite(app, "max_in_flight 1\npriority 9 release\npriority 5 pu*"), "")
	send := func(id, eventType string) {
		t.Helper()
		r := c.githubRequest("/github", id, "{}")
		r.Header.Set("X-GitHub-Event", eventType)
		checkAnswer(t, c.do(r), 202, "accepted")
	}
	send("blocker", "push")
	app.next(t)
	send("low", "issues")
	send("middle", "push")
	send("high", "release")
	close(release)
	for _, want := range []string{"high", "middle", "low"} {
		if got := app.next(t).header.Get("Webhook-Event-Id"); got != want {
			t.Errorf("%s arrived: want %s", got, want)
		}
	}
}

// TestBreaker opens the breaker, sees that deliveries are held without spending
// attempts, and that all arrive after the application has recovered.
func TestBreaker(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	c := startCaddy(t, controlledSite(app, "breaker 3 400ms 1\nretry linear {\ninitial 1ms\nmax_delay 1ms\nmax_attempts 10\n}"),
		"events {\non webhook_breaker_opened test_collect\non webhook_breaker_closed test_collect\n}")
	for n := range 5 {
		checkAnswer(t, c.do(c.githubRequest("/github", fmt.Sprint("held-", n), "{}")), 202, "accepted")
	}
	if got := collected(t); got.Name() != "webhook_breaker_opened" || got.Data["destination"] != "app" {
		t.Errorf("event %s %v", got.Name(), got.Data)
	}
	opened := time.Now()
	var stats api.Stats
	c.adminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	if len(stats.Destinations) != 1 || stats.Destinations[0].Breaker != "open" || stats.Destinations[0].BreakerUntil == nil {
		t.Errorf("stats: %+v", stats)
	}
	app.answerStatus(200)
	probes := int(time.Since(opened) / (400 * time.Millisecond)) // that failed meanwhile, on a busy machine
	eventually(t, "all are delivered", func() bool { return c.openDeliveries() == 0 })
	if got := collected(t); got.Name() != "webhook_breaker_closed" && probes == 0 {
		t.Errorf("event %s", got.Name())
	}
	// Three failures open the breaker, of one delivery or of several. Without it each
	// delivery would be tried ten times within some milliseconds.
	seen := 0
	for ; len(app.got) > 0; seen++ {
		attempt, err := strconv.Atoi((<-app.got).header.Get("Webhook-Attempt"))
		if most := 3 + probes + 1; err != nil || attempt > most {
			t.Errorf("attempt %d (%v), want %d at most: the open breaker spent attempts", attempt, err, most)
		}
	}
	if seen < 3+5 {
		t.Errorf("%d attempts, want three failures and five deliveries at least", seen)
	}
}

func TestDeadEvent(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(404)
	c := startCaddy(t, controlledSite(app, "dead_on 404"), "events {\non webhook_dead test_collect\n}")
	checkAnswer(t, c.do(c.githubRequest("/github", "dead", "{}")), 202, "accepted")
	if got := collected(t); got.Name() != "webhook_dead" || got.Data["event_id"] != "dead" || got.Data["reason"] != "status_404" {
		t.Errorf("event %s %v", got.Name(), got.Data)
	}
}

// TestPlaceholders uses them in a header that Caddy writes with the answer.
func TestPlaceholders(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, `header >X-Seen "{http.webhooks.endpoint} {http.webhooks.provider} {http.webhooks.event_id} {http.webhooks.event_type} {http.webhooks.outcome}"`+"\n"+
		githubSite(app, "name hub"), "")
	got := c.do(c.githubRequest("/github", "seen", "{}"))
	checkAnswer(t, got, 202, "accepted")
	if seen := got.header.Get("X-Seen"); seen != "hub github seen push accepted" {
		t.Errorf("X-Seen: %q", seen)
	}
}

func init() { caddy.RegisterModule(new(collector)) }

// collector is an events handler that passes on what it gets.
type collector struct{}

var collectedEvents = make(chan caddy.Event, 100)

func (*collector) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_collect", New: func() caddy.Module { return new(collector) }}
}

func (*collector) Handle(_ context.Context, e caddy.Event) error {
	collectedEvents <- e
	return nil
}

func (*collector) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func collected(t *testing.T) caddy.Event {
	t.Helper()
	select {
	case e := <-collectedEvents:
		return e
	case <-time.After(patience):
		t.Fatal("no event was emitted")
		return caddy.Event{}
	}
}

var _ caddyevents.Handler = (*collector)(nil)
