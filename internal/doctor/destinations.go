package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// oldDelivery is the age of the oldest waiting delivery from which on the doctor mentions it.
const oldDelivery = 10 * time.Minute

// checkLane looks at one destination: is it up, does its queue move, are there deliveries that nothing
// will deliver?
func (d *diagnosis) checkLane(lane api.Lane) {
	name := lane.Endpoint + "/" + lane.Destination
	selects := "--endpoint " + lane.Endpoint + " --destination " + lane.Destination
	if open := lane.Pending + lane.Leased + lane.Dead; !lane.Configured && open > 0 {
		d.add(api.LevelWarn, "orphans", name, fmt.Sprintf("%s stored for it, but the running config has no such destination", areStored(open)),
			"Bring the destination back under this name and they are delivered; or see them with `caddy webhooks list "+selects+"` and delete them by their ids, `caddy webhooks purge <id>...`, or all at once by the admin API: `"+purgeCall(lane.Endpoint, lane.Destination)+"`.")
		return
	}
	before := len(d.checks)
	d.checkAttempts(lane, name, selects)
	if lane.OldestPending != nil && d.Now.Sub(*lane.OldestPending) > oldDelivery {
		d.add(api.LevelWarn, "backlog", name, fmt.Sprintf("its oldest delivery has been waiting for %s; %d are waiting in all",
			wording.Span(d.Now.Sub(*lane.OldestPending)), lane.Pending+lane.Leased),
			"See why it is not taken: `caddy webhooks list "+selects+" --until 10m`, then show one.")
	}
	if lane.Dead > 0 {
		d.add(api.LevelWarn, "dead letters", name, wording.Plural(lane.Dead, "dead letter")+" will not be tried again",
			"See why: `caddy webhooks list --state dead "+selects+"`. Then: `caddy webhooks replay --all-dead "+selects+" --rate 10/s`.")
	}
	if len(d.checks) == before {
		d.add(api.LevelOK, "destination", name, "nothing is overdue", "")
	}
}

func areStored(n int) string {
	if n == 1 {
		return "1 delivery is"
	}
	return fmt.Sprintf("%d deliveries are", n)
}

// checkAttempts looks at the results of recent attempts.
func (d *diagnosis) checkAttempts(lane api.Lane, name, selects string) {
	look := "See what the application answers: `caddy webhooks list " + selects + "`, then show one. What waits goes on by itself when it is back; dead letters need a replay."
	of := retrystore.Lane{Endpoint: lane.Endpoint, Destination: lane.Destination}
	failures := d.Config.Breakers()[of].Failures
	attempts := d.Attempts[of]
	switch {
	case lane.Breaker == forward.BreakerOpen:
		message := fmt.Sprintf("it is down: %s in a row failed, so its breaker is open", wording.Plural(failures, "attempt"))
		if lane.BreakerUntil != nil {
			message += "; it is tried again in " + wording.Span(lane.BreakerUntil.Sub(d.Now))
		}
		d.add(api.LevelError, "destination", name, message, look)
	case attempts.Delivered == 0 && attempts.Failed > 0:
		d.add(api.LevelError, "destination", name, fmt.Sprintf("no attempt has succeeded since Caddy was started; %d failed", attempts.Failed), look)
	case lane.Breaker == forward.BreakerHalfOpen:
		d.add(api.LevelWarn, "destination", name, "it was down, and is being tried again", look)
	case failures > 0:
		d.add(api.LevelWarn, "destination", name, "its last "+strings.TrimPrefix(wording.Plural(failures, "attempt"), "1 ")+" failed", look)
	}
}

// purgeCall deletes what waits for a destination, with Caddy's admin API at its usual address.
func purgeCall(endpoint, destination string) string {
	body, err := json.Marshal(map[string]any{"filter": map[string]string{"endpoint": endpoint, "destination": destination, "state": retrystore.Pending.String() + "," + retrystore.Dead.String()}})
	if err != nil {
		return "POST /webhooks/purge"
	}
	return "curl -X POST http://localhost:2019/webhooks/purge -H 'Content-Type: application/json' -d '" + string(body) + "'"
}
