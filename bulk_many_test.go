package caddywebhooks

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// arrivals is an application that counts how often it got each delivery.
type arrivals struct {
	mu   sync.Mutex
	byID map[string]int
}

func (a *arrivals) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byID[r.Header.Get("Webhook-Id")]++
}

// count tells how many deliveries arrived, and how many of them again.
func (a *arrivals) count() (arrived, again int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.byID {
		again += n - 1
	}
	return len(a.byID), again
}

// TestReplayThousands replays 10,000 dead letters with the command line at a set
// rate, interrupts it in the middle, and has the same command do the rest.
func TestReplayThousands(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		testReplayThousands(t, func(site string) *harness.Caddy { return harness.Start(t, site, "") })
	})
	t.Run("redis", func(t *testing.T) {
		server := redistest.Start(t, "--appendonly", "yes") // written every second: this is about many, not about power cuts
		testReplayThousands(t, func(site string) *harness.Caddy { return harness.OnRedis(t, "redis "+server.URL(), site) })
	})
}

func testReplayThousands(t *testing.T, start func(site string) *harness.Caddy) {
	const all = 10_000
	app := &arrivals{byID: make(map[string]int)}
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	c := start(fmt.Sprintf(`webhooks /github github {
		secret %q
		require_https off
		forward %s {
			name app
			max_in_flight 64
		}
	}`, harness.GitHubSecret, strings.TrimPrefix(server.URL, "http://")))
	fillDead(c, all)
	address := "--address=" + c.AdminAddress()
	replay := []string{"webhooks", "replay", "--all-dead", "--endpoint=github", "--rate=2000/s", address}

	began := time.Now()
	var out, notes bytes.Buffer
	cmd := harness.CaddyCommand(t, replay...)
	cmd.Stdout, cmd.Stderr = &out, &notes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := []int{0} // the progress, each time that it moved
	harness.EventuallyWithin(t, 2*time.Minute, "a third of the job is done", func() bool {
		var view api.Jobs
		c.AdminCall(http.MethodGet, "/webhooks/jobs", "", &view)
		if len(view.Jobs) > 0 && view.Jobs[0].StartedAt.After(began) && view.Jobs[0].Seen > seen[len(seen)-1] {
			seen = append(seen, view.Jobs[0].Seen)
		}
		return seen[len(seen)-1] >= all/3
	})
	took := time.Since(began)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var done int
	if _, scanned := fmt.Sscanf(lastLine(notes.String()), "Error: cancelled: %d dead letters of 10000 replayed;", &done); scanned != nil ||
		cmd.ProcessState.ExitCode() != cli.ExitNo || out.Len() > 0 || done < all/3 || done >= all || len(seen) < 4 {
		t.Fatalf("interrupted after %v: %v, %q, %q", seen, err, out.String(), notes.String())
	}
	if rate := float64(all/3) / took.Seconds(); rate > 2500 {
		t.Errorf("%d in %s: more than 2000/s", all/3, took)
	}
	left := all - done
	text, stderr, code := harness.RunCaddy(t, "webhooks", "replay", "--all-dead", "--dry-run", address)
	if text != fmt.Sprintf("%d dead letters would be replayed\n", left) || code != 0 {
		t.Errorf("%d of %d were replayed; left are: %q, %q", done, all, text, stderr)
	}
	text, stderr, code = harness.RunCaddy(t, replay...)
	if text != fmt.Sprintf("%d dead letters replayed\n", left) || code != 0 {
		t.Errorf("the rest: %d, %q, %q", code, text, stderr)
	}
	harness.EventuallyWithin(t, 2*time.Minute, "all have arrived", func() bool { arrived, _ := app.count(); return arrived == all })
	harness.Eventually(t, "nothing is left", func() bool {
		text, _, _ := harness.RunCaddy(t, "webhooks", "list", address)
		return text == "No deliveries are stored that match.\n"
	})
	if arrived, again := app.count(); arrived != all || again != 0 {
		t.Errorf("%d arrived, %d of them again", arrived, again)
	}
	t.Logf("progress %v; %d were cancelled; all took %s", seen, left, time.Since(began).Round(10*time.Millisecond))
}

// fillDead puts dead letters into the running config's store, as attempts that failed would.
func fillDead(c *harness.Caddy, n int) {
	c.T.Helper()
	app, err := runningApp()
	if err != nil {
		c.T.Fatal(err)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range 128 {
		wg.Go(func() {
			for i := range next {
				r, err := app.store.Accept(c.T.Context(), &retrystore.Submission{
					Event: &retrystore.Event{
						Endpoint: "github", Provider: "github", EventID: fmt.Sprint("evt-", i), EventType: "push", ReceivedAt: time.Now(),
						Method: http.MethodPost, Scheme: "http", Host: "hooks.example.com", URI: "/github", Proto: "HTTP/1.1",
						RemoteAddr: "192.0.2.1:443", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("{}"),
					},
					Targets: []retrystore.Target{{Destination: "app", Lease: time.Minute}},
				})
				if err == nil {
					err = app.store.Settle(c.T.Context(), r.Deliveries[0], retrystore.Settlement{
						State: retrystore.Dead, Reason: "status_410", Attempt: retrystore.Attempt{At: time.Now(), Status: 410},
					})
				}
				if err != nil {
					c.T.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
