package monitoring

import (
	"fmt"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestMetrics counts one webhook of each fate. Counters belong to the process,
// so only what they grew by counts.
func TestMetrics(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	site := fmt.Sprintf(`webhooks github {
		secret old "%s"
		require_https off
		rate_limit provider 2 1/h
		forward %s {
			name app
			retry {
				initial 1h
			}
		}
	}`, harness.GitHubSecret, app.Address)
	c := harness.Start(t, site, "")
	before := c.Metrics()
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "one", "{}")), 202, "accepted")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "one", "{}")), 200, "duplicate")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "two", "{}")), 429, "rate_limit_exceeded")
	forged := c.GitHubRequest("/", "three", "{}")
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("[]"))
	harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
	app.Next(t)
	harness.Eventually(t, "the attempt is settled", func() bool {
		return c.Metrics()[`webhook_retry_queue_size`] == 1
	})

	check := func(after map[string]float64, want map[string]float64) {
		t.Helper()
		for name, value := range want {
			if got := after[name] - before[name]; got != value {
				t.Errorf("%s grew by %v, want %v", name, got, value)
			}
		}
	}
	counters := map[string]float64{
		`webhook_received_total{endpoint="github",event_type="push",provider="github"}`:             3,
		`webhook_received_total{endpoint="github",event_type="",provider="github"}`:                 1,
		`webhook_processed_total{event_type="push",provider="github",status="accepted"}`:            1,
		`webhook_processed_total{event_type="push",provider="github",status="duplicate"}`:           1,
		`webhook_processed_total{event_type="push",provider="github",status="rate_limit_exceeded"}`: 1,
		`webhook_processed_total{event_type="",provider="github",status="invalid_signature"}`:       1,
		`webhook_processing_duration_seconds_count{event_type="push",provider="github"}`:            3,
		`webhook_signature_failures_total{provider="github",reason="no_matching_signature"}`:        1,
		`webhook_rate_limited_total{provider="github",tier="provider"}`:                             1,
		`webhook_duplicates_total{provider="github"}`:                                               1,
		`webhook_secret_used_total{endpoint="github",index="1"}`:                                    3,
		`webhook_delivery_attempts_total{destination="app",endpoint="github",outcome="retry"}`:      1,
		`webhook_delivery_duration_seconds_count{destination="app",endpoint="github"}`:              1,
		`webhook_store_duration_seconds_count{op="accept"}`:                                         2,
		`webhook_store_duration_seconds_count{op="settle"}`:                                         1,
		`webhook_delivery_attempts_total{destination="app",endpoint="github",outcome="delivered"}`:  0,
		`webhook_time_to_delivery_seconds_count{destination="app",endpoint="github"}`:               0,
	}
	check(c.Metrics(), counters)
	gauges := map[string]float64{
		`webhook_queue_size{queue_type="retry"}`: 1, `webhook_queue_size{queue_type="pending"}`: 0,
		`webhook_queue_size{queue_type="in_flight"}`: 0, `webhook_queue_size{queue_type="dead"}`: 0,
		`webhook_destination_queue_size{destination="app",endpoint="github",queue_type="retry"}`: 1,
		`webhook_dlq_size`: 0, `webhook_store_up`: 1, `webhook_event_keys`: 1,
		`webhook_breaker_state{destination="app",endpoint="github"}`: 0,
	}
	for range 2 { // the counters survive a reload, the gauges do not repeat
		after := c.Metrics()
		for name, want := range gauges {
			if got, ok := after[name]; !ok || got != want {
				t.Errorf("%s is %v (there: %t), want %v", name, got, ok, want)
			}
		}
		check(after, counters)
		if age := after[`webhook_oldest_pending_seconds{destination="app",endpoint="github"}`]; age <= 0 || age > harness.Patience.Seconds() {
			t.Errorf("the oldest pending event is %v seconds old", age)
		}
		if err := c.Load(site + "\nheader X-Changed yes"); err != nil {
			t.Fatal(err)
		}
	}
}
