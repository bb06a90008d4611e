package caddywebhooks

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// TestTrafficOfGuards counts what the next handler answered.
func TestTrafficOfGuards(t *testing.T) {
	forgetTraffic(t)
	good := rand.Text()
	c := startCaddy(t, fmt.Sprintf(`@guards path /guarded /failing
	webhooks @guards github {
		secret "%s"
		name guards
		require_https off
	}
	respond /guarded 200
	respond /failing 500`, good), "")
	seen := process.Traffic.Watch("guards", nil, time.Now())
	c.send("failing", good)
	if s := seen.Snapshot(); s.Refused != 1 || s.Refusal != "failed" || !s.LastAccepted.IsZero() {
		t.Errorf("after a failure: %+v", s)
	}
	c.send("guarded", good)
	if s := seen.Snapshot(); s.Refused != 0 || s.LastAccepted.IsZero() {
		t.Errorf("after a success: %+v", s)
	}
}
