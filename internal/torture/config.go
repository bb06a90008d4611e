//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// variant is what differs from config to config.
type variant struct {
	withoutApp bool // GitHub's events have no destination app
	inFlight   int  // max_in_flight of app; 0: 48
	rate       int  // of app, per second; 0: none
	invalid    bool // it must be refused
	healed     bool // held is tried again
}

// attemptTime is the timeout of an attempt at app, as the config spells it.
// Leases last for 10 s longer.
const attemptTime = "2s"

// caddyfile differs from revision to revision, so that Caddy takes each for a new config.
func (w *world) caddyfile(n *node, v variant) string {
	n.revision++
	app := fmt.Sprintf(`name app
			events %s
			timeout %s
			max_in_flight %d
			breaker %s
			%s
			retry linear {
				initial 50ms
				max_delay 200ms
				max_attempts 100000
			}`, typeApp, attemptTime, orElse(v.inFlight, 48), w.breaker(), rateLine(v.rate))
	forwards := []string{
		forward(w.apps[destSteady].Address, `name steady
			timeout 5s
			breaker off
			retry linear {
				initial 50ms
				max_delay 200ms
				max_attempts 100000
			}`),
		forward(w.apps[destHeld].Address, fmt.Sprintf(`name held
			events %s
			timeout 2s
			breaker %s
			retry linear {
				initial 50ms
				max_delay 200ms
				max_attempts 100000
			}`, typeHeld, map[bool]string{false: "5 1h", true: "off"}[v.healed])),
		forward(w.apps[destMortal].Address, fmt.Sprintf(`name mortal
			events %s
			timeout 10s
			breaker off
			retry linear {
				initial 50ms
				max_delay 200ms
				max_attempts %d
			}`, typeMortal, mortalAttempts)),
	}
	if !v.withoutApp {
		forwards = append([]string{forward(w.apps[destApp].Address, app)}, forwards...)
	}
	if v.invalid {
		forwards = append(forwards, "forward {\n\t\t\tname nowhere\n\t\t}")
	}
	return fmt.Sprintf(`
{
	admin %s
	persist_config off
	log {
		level WARN
	}
	webhooks {
		node %s
		store %s
	}
}
http://%s {
	header X-Revision %d
	respond /heartbeat 204
	webhooks /github github {
		secret %s
		require_https off
		max_body %d
		%s
	}
	webhooks /stripe stripe {
		secret %s
		require_https off
		max_body %d
		%s
	}
}
`, strings.TrimPrefix(n.admin, "http://"), n.name, w.store.line(), n.Address, n.revision,
		oracle.Secret, maxBody, strings.Join(forwards, "\n\t\t"),
		oracle.Secret, maxBody, forward(w.apps[destApp].Address, strings.Replace(app, "events "+typeApp, "", 1)))
}

func forward(address, lines string) string {
	return fmt.Sprintf("forward %s {\n\t\t\t%s\n\t\t}", address, lines)
}

func (w *world) breaker() string {
	if w.plan.Breaker {
		return "8 500ms 2"
	}
	return "off"
}

func rateLine(rate int) string {
	if rate == 0 {
		return ""
	}
	return fmt.Sprintf("rate %d/s", rate)
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
