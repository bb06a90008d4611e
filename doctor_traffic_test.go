package caddywebhooks

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestTrafficBounds keeps what is remembered in bounds, and what was used longest.
func TestTrafficBounds(t *testing.T) {
	log := trafficLog{byEndpoint: make(map[string]*traffic)}
	busy := log.of("busy", noon)
	busy.lastReceived = noon
	for n := range 2 * maxTraffics {
		log.of(fmt.Sprint("endpoint-", n), noon)
	}
	if len(log.byEndpoint) > maxTraffics || log.of("busy", noon) != busy {
		t.Errorf("%d endpoints are remembered", len(log.byEndpoint))
	}
	current := []secretMark{markOf("current")}
	busy.know(current, noon)
	for n := range 2 * maxMarks {
		busy.know(append(current, markOf(fmt.Sprint(n))), noon)
	}
	if _, ok := busy.secrets[current[0]]; !ok || len(busy.secrets) > maxMarks {
		t.Errorf("%d secrets are remembered, the current one: %v", len(busy.secrets), ok)
	}
}

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
	seen := traffics.of("guards", noon)
	c.send("failing", good)
	if s := seen.snapshot(); s.refused != 1 || s.refusal != "failed" || !s.lastAccepted.IsZero() {
		t.Errorf("after a failure: %+v", s)
	}
	c.send("guarded", good)
	if s := seen.snapshot(); s.refused != 0 || s.lastAccepted.IsZero() {
		t.Errorf("after a success: %+v", s)
	}
}

func TestIsLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.0.0.1": true, "172.16.0.1": true, "192.168.1.1": true, "100.64.0.1": true,
		"169.254.0.1": true, "fe80::1%eth0": true, "fd00::1": true, "::ffff:10.0.0.1": true,
		"8.8.8.8": false, "2001:db8::1": false, "172.32.0.1": false, "100.128.0.1": false,
	} {
		if got := isLocal(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is local: %v, want %v", text, got, want)
		}
	}
}

func TestLooksLikeTest(t *testing.T) {
	for secret, want := range map[string]bool{
		"whsec_demo": true, "s3cret": true, githubSecret: true, "aaaaaaaaaaaaaaaaaaaaaaaa": true, "CHANGEME-now": true,
		"ZGVtby1zZWNyZXQtb2YtMjQtYnl0ZXM=": true, "q1Yk8h0tC3uWnR5vZ2xEoA==": false, "abcd1234": false,
		"9f86d081884c7d659a2feaa0c55ad015": false, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": false,
	} {
		if got := looksLikeTest(secret); got != want {
			t.Errorf("%s: %v, want %v", secret, got, want)
		}
	}
}

// BenchmarkTraffic is what the doctor's memory costs each webhook.
func BenchmarkTraffic(b *testing.B) {
	view := trafficView{traffic: traffics.of("benchmark", noon), marks: []secretMark{markOf("x")}}
	in := &inbound{r: &http.Request{Header: make(http.Header)}, receivedAt: noon, isVerified: true, verified: verify.Result{}, outcome: "accepted"}
	a := &answer{code: 202}
	for b.Loop() {
		view.saw(in, a)
	}
}
