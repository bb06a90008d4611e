package incident

import (
	"maps"
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// isOver waits until the alerts about what stands are gone (those about rates remember for
// ten minutes), the dashboard is quiet, and sees that every event has arrived.
func (s *incidentScript) isOver() {
	p := s.prometheus
	harness.Eventually(s.T, "the alerts are gone", func() bool {
		return !slices.ContainsFunc(p.alerts(), func(a alert) bool { return a.name != "WebhookSignatureFailures" })
	})
	harness.Eventually(s.T, "no signature fails any more", func() bool {
		shown := p.panel("Signature failures")
		return len(shown) > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(shown)), func(rate float64) bool { return rate > 0 })
	})
	if open := s.Caddy.OpenDeliveries(); open != 0 {
		s.Errorf("%d deliveries are open", open)
	}
	if out, code := s.Bash("caddy webhooks doctor"); code != 0 {
		s.Errorf("the doctor still finds errors:\n%s", out)
	}
	for _, app := range []*harness.Application{s.orders.Application, s.billing} {
		for len(app.Got) > 0 {
			delete(s.acked, (<-app.Got).Header.Get("Webhook-Event-Id"))
		}
	}
	if len(s.acked) > 0 {
		s.Errorf("acknowledged, and never delivered: %v", slices.Sorted(maps.Keys(s.acked)))
	}
}
