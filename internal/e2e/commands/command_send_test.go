package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestSend(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	out, err := harness.RunCommand(harness.Command("send"), "github", c.Site+"/github", "--secret", harness.GitHubSecret, "--count=20", "--concurrency=4")
	if err != nil || !strings.Contains(out, "202 accepted     20  100.0%") || !strings.Contains(out, "20 sent in ") {
		t.Errorf("send: %q, %v", out, err)
	}
	for range 20 {
		app.Next(t)
	}
	out, err = harness.RunCommand(harness.Command("send"), "github", c.Site+"/github", "--secret", "wrong")
	if err == nil || !strings.Contains(out, "401 invalid_signature") || !strings.Contains(err.Error(), "--secret is not the endpoint's") {
		t.Errorf("send with a wrong secret: %q, %v", out, err)
	}
	if _, err = harness.RunCommand(harness.Command("send"), "github", "http://127.0.0.1:1/", "--secret", "x"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("send to nobody: %v", err)
	}
	if dead(c) != 0 {
		t.Errorf("%d dead letters", dead(c))
	}
	if _, err = harness.RunCommand(harness.Command("send"), "github", c.Site+"/github", "--secret=x", "--rate=fast"); err == nil || !strings.Contains(err.Error(), "--rate: ") {
		t.Errorf("send --rate=fast: %v", err)
	}
}

// TestSendRate begins no more than the rate allows: 10 more at 50/s, after what
// may go at once, take 200 ms at least.
func TestSendRate(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	began := time.Now()
	out, err := harness.RunCommand(harness.Command("send"), "github", c.Site+"/github", "--secret", harness.GitHubSecret, "--count=15", "--concurrency=15", "--rate=50/s")
	if took := time.Since(began); err != nil || took < 200*time.Millisecond {
		t.Errorf("it took %s: %s, %v", took, out, err)
	}
}
