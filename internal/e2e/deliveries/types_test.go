package deliveries

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

const stripeSecret = "whsec_3bJk9vQ2mXw8LrT5"

// stripeSite is an endpoint of stripe with the forwards given.
func stripeSite(name, forwards string) string {
	return fmt.Sprintf("webhooks /%[1]s stripe {\nname %[1]s\nsecret %[2]s\nrequire_https off\n%[3]s\n}\n", name, stripeSecret, forwards)
}

func forwardOf(app *harness.Application, name, more string) string {
	return fmt.Sprintf("forward %s {\nname %s\n%s\n}", app.Address, name, more)
}

// stripe sends a webhook as the provider would.
func stripe(c *harness.Caddy, endpoint, body string) harness.Reply {
	c.T.Helper()
	p, _ := verify.Lookup("stripe")
	v, err := p.NewVerifier(verify.Options{Secrets: []string{stripeSecret}})
	if err != nil {
		c.T.Fatal(err)
	}
	signed := &verify.Request{Method: http.MethodPost, Header: make(http.Header), Body: []byte(body)}
	if err := v.Sign(signed, time.Now()); err != nil {
		c.T.Fatal(err)
	}
	r := c.Request(http.MethodPost, c.Site+"/"+endpoint, body)
	r.Header = signed.Header
	r.Header.Set("Content-Type", "application/json")
	return c.Do(r)
}

// TestTypeUnknown: a type that cannot be read may be one that is wanted, so that
// nothing is thrown away because of it.
func TestTypeUnknown(t *testing.T) {
	for name, body := range map[string]string{
		"empty":            ``,
		"NUL in between":   `{"id":"evt_1",` + "\x00" + `"type":"invoice.paid"}`,
		"raw TAB in type":  "{\"id\":\"evt_1\",\"type\":\"invoice.paid\t\"}",
		"damaged gzip":     gzipped(t, `{"id":"evt_1","type":"invoice.paid"}`)[:40],
		"truncated":        `{"id":"evt_1","type":"invoice.paid"`,
		"no JSON":          `type=invoice.paid`,
		"no type":          `{"id":"evt_1"}`,
		"type is null":     `{"id":"evt_1","type":null}`,
		"type is true":     `{"id":"evt_1","type":true}`,
		"half of a pair":   `{"id":"evt_1","type":"\ud800"}`,
		"type is a list":   `{"id":"evt_1","type":["invoice.paid"]}`,
		"type is empty":    `{"id":"evt_1","type":""}`,
		"control in type":  `{"id":"evt_1","type":"invoice.paid\u0000"}`,
		"type is too long": `{"id":"evt_1","type":"` + strings.Repeat("x", 600) + `"}`,
		"scalar":           `"invoice.paid"`,
	} {
		t.Run(name, func(t *testing.T) {
			app := harness.StartApplication(t)
			c := harness.Start(t, stripeSite("picky", forwardOf(app, "a", "events invoice.*")+"\n"+forwardOf(app, "b", "events customer.*"))+
				stripeSite("mixed", forwardOf(app, "a", "events invoice.*")+"\n"+forwardOf(app, "all", ""))+
				stripeSite("wide", forwardOf(app, "star", "events *")), collect("webhook_dead"))
			harness.CheckAnswer(t, stripe(c, "picky", body), 202, "accepted")
			for _, destination := range []string{"a", "b"} {
				d := c.Delivery("endpoint=picky&destination=" + destination)
				if d.State != "dead" || d.Reason != "type_unknown" || d.Attempts != 0 {
					t.Errorf("%s: %+v, want a dead letter", destination, d)
				}
				if got := collected(t); got.Name() != "webhook_dead" || got.Data["reason"] != "type_unknown" || got.Data["attempts"] != 0 {
					t.Errorf("event %v %v", got.Name(), got.Data)
				}
				series := fmt.Sprintf(`webhook_dead_letters_total{destination=%q,endpoint="picky",reason="type_unknown"}`, destination)
				if c.Metrics()[series] == 0 {
					t.Errorf("%s is not counted", series)
				}
			}
			if len(app.Got) != 0 {
				t.Error("it was delivered to who may not want it")
			}
			if code := c.AdminCall(http.MethodPost, "/webhooks/deliveries/"+c.Delivery("endpoint=picky&destination=a").ID+"/replay", "", nil); code != 200 {
				t.Fatalf("replay answered %d", code)
			}
			if got := app.Next(t); string(got.Body) != body {
				t.Errorf("replayed with %q, want %q", got.Body, body)
			}

			harness.CheckAnswer(t, stripe(c, "mixed", body), 202, "accepted")
			app.Next(t) // who asks for no type gets it as usual
			if d := c.Delivery("endpoint=mixed&destination=a"); d.Reason != "type_unknown" {
				t.Errorf("mixed: %+v, want a dead letter", d)
			}
			harness.CheckAnswer(t, stripe(c, "wide", body), 202, "accepted")
			app.Next(t)
		})
	}
}

