package stores

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestFullEndpoint fills an endpoint's part of the store with the dead letters of one of
// its destinations: it is refused as a whole, retryably, its neighbour is not, and
// whoever clears the dead letters opens it again.
func TestFullEndpoint(t *testing.T) {
	app, gone := harness.StartApplication(t), harness.StartApplication(t)
	gone.AnswerStatus(410)
	c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db")+"\nmax_stored 10KiB", "")
	site := func(name, destinations string) string {
		return fmt.Sprintf("webhooks /%s github {\nname %[1]s\nsecret %q\nrequire_https off\n%s\n}\n", name, harness.GitHubSecret, destinations)
	}
	harness.Begin(t, c, site("filled", fmt.Sprintf("forward %s {\nname gone\n}\nforward %s {\nname app\n}", gone.Address, app.Address))+
		site("beside", "forward "+app.Address))
	body := fmt.Sprintf("{%q: %q}", "text", strings.Repeat("x", 3000))
	post := func(endpoint, id string) harness.Reply { return c.Do(c.GitHubRequest("/"+endpoint, id, body)) }
	for n := range 3 {
		harness.CheckAnswer(t, post("filled", fmt.Sprint(n)), 202, "accepted")
		app.Next(t)
	}
	harness.Eventually(t, "three are dead", func() bool {
		return c.Metrics()[`webhook_destination_queue_size{destination="gone",endpoint="filled",queue_type="dead"}`] == 3
	})
	stored := c.Metrics()[`webhook_stored_bytes{endpoint="filled"}`]
	if stored < 9000 || stored > 12_000 {
		t.Errorf("%v bytes are stored for three events of 3000", stored)
	}
	if !harness.Found(c.Doctor(), api.LevelWarn, "stored", "filled", "% of max_stored (10 KiB)") && !harness.Found(c.Doctor(), api.LevelError, "stored", "filled", "") {
		t.Errorf("the doctor does not see it coming: %+v", c.Doctor())
	}
	var got harness.Reply
	for n := 3; n < 6; n++ { // one may still find room
		if got = post("filled", fmt.Sprint(n)); got.Code != 202 {
			break
		}
		app.Next(t)
	}
	harness.CheckAnswer(t, got, 503, "unavailable")
	if got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	harness.CheckAnswer(t, post("beside", "1"), 202, "accepted")
	app.Next(t)
	if !harness.Found(c.Doctor(), api.LevelError, "stored", "filled", "new webhooks are answered 503") {
		t.Errorf("the doctor does not find it: %+v", c.Doctor())
	}
	var cleared struct{ Done int }
	c.AdminCall("POST", "/webhooks/purge", `{"filter":{"state":"dead","endpoint":"filled"}}`, &cleared)
	if cleared.Done < 3 {
		t.Errorf("%d dead letters deleted, want 3 or more", cleared.Done)
	}
	harness.CheckAnswer(t, post("filled", "again"), 202, "accepted")
	var stats api.Stats
	c.AdminCall("GET", "/webhooks/stats", "", &stats)
	if len(stats.Stored) != 2 || stats.Stored[0].Endpoint != "beside" || stats.Stored[1].Bytes > 4000 {
		t.Errorf("stored: %+v, want two endpoints, and little of filled", stats.Stored)
	}
}

// TestMaxSize fills a store file to its bound: providers are refused, what is stored is
// delivered, and makes room.
func TestMaxSize(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db")+" {\nmax_size 16MiB\n}", "")
	harness.Begin(t, c, fmt.Sprintf("webhooks /github github {\nsecret %q\nrequire_https off\nforward %s {\nbreaker off\nretry linear {\ninitial 100ms\nmax_attempts 10000\n}\n}\n}", harness.GitHubSecret, app.Address))
	body := fmt.Sprintf("{%q: %q}", "text", strings.Repeat("x", 900_000))
	accepted := 0
	for {
		got := c.Do(c.GitHubRequest("/github", fmt.Sprint(accepted), body))
		if got.Code == 503 {
			break
		}
		harness.CheckAnswer(t, got, 202, "accepted")
		if accepted++; accepted > 18 {
			t.Fatalf("%d events of 900 kB accepted into a file of 16 MiB", accepted)
		}
	}
	if accepted == 0 {
		t.Fatal("nothing was accepted")
	}
	app.AnswerStatus(200)
	harness.Eventually(t, "all are delivered, and new ones are taken", func() bool {
		return c.Do(c.GitHubRequest("/github", "after", "{}")).Code == 202
	})
}
