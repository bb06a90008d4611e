package endpoints

import (
	"fmt"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestRateLimitIP(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, "name limit-ip\nrate_limit ip 2 1/h"), "")
	// Forged requests spend the address's budget: it shields verification.
	forged := c.GitHubRequest("/github", "x", "{}")
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("else"))
	harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "1", "{}")), 202, "accepted")
	harness.WantLimited(t, c.Do(c.GitHubRequest("/github", "2", "{}")), "ip", `"ip";q=2;w=7200`)
}

// TestRateLimitProvider: only verified webhooks count, and a refusal gives the address its token back.
func TestRateLimitProvider(t *testing.T) {
	app := harness.StartApplication(t)
	site := harness.GitHubSite(app, "name limit-provider\nrate_limit ip 7 1/h\nrate_limit provider 2 1/h sliding_window")
	c := harness.Start(t, site, "")
	for range 3 {
		forged := c.GitHubRequest("/github", "x", "{}")
		forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("else"))
		harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "1", "{}")), 202, "accepted")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "2", "{}")), 202, "accepted")
	for n := range 3 { // were the address charged, the ip tier would refuse the second
		harness.WantLimited(t, c.Do(c.GitHubRequest("/github", fmt.Sprint("over", n), "{}")), "provider", `"provider";q=2;w=7200`)
	}
	// What was spent stays spent across a reload; a larger burst counts at once.
	if err := c.Load(site + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	harness.WantLimited(t, c.Do(c.GitHubRequest("/github", "after", "{}")), "provider", `"provider";q=2`)
	if err := c.Load(harness.Edited(site, "provider 2 1/h", "provider 3 1/h")); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "after", "{}")), 202, "accepted")
	harness.WantLimited(t, c.Do(c.GitHubRequest("/github", "after2", "{}")), "provider", `"provider";q=3`)
}

func TestRateLimitGlobal(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 200", "")
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\n rate_limit global 2 1/h")
	if err := c.Load(harness.GitHubSite(app, "name limit-global-a") + fmt.Sprintf("\nwebhooks /b github {\nname limit-global-b\nsecret \"%s\"\nrequire_https off\nforward %s\n}", harness.GitHubSecret, app.Address)); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "1", "{}")), 202, "accepted")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/b", "1", "{}")), 202, "accepted")
	harness.WantLimited(t, c.Do(c.GitHubRequest("/github", "2", "{}")), "global", `"global";q=2`)
	harness.WantLimited(t, c.Do(c.GitHubRequest("/b", "2", "{}")), "global", `"global";q=2`)
}

// TestSpoofedAddress: an X-Forwarded-For of nobody's proxy opens no new budget.
func TestSpoofedAddress(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, "name limit-spoofed\nrate_limit ip 1 1/h"), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "1", "{}")), 202, "accepted")
	r := c.GitHubRequest("/github", "2", "{}")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	harness.WantLimited(t, c.Do(r), "ip", `"ip";q=1`)
}