// TestTypeUnknownRelay: a dead letter has no answer that a provider could wait for.
func TestTypeUnknownRelay(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(201)
	c := harness.Start(t, stripeSite("picky", "respond upstream 1m\n"+forwardOf(app, "a", "events invoice.*"))+
		stripeSite("mixed", "respond upstream 1m\n"+forwardOf(app, "a", "events invoice.*")+"\n"+forwardOf(app, "all", "")), "")
	harness.CheckAnswer(t, stripe(c, "picky", `{"id":"evt_1"}`), 202, "accepted")
	if got := stripe(c, "mixed", `{"id":"evt_1"}`); got.Code != 201 {
		t.Errorf("answered %d, want the answer of the destination that takes all", got.Code)
	}
}

// TestTypeGlobErrors refuses globs that can match nothing, with their line.
func TestTypeGlobErrors(t *testing.T) {
	for _, test := range []struct{ provider, line, want string }{
		{"stripe", "events /invoice.*/", "Caddyfile:5"},
		{"stripe", "events customer.* /invoice.*/", "write invoice.*"},
		{"stripe", "events invoice.[", "only * is special"},
		{"stripe", "priority 5 invoice.[", "Caddyfile:5"},
		{"stripe", "priority 5 ^invoice", "no regular expression"},
		{"stripe", `events "invoice.paid,invoice.voided"`, "forward app:3000"},
		{"dropbox", "events files", "provider dropbox has no event type"},
	} {
		_, err := harness.Adapt(fmt.Sprintf(":80 {\nwebhooks /x %s {\nsecret x2Lk9vQ2mXw8LrT5\nforward app:3000 {\n%s\n}\n}\n}", test.provider, test.line))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.line, err, test.want)
		}
	}
}

// TestIgnoredIsSeen: what no destination wants is acknowledged and gone, so people
// have to be told.
func TestIgnoredIsSeen(t *testing.T) {
	harness.ForgetTraffic(t)
	app := harness.StartApplication(t)
	c := harness.Start(t, stripeSite("typo", forwardOf(app, "a", "events invoices.*")), "")
	out, err := harness.RunCommand(harness.Command("send"), "stripe", c.Site+"/typo", "--secret", stripeSecret, "--type=invoice.paid")
	if err == nil || cli.ExitCode(err) != cli.ExitNo || !strings.Contains(err.Error(), "no destination of the endpoint wants events of that type") {
		t.Errorf("send: %v\n%s", err, out)
	}
	checks := c.Doctor()
	if !harness.Found(checks, api.LevelWarn, "traffic", "typo", "everything that came was ignored: 1 webhook") ||
		!harness.Found(checks, api.LevelWarn, "traffic", "typo", "of type invoice.paid, and no destination wants it: a wants invoices.*") {
		t.Errorf("the doctor says %+v", checks)
	}
	if !harness.Found(checks, api.LevelWarn, "events", "typo", "no type of stripe matches invoices.*: did you mean invoice.*?") {
		t.Errorf("the doctor says %+v", checks)
	}
	var stats api.Stats
	c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	if len(stats.Ignored) != 1 || stats.Ignored[0] != (api.Ignored{Endpoint: "typo", Webhooks: 1, LastType: "invoice.paid"}) {
		t.Errorf("stats: %+v", stats.Ignored)
	}
	if n := c.Metrics()[`webhook_ignored_total{endpoint="typo",event_type="invoice.paid"}`]; n < 1 {
		t.Errorf("counted %v", n)
	}
	if err := c.Load(stripeSite("typo", forwardOf(app, "a", "events invoice.*"))); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, stripe(c, "typo", `{"id":"evt_1","type":"invoice.paid"}`), 202, "accepted")
	if checks := c.Doctor(); !harness.Found(checks, api.LevelOK, "traffic", "typo", "the last webhook was accepted") {
		t.Errorf("the doctor says %+v", checks)
	}
}
