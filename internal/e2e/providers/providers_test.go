package providers

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestEveryProvider takes a webhook of every provider through a whole Caddy:
// accepted, a duplicate, forged, and stale where the time is signed.
func TestEveryProvider(t *testing.T) {
	c, app, now, chosen := harness.StartProviders(t, verify.Providers())
	tried := 0
	for _, p := range verify.Providers() {
		tried++
		t.Run(p.Name, func(t *testing.T) {
			c.T = t
			x := chosen[p.Name]
			now.Store(x.Now)
			v, err := p.NewVerifier(verify.Options{
				Secrets: x.Secrets, PublicKeys: x.PublicKeys, Settings: x.Settings, Now: process.Clock, Transport: process.KeyTransport,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			send := func(x harness.ProviderWebhook, want string) harness.Reply {
				t.Helper()
				got := c.Do(x.RequestTo(t, c.Site, p.Name))
				if status := got.Header.Get("Webhook-Status"); status != want {
					t.Errorf("%q was answered %d %s (%s), want %s", x.Name, got.Code, status, got.Body, want)
				}
				return got
			}
			if got := send(x, "accepted"); p.Accepted.Status != 0 && (got.Code != p.Accepted.Status || got.Body != p.Accepted.Body) {
				t.Errorf("accepted with %d %q, want the provider's own %d %q", got.Code, got.Body, p.Accepted.Status, p.Accepted.Body)
			} else if p.Accepted.Status == 0 && got.Code != p.Success.Status() {
				t.Errorf("accepted with %d, want %d", got.Code, p.Success.Status())
			}
			delivered := app.Next(t)
			if delivered.Header.Get("Webhook-Provider") != p.Name {
				t.Errorf("delivered as %s", delivered.Header.Get("Webhook-Provider"))
			}
			again := "duplicate"
			if !x.IsTold(t, p) {
				again = "accepted"
			}
			if got := send(x, again); got.Code != http.StatusOK && got.Code != p.Accepted.Status && got.Code != p.Success.Status() {
				t.Errorf("a duplicate is answered %d", got.Code)
			}
			if again == "accepted" {
				app.Next(t)
			}
			if got := send(x.Forge(t, p), string(verify.InvalidSignature)); got.Code != http.StatusUnauthorized {
				t.Errorf("a forged one is answered %d", got.Code)
			}
			if v.SignedTimestamp() {
				now.Store(x.Now + int64(time.Hour/time.Second))
				if got := send(x, string(verify.TimestampExpired)); got.Code != http.StatusBadRequest {
					t.Errorf("a stale one is answered %d", got.Code)
				}
			}
		})
	}
	if tried < 120 {
		t.Errorf("the table has %d providers, want at least 120", tried)
	}
}
