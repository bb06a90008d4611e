package monitoring

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// TestTrafficOfGuards counts what the next handler answered.
func TestTrafficOfGuards(t *testing.T) {
	harness.ForgetTraffic(t)
	good := rand.Text()
	c := harness.Start(t, fmt.Sprintf(`@guards path /guarded /failing
	webhooks @guards github {
		secret "%s"
		name guards
		require_https off
	}
	respond /guarded 200
	respond /failing 500`, good), "")
	seen := process.Traffic.Watch("guards", nil, time.Now())
	harness.SendTo(c, "failing", good)
	if s := seen.Snapshot(); s.Refused != 1 || s.Refusal != "failed" || !s.LastAccepted.IsZero() {
		t.Errorf("after a failure: %+v", s)
	}
	harness.SendTo(c, "guarded", good)
	if s := seen.Snapshot(); s.Refused != 0 || s.LastAccepted.IsZero() {
		t.Errorf("after a success: %+v", s)
	}
}
