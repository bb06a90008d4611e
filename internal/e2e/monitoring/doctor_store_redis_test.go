package monitoring

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// TestDoctorRedis warns of a Redis that forgets what it has when it crashes, of one
// whose settings somebody changed meanwhile, and of one that is away.
func TestDoctorRedis(t *testing.T) {
	harness.ForgetTraffic(t)
	server := redistest.Start(t)
	c := harness.OnRedis(t, "redis "+server.URL(), harness.DoctorSite("redis", rand.Text(), "", "127.0.0.1:1", ""))
	if checks := c.Doctor(); !harness.StoreSays(checks, api.LevelWarn, "append-only file") {
		t.Errorf("without AOF: %+v", checks)
	}
	if err := server.Client().ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	if checks := c.Doctor(); !harness.StoreSays(checks, api.LevelWarn, "noeviction") {
		t.Errorf("with eviction: %+v", checks)
	}
	server.Kill()
	harness.Eventually(t, "the doctor says that the store is away", func() bool { return harness.StoreSays(c.Doctor(), api.LevelError, "it does not answer") })
}

// TestDoctorReplicas warns of acknowledging before every replica has the event,
// where any of them may be made master.
func TestDoctorReplicas(t *testing.T) {
	harness.ForgetTraffic(t)
	group := redistest.StartSentinel(t, redistest.AOF...)
	c := harness.OnRedis(t, fmt.Sprintf("redis %s {\nsentinel %s\nmin_replicas 1 500ms\n}", strings.Join(group.Addrs(), " "), group.Master()),
		harness.DoctorSite("redis", rand.Text(), "", "127.0.0.1:1", ""))
	harness.Eventually(t, "the doctor sees both replicas", func() bool { return harness.StoreSays(c.Doctor(), api.LevelWarn, "`min_replicas 2` prevents that") })
}
