package harness

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// ShortBodyTime makes endpoints of this test wait less for a body.
func ShortBodyTime(t *testing.T, within time.Duration) {
	t.Helper()
	before := process.BodyTime
	process.BodyTime = within // read when a config is loaded
	t.Cleanup(func() { process.BodyTime = before })
}
