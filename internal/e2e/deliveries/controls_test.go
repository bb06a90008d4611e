package deliveries

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
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// controlledSite is a GitHub endpoint whose destination has these lines.
func controlledSite(app *harness.Application, lines string) string {
	return fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			name app
			%s
		}
	}`, harness.GitHubSecret, app.Address, lines)
}

// TestRateSmooths sends eleven webhooks at once. A tenth of a second's worth, two, may
// start at once; the others come 50 ms apart: none sooner, and none much later.
func TestRateSmooths(t *testing.T) {
	const count, atOnce, apart = 11, 2, 50 * time.Millisecond
	app := harness.StartApplication(t)
	arrived := make(chan time.Time, count)
	app.AnswerWith(func(http.ResponseWriter, *http.Request) { arrived <- time.Now() })
	c := harness.Start(t, controlledSite(app, "rate 20/s"), "")
	started := time.Now()
	for n := range count {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", fmt.Sprint("rate-", n), "{}")), 202, "accepted")
	}
	sent := time.Since(started)
	var last time.Duration
	for n := range count {
		app.Next(t)
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
	app := harness.StartApplication(t)
	release := make(chan struct{})
	app.AnswerWith(func(http.ResponseWriter, *http.Request) { <-release })
	c := harness.Start(t, controlledSite(app, "max_in_flight 1\npriority 9 release\npriority 5 pu*"), "")
	send := func(id, eventType string) {
		t.Helper()
		r := c.GitHubRequest("/github", id, "{}")
		r.Header.Set("X-GitHub-Event", eventType)
		harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	}
	send("blocker", "push")
	app.Next(t)
	send("low", "issues")
	send("middle", "push")
	send("high", "release")
	close(release)
	for _, want := range []string{"high", "middle", "low"} {
		if got := app.Next(t).Header.Get("Webhook-Event-Id"); got != want {
			t.Errorf("%s arrived: want %s", got, want)
		}
	}
}

// TestBreaker opens the breaker, sees that deliveries are held without spending
// attempts, and that all arrive after the application has recovered.
func TestBreaker(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, controlledSite(app, "breaker 3 400ms 1\nretry linear {\ninitial 1ms\nmax_delay 1ms\nmax_attempts 10\n}"),
		collect("webhook_breaker_opened", "webhook_breaker_closed"))
	for n := range 5 {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", fmt.Sprint("held-", n), "{}")), 202, "accepted")
	}
	if got := collected(t); got.Name() != "webhook_breaker_opened" || got.Data["destination"] != "app" {
		t.Errorf("event %s %v", got.Name(), got.Data)
	}
	opened := time.Now()
	var stats api.Stats
	c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	if len(stats.Destinations) != 1 || stats.Destinations[0].Breaker != "open" || stats.Destinations[0].BreakerUntil == nil {
		t.Errorf("stats: %+v", stats)
	}
	app.AnswerStatus(200)
	probes := int(time.Since(opened) / (400 * time.Millisecond)) // that failed meanwhile, on a busy machine
	harness.Eventually(t, "all are delivered", func() bool { return c.OpenDeliveries() == 0 })
	if got := collected(t); got.Name() != "webhook_breaker_closed" && probes == 0 {
		t.Errorf("event %s", got.Name())
	}
	// Three failures open the breaker, of one delivery or of several. Without it each
	// delivery would be tried ten times within some milliseconds.
	seen := 0
	for ; len(app.Got) > 0; seen++ {
		attempt, err := strconv.Atoi((<-app.Got).Header.Get("Webhook-Attempt"))
		if most := 3 + probes + 1; err != nil || attempt > most {
			t.Errorf("attempt %d (%v), want %d at most: the open breaker spent attempts", attempt, err, most)
		}
	}
	if seen < 3+5 {
		t.Errorf("%d attempts, want three failures and five deliveries at least", seen)
	}
}

func TestDeadEvent(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(404)
	c := harness.Start(t, controlledSite(app, "dead_on 404"), collect("webhook_dead"))
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "dead", "{}")), 202, "accepted")
	if got := collected(t); got.Name() != "webhook_dead" || got.Data["event_id"] != "dead" || got.Data["reason"] != "status_404" {
		t.Errorf("event %s %v", got.Name(), got.Data)
	}
}

// TestPlaceholders uses them in a header that Caddy writes with the answer.
func TestPlaceholders(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, `header >X-Seen "{http.webhooks.endpoint} {http.webhooks.provider} {http.webhooks.event_id} {http.webhooks.event_type} {http.webhooks.outcome}"`+"\n"+
		harness.GitHubSite(app, "name hub"), "")
	got := c.Do(c.GitHubRequest("/github", "seen", "{}"))
	harness.CheckAnswer(t, got, 202, "accepted")
	if seen := got.Header.Get("X-Seen"); seen != "hub github seen push accepted" {
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

// collect gives a config the events of that name from now on; collected returns them.
func collect(names ...string) string {
	for len(collectedEvents) > 0 {
		<-collectedEvents // of tests before this one
	}
	var lines string
	for _, name := range names {
		lines += "on " + name + " test_collect\n"
	}
	return "events {\n" + lines + "}"
}

func collected(t *testing.T) caddy.Event {
	t.Helper()
	select {
	case e := <-collectedEvents:
		return e
	case <-time.After(harness.Patience):
		t.Fatal("no event was emitted")
		return caddy.Event{}
	}
}

var _ caddyevents.Handler = (*collector)(nil)
