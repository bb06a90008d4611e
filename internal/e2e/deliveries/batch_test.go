package deliveries

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestBatchOfSeveralTypes: who wants one event of a webhook gets the webhook, whichever
// of the events is the first one.
func TestBatchOfSeveralTypes(t *testing.T) {
	deletes, updates := harness.StartApplication(t), harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /graph ms-graph {\nname graph\nsecret %s\nrequire_https off\n%s\n%s\n}\n", stripeSecret,
		forwardOf(deletes, "deletes", "events deleted\npriority 7 deleted"), forwardOf(updates, "updates", "events updated")), "")
	n := 0
	send := func(kinds ...string) harness.Reply {
		var items []string
		for _, kind := range kinds {
			n++
			items = append(items, fmt.Sprintf(`{"id":"%d","clientState":%q,"changeType":%q}`, n, stripeSecret, kind))
		}
		r := c.Request(http.MethodPost, c.Site+"/graph", `{"value":[`+strings.Join(items, ",")+`]}`)
		r.Header.Set("Content-Type", "application/json")
		return c.Do(r)
	}
	sent := func(app *harness.Application, reply harness.Reply) {
		t.Helper()
		if reply.Code != 202 {
			t.Errorf("answered %d", reply.Code)
		}
		app.Next(t)
	}
	sent(deletes, send("created", "deleted"))
	sent(updates, send("created", "created", "updated"))
	if got := send("created", "created"); got.Header.Get("Webhook-Status") != "ignored" {
		t.Errorf("what nobody wants: %v", got.Header)
	}
	sent(deletes, send("created", "deleted", ""))
	if d := c.Delivery("endpoint=graph&state=dead"); d.Destination != "updates" || d.Reason != "type_unknown" {
		t.Errorf("%+v, want a dead letter of updates", d)
	}
	if len(deletes.Got)+len(updates.Got) > 0 {
		t.Error("an event went to who does not want it")
	}
}
