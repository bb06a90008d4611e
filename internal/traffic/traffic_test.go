package traffic

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// TestBounds keeps what is remembered in bounds: the endpoint that has been silent longest is
// forgotten, and of the secrets none that the running config has.
func TestBounds(t *testing.T) {
	var log Log
	silent := log.Watch("silent", nil, noon)
	silent.Report(&intake.Report{ReceivedAt: noon, OK: true})
	busy := log.Watch("busy", nil, noon)
	for n := range 2 * maxEndpoints {
		now := noon.Add(time.Duration(n) * time.Second)
		busy.Report(&intake.Report{ReceivedAt: now, OK: true})
		log.Watch(fmt.Sprint("endpoint-", n), nil, now)
	}
	if len(log.byEndpoint) != maxEndpoints {
		t.Errorf("%d endpoints are remembered: want %d", len(log.byEndpoint), maxEndpoints)
	}
	if log.byEndpoint["busy"] != busy.Endpoint || log.byEndpoint["silent"] != nil {
		t.Error("the busy endpoint was forgotten, or the silent one was not")
	}
	for n := range 2 * maxMarks {
		log.Watch("busy", []string{"current", fmt.Sprint(n)}, noon)
	}
	if _, ok := busy.secrets[markOf("current")]; !ok || len(busy.secrets) > maxMarks {
		t.Errorf("%d secrets are remembered, the current one: %v", len(busy.secrets), ok)
	}
}

// BenchmarkReport is what the memory costs each webhook.
func BenchmarkReport(b *testing.B) {
	var log Log
	view := log.Watch("benchmark", []string{"x"}, noon)
	r := &intake.Report{ReceivedAt: noon, Verified: true, Outcome: "accepted", OK: true, Status: 202}
	for b.Loop() {
		view.Report(r)
	}
}
