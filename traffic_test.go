package caddywebhooks

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
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

func TestIsLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.0.0.1": true, "172.16.0.1": true, "192.168.1.1": true, "100.64.0.1": true,
		"169.254.0.1": true, "fe80::1%eth0": true, "fd00::1": true, "::ffff:10.0.0.1": true,
		"8.8.8.8": false, "2001:db8::1": false, "172.32.0.1": false, "100.128.0.1": false,
	} {
		if got := intake.IsLocal(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is local: %v, want %v", text, got, want)
		}
	}
}
