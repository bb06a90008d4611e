package providers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// keyServer stands in for the providers' servers of keys, and can be down.
type keyServer struct {
	next  http.RoundTripper
	down  atomic.Bool
	asked atomic.Int64
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	if s.down.Load() {
		return nil, fmt.Errorf("%s is down", r.Host)
	}
	return s.next.RoundTrip(r)
}

// TestFetchedKeysOutliveReloadAndRestart: forged webhooks that name 21 certificates do not
// keep out a genuine one, and what was fetched for it serves the next config and the next
// process while SNS cannot be reached.
func TestFetchedKeysOutliveReloadAndRestart(t *testing.T) {
	dir := harness.OwnKeys(t)
	x := harness.WebhooksOf(t, "aws-sns")[0]
	process.Clock = func() time.Time { return time.Unix(x.Now, 0) }
	t.Cleanup(func() { process.Clock = nil })
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 404", "")
	server := &keyServer{next: harness.ServeKeys(t, x.Fetched)}
	process.KeyTransport = server
	t.Cleanup(func() { process.KeyTransport = nil })
	routes := []any{harness.EndpointRoute("aws-sns", x, app)}
	c.LoadRoutes(routes)
	send := func(x harness.ProviderWebhook, want string, code int) {
		t.Helper()
		got := c.Do(x.RequestTo(t, c.Site, "aws-sns"))
		if status := got.Header.Get("Webhook-Status"); status != want || got.Code != code {
			t.Errorf("answered %d %s (%s), want %d %s", got.Code, status, got.Body, code, want)
		}
	}

	for i := range 21 {
		forged := x
		forged.Body = strings.Replace(x.Body, "f3ecfb7224c7233fe7bb5f59f96de52f", fmt.Sprintf("%032x", i), 1)
		send(forged, "invalid_signature", http.StatusUnauthorized)
	}
	foreign := x
	foreign.Body = strings.Replace(x.Body, "https://sns.us-west-2", "https://sns.us-east-1", 1)
	send(foreign, "invalid_signature", http.StatusUnauthorized)
	if asked := server.asked.Load(); asked != 21 {
		t.Errorf("asked %d times: want once for each well-formed name", asked)
	}
	send(x, "accepted", http.StatusAccepted)
	app.Next(t)

	server.down.Store(true)
	routes[0].(map[string]any)["handle"].([]any)[0].(map[string]any)["tolerance"] = "6m"
	c.LoadRoutes(routes) // a reload
	send(x, "duplicate", http.StatusOK)

	c.LoadRoutes([]any{})
	harness.Eventually(t, "one file of keys", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "aws-sns-*.json"))
		return len(files) == 1
	})
	process.Keys = process.NewKeys() // the next process has none
	c.LoadRoutes(routes)
	send(x, "duplicate", http.StatusOK)

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(files[0], []byte(`{"version":1,"keys":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.LoadRoutes([]any{})
	process.Keys = process.NewKeys()
	c.LoadRoutes(routes)
	send(x, "unavailable", http.StatusServiceUnavailable)
	server.down.Store(false)
	later := time.Unix(x.Now, 0).Add(time.Minute)
	process.Clock = func() time.Time { return later }
	send(x, "duplicate", http.StatusOK)
	harness.Eventually(t, "the broken file was replaced", func() bool {
		text, err := os.ReadFile(files[0])
		return err == nil && json.Valid(text)
	})
}
