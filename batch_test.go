package caddywebhooks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBatchOfSeveralTypes: who wants one event of a webhook gets the webhook, whichever
// of the events is the first one.
func TestBatchOfSeveralTypes(t *testing.T) {
	deletes, updates := startApplication(t), startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /graph ms-graph {\nname graph\nsecret %s\nrequire_https off\n%s\n%s\n}\n", stripeSecret,
		forwardOf(deletes, "deletes", "events deleted\npriority 7 deleted"), forwardOf(updates, "updates", "events updated")), "")
	n := 0
	send := func(kinds ...string) reply {
		var items []string
		for _, kind := range kinds {
			n++
			items = append(items, fmt.Sprintf(`{"id":"%d","clientState":%q,"changeType":%q}`, n, stripeSecret, kind))
		}
		r := c.request(http.MethodPost, c.site+"/graph", `{"value":[`+strings.Join(items, ",")+`]}`)
		r.Header.Set("Content-Type", "application/json")
		return c.do(r)
	}
	sent := func(app *application, reply reply) {
		t.Helper()
		if reply.code != 202 {
			t.Errorf("answered %d", reply.code)
		}
		app.next(t)
	}
	sent(deletes, send("created", "deleted"))
	sent(updates, send("created", "created", "updated"))
	if got := send("created", "created"); got.header.Get("Webhook-Status") != "ignored" {
		t.Errorf("what nobody wants: %v", got.header)
	}
	sent(deletes, send("created", "deleted", ""))
	if d := c.delivery("endpoint=graph&state=dead"); d.Destination != "updates" || d.Reason != "type_unknown" {
		t.Errorf("%+v, want a dead letter of updates", d)
	}
	if len(deletes.got)+len(updates.got) > 0 {
		t.Error("an event went to who does not want it")
	}
}
