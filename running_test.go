package caddywebhooks

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestDoctorSecretUse follows secrets through webhooks and a reload that changes their order.
func TestDoctorSecretUse(t *testing.T) {
	harness.ForgetTraffic(t)
	app := harness.StartApplication(t)
	older, newer := rand.Text(), rand.Text()
	c := harness.Start(t, harness.DoctorSite("used", older, "", app.Address, ""), "")
	harness.SendTo(c, "used", older)
	if err := c.Load(harness.DoctorSite("used", newer+`" "`+older, "", app.Address, "")); err != nil {
		t.Fatal(err)
	}
	running, err := runningApp()
	if err != nil {
		t.Fatal(err)
	}
	uses := running.endpoints["used"].traffic.Uses()
	if len(uses) != 2 || !uses[0].Last.IsZero() || uses[1].Last.IsZero() || !uses[0].Since.After(uses[1].Since) {
		t.Errorf("after a reload: %+v", uses)
	}
	// The old config's listener may take a webhook or two yet.
	harness.Eventually(t, "the new one is used", func() bool {
		harness.SendTo(c, "used", newer)
		return !running.endpoints["used"].traffic.Uses()[0].Last.IsZero()
	})
}

// TestStoreGone answers 503 while the store is closed under a running server,
// as happens to the last requests when Caddy exits.
func TestStoreGone(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, "")+fmt.Sprintf("\nroute /guarded {\nwebhooks github {\nname guarded\nsecret \"%s\"\nrequire_https off\n}\nrespond 200\n}", harness.GitHubSecret), "")
	running, err := runningApp()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/github", "/guarded"} {
		got := c.Do(c.GitHubRequest(path, "late", "{}"))
		harness.CheckAnswer(t, got, 503, "unavailable")
		if got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
}
