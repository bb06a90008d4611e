package caddywebhooks

import (
	"strings"
	"testing"
	"time"
)

func TestSend(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	out, err := runCommand(command("send"), "github", c.site+"/github", "--secret", githubSecret, "--count=20", "--concurrency=4")
	if err != nil || !strings.Contains(out, "202 accepted     20  100.0%") || !strings.Contains(out, "20 sent in ") {
		t.Errorf("send: %q, %v", out, err)
	}
	for range 20 {
		app.next(t)
	}
	out, err = runCommand(command("send"), "github", c.site+"/github", "--secret", "wrong")
	if err == nil || !strings.Contains(out, "401 invalid_signature") || !strings.Contains(err.Error(), "--secret is not the endpoint's") {
		t.Errorf("send with a wrong secret: %q, %v", out, err)
	}
	if _, err = runCommand(command("send"), "github", "http://127.0.0.1:1/", "--secret", "x"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("send to nobody: %v", err)
	}
	if c.dead() != 0 {
		t.Errorf("%d dead letters", c.dead())
	}
	if _, err = runCommand(command("send"), "github", c.site+"/github", "--secret=x", "--rate=fast"); err == nil || !strings.Contains(err.Error(), "--rate: ") {
		t.Errorf("send --rate=fast: %v", err)
	}
}

// TestSendRate begins no more than the rate allows: 10 more at 50/s, after what
// may go at once, take 200 ms at least.
func TestSendRate(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	began := time.Now()
	out, err := runCommand(command("send"), "github", c.site+"/github", "--secret", githubSecret, "--count=15", "--concurrency=15", "--rate=50/s")
	if took := time.Since(began); err != nil || took < 200*time.Millisecond {
		t.Errorf("it took %s: %s, %v", took, out, err)
	}
}
