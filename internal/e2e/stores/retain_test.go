package stores

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

func TestRetainErrors(t *testing.T) {
	for arguments, want := range map[string]string{
		"":                                  "retain wants: delivered",
		"dead 100":                          "retain wants: delivered",
		"delivered":                         "wants how many to keep",
		"delivered bodies":                  "wants how many to keep",
		"delivered 0":                       `has "0"`,
		"delivered -5":                      `has "-5"`,
		"delivered 0s":                      `has "0s"`,
		"delivered -1h":                     `has "-1h"`,
		"delivered many":                    `has "many"`,
		`delivered 10 ""`:                   `has ""`,
		"delivered 10 20":                   `"20" where that was said before`,
		"delivered 1h 2h":                   `"2h" where that was said before`,
		"delivered 1h bodies bodies":        `"bodies" where that was said before`,
		"delivered 10 {\n}":                 `"{"`,
		"delivered 10\nretain delivered 20": `subdirective "retain" is repeated`,
	} {
		_, err := harness.Adapt("{\nwebhooks {\nretain " + arguments + "\n}\n}")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ":"+fmt.Sprint(3+strings.Count(arguments, "\nretain"))) {
			t.Errorf("retain %s: error %v, want one with %q and the line", arguments, err, want)
		}
	}
	for _, r := range []*policy.Retain{{}, {Bodies: true}, {Count: -1, Age: 1}, {Count: 1, Age: -1}} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), "retain delivered") {
			t.Errorf("%+v: error %v", *r, err)
		}
	}
	var none *policy.Retain
	if err := none.Validate(); err != nil || none.Retention().On() {
		t.Errorf("none: %v, %+v", err, none.Retention())
	}
	if got := (&policy.Retain{Age: caddy.Duration(time.Hour)}).Retention(); got.Count != 100_000 {
		t.Errorf("a duration alone keeps %d", got.Count)
	}
}

// TestRetain keeps what was delivered through reloads, shows it, and removes it,
// on both stores.
func TestRetain(t *testing.T) {
	t.Run("file", func(t *testing.T) { testRetain(t, harness.Start(t, "respond 200", "")) })
	t.Run("redis", func(t *testing.T) {
		testRetain(t, harness.OnRedis(t, "redis redis://"+redistest.Start(t).Addr(), "respond 200"))
	})
}

func testRetain(t *testing.T, c *harness.Caddy) {
	app := harness.StartApplication(t)
	off := c.Options
	retain := func(arguments string) {
		t.Helper()
		c.Options = off
		if arguments != "" {
			c.Options = harness.Edited(off, "webhooks {", "webhooks {\n retain delivered "+arguments)
		}
		if err := c.Load(harness.GitHubSite(app, "")); err != nil {
			t.Fatal(err)
		}
	}
	send := func(id, body string) {
		t.Helper()
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", id, body)), 202, "accepted")
		app.Next(t)
		harness.Eventually(t, "its answer is noted", func() bool { return c.OpenDeliveries() == 0 })
	}
	show := func(id string) (d api.Detail) {
		t.Helper()
		harness.Eventually(t, "the delivery is kept", func() bool {
			d = api.Detail{}
			return c.AdminCall(http.MethodGet, "/webhooks/deliveries/"+id, "", &d) == 200 && d.State == "delivered"
		})
		return d
	}
	retain("")
	send("none", `{"n":0}`)
	retain("10")
	send("first", `{"n":1}`)
	first := c.Delivery("state=delivered").ID
	var d api.Detail
	harness.Eventually(t, "the body is dropped", func() bool { d = show(first); return d.BodyDropped })
	if d.EventID != "first" || d.Body != "" || d.LastStatus != 200 || len(d.History) != 1 || d.History[0].Status != 200 ||
		d.Headers.Get("X-Github-Delivery") != "first" || d.Headers.Get("X-Hub-Signature-256") != redact.Masked {
		t.Errorf("kept %+v", d)
	}
	run := func(cmd *cobra.Command, arguments ...string) string {
		t.Helper()
		out, err := harness.RunCommand(cmd, append(arguments, "--address", c.AdminAddress())...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := run(harness.Command("list"), "--state", "delivered"); !strings.Contains(out, first) || !strings.Contains(out, "status 200") {
		t.Errorf("list says\n%s", out)
	}
	if out := run(harness.Command("show"), first); !strings.Contains(out, "body not kept") || !strings.Contains(out, "X-Github-Delivery: first") {
		t.Errorf("show says\n%s", out)
	}
	var refusal struct{ Error string }
	for _, call := range [][2]string{{"POST", "/replay"}, {"DELETE", ""}} {
		code := c.AdminCall(call[0], "/webhooks/deliveries/"+first+call[1], "", &refusal)
		if code != 409 || !strings.Contains(refusal.Error, "is delivered") {
			t.Errorf("%s answered %d %q, want 409", call[0], code, refusal.Error)
		}
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "first", `{"n":1}`)), 200, "duplicate")

	// A reload changes it; the newest are kept.
	retain("1 1h bodies")
	send("second", `{"n":2}`)
	second := c.Delivery("state=delivered&event_id=second").ID
	if d := show(second); d.BodyDropped || d.Body != `{"n":2}` {
		t.Errorf("kept %+v", d)
	}
	harness.Eventually(t, "the older one is gone", func() bool {
		return c.AdminCall(http.MethodGet, "/webhooks/deliveries/"+first, "", nil) == 404
	})
	var stats api.Stats
	c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	if i := slices.IndexFunc(stats.Destinations, func(l api.Lane) bool { return l.Pending+l.Leased+l.Dead > 0 }); i >= 0 {
		t.Errorf("stats count %+v", stats.Destinations[i])
	}
	retain("")
	harness.Eventually(t, "nothing is left", func() bool {
		var list api.List
		c.AdminCall(http.MethodGet, "/webhooks/deliveries", "", &list)
		return len(list.Deliveries) == 0
	})
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "second", `{"n":2}`)), 200, "duplicate")
}
