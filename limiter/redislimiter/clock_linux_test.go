package redislimiter_test

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
)

// TestServerClockSteps: Redis's clock is stepped while a budget is spent. A step back locks no client
// out for longer than the limit says. A step forward gives the budget back, once. Afterwards
// the limit works as before.
func TestServerClockSteps(t *testing.T) {
	t.Parallel()
	server, step := redistest.StartWithClock(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{server.URL()}}), redislimiter.Options{Timeout: patient})
	spend := func(ask limiter.Ask) (allowed int64) {
		t.Helper()
		for ; allowed <= ask.Limit.Burst; allowed++ {
			if d, _ := take(t, l, ask); !d.Allowed {
				break
			}
		}
		return allowed
	}
	for _, by := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour, -time.Minute, -time.Hour, -24 * time.Hour} {
		for _, algorithm := range []string{"token_bucket", "sliding_window"} {
			name := by.String() + " " + algorithm
			ask := ip(name, limit("5", "1/1m", algorithm))
			longest := ask.Limit.Window() + ask.Limit.Window()/limiter.Slots
			if got := spend(ask); got != 5 {
				t.Fatalf("%s: %d at first", name, got)
			}
			step(by)
			got := spend(ask)
			if by < 0 && got > 0 || by > time.Minute && got != 5 || got > 5 {
				t.Errorf("%s: %d after the step", name, got)
			}
			d, _ := take(t, l, ask)
			if d.Allowed || d.RetryAfter > longest {
				t.Errorf("%s: allowed %v, retry after %s, want %s at most", name, d.Allowed, d.RetryAfter, longest)
			}
			step(d.RetryAfter) // as if that had passed
			if d, _ := take(t, l, ask); !d.Allowed {
				t.Errorf("%s: refused for another %s after that", name, d.RetryAfter)
			}
		}
	}
}
