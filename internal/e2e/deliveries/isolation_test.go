package deliveries

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestNeighbourLatency sends events to two destinations, of which one is down
// in every way there is, and measures how long they take to the other. Beside a
// healthy neighbour the same is measured first.
func TestNeighbourLatency(t *testing.T) {
	downs := []struct {
		name   string
		answer http.HandlerFunc // nil: nobody listens
	}{
		{"hanging", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"refusing", nil},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"slow-loris", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			for r.Context().Err() == nil { // a byte now and then, for ever
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}},
	}
	healthy := neighbourLatency(t, func(http.ResponseWriter, *http.Request) {})
	for _, breaker := range []string{"breaker off", ""} {
		for _, down := range downs {
			t.Run(down.name+" "+breaker, func(t *testing.T) {
				got := neighbourLatency(t, down.answer, breaker)
				t.Logf("p95 %s; beside a healthy neighbour %s", got, healthy)
				// A shared worker or queue would cost whole timeouts: seconds.
				if limit := 5*healthy + 100*time.Millisecond; got > limit {
					t.Errorf("p95 is %s: want at most %s", got, limit)
				}
			})
		}
	}
}

// neighbourLatency returns the 95th percentile of the time from sending an
// event to its arrival at a well destination, beside one that answers so.
func neighbourLatency(t *testing.T, answer http.HandlerFunc, lines ...string) time.Duration {
	t.Helper()
	well, down := harness.StartApplication(t), harness.StartApplication(t)
	address := down.Address
	if answer == nil {
		address = "127.0.0.1:" + harness.FreePort(t)
	}
	down.AnswerWith(answer)
	c := harness.Start(t, fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			name down
			timeout 3s
			max_in_flight 8
			%s
			retry linear {
				initial 10ms
				max_delay 20ms
				max_attempts 4
			}
		}
		forward %s {
			name well
		}
	}`, harness.GitHubSecret, address, slices.Concat(lines, []string{""})[0], well.Address), "")
	const events = 200
	latencies := make([]time.Duration, events)
	for n := range events {
		sent := time.Now()
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", fmt.Sprint("n-", n), "{}")), 202, "accepted")
		well.Next(t)
		latencies[n] = time.Since(sent)
	}
	slices.Sort(latencies)
	return latencies[events*95/100]
}
