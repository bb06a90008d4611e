package caddywebhooks

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// TestDoctorRedis warns of a Redis that forgets what it has when it crashes, of one
// whose settings somebody changed meanwhile, and of one that is away.
func TestDoctorRedis(t *testing.T) {
	forgetTraffic(t)
	server := redistest.Start(t)
	c := onRedis(t, "redis "+server.URL(), doctorSite("redis", rand.Text(), "", "127.0.0.1:1", ""))
	if checks := c.doctor(); !storeSays(checks, api.LevelWarn, "append-only file") {
		t.Errorf("without AOF: %+v", checks)
	}
	if err := server.Client().ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	if checks := c.doctor(); !storeSays(checks, api.LevelWarn, "noeviction") {
		t.Errorf("with eviction: %+v", checks)
	}
	server.Kill()
	eventually(t, "the doctor says that the store is away", func() bool { return storeSays(c.doctor(), api.LevelError, "it does not answer") })
}

// TestDoctorReplicas warns of acknowledging before every replica has the event,
// where any of them may be made master.
func TestDoctorReplicas(t *testing.T) {
	forgetTraffic(t)
	group := redistest.StartSentinel(t, redistest.AOF...)
	c := onRedis(t, fmt.Sprintf("redis %s {\nsentinel %s\nmin_replicas 1 500ms\n}", strings.Join(group.Addrs(), " "), group.Master()),
		doctorSite("redis", rand.Text(), "", "127.0.0.1:1", ""))
	eventually(t, "the doctor sees both replicas", func() bool { return storeSays(c.doctor(), api.LevelWarn, "`min_replicas 2` prevents that") })

	for _, test := range []struct {
		store  RedisStore
		report redisclient.Report
		want   string // empty: nothing is said
	}{
		{RedisStore{Sentinel: "m", MinReplicas: 2}, redisclient.Report{Masters: 1, Replicas: 2}, ""},
		{RedisStore{Sentinel: "m"}, redisclient.Report{Masters: 1, Replicas: 1}, "min_replicas is 0, but a master has 1 replicas"},
		{RedisStore{Cluster: true, MinReplicas: 1}, redisclient.Report{Masters: 3, Replicas: 2}, "`min_replicas 2`"},
		{RedisStore{MinReplicas: 1}, redisclient.Report{Masters: 1, Replicas: 2}, ""}, // nobody makes one of them master but the operator
		{RedisStore{MinReplicas: 2}, redisclient.Report{Masters: 1, Replicas: 1}, "every webhook is answered 503"},
		{RedisStore{Sentinel: "m", MinReplicas: 1}, redisclient.Report{}, ""}, // not reached
	} {
		got := strings.Join(test.store.risks(test.report), "; ")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v with %+v: %q, want %q", test.store, test.report, got, test.want)
		}
	}
}

// storeSays looks for a finding about the store.
func storeSays(checks []api.Check, level, text string) bool {
	for _, check := range checks {
		if check.Name == "store" && check.Level == level && strings.Contains(fmt.Sprint(check), text) {
			return true
		}
	}
	return false
}
