package monitoring

import (
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestDoctorAdvice has advice that can be followed as it stands.
func TestDoctorAdvice(t *testing.T) {
	harness.ForgetTraffic(t)
	c, _ := harness.DeadSite(t, 1)
	if err := c.Load(`webhooks /in custom {
		name in
		secret 6b58387150 7a327676
		require_https off
		verify hmac-sha256 {
			signature header X-Signature
			format {hex}
		}
		forward 127.0.0.1:1
	}`); err != nil {
		t.Fatal(err)
	}
	address := c.AdminAddress()
	out, _ := harness.RunCommand(harness.Command("doctor"), "--address="+address)
	for _, want := range []string{
		"Enter its URL at the sender", // which no command can play
		"`caddy webhooks list --endpoint github --destination app --address " + address + "`",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor lacks %q:\n%s", want, out)
		}
	}
	c.Do(c.Request("POST", c.Site+"/in", "{}"))
	forged := c.Request("POST", c.Site+"/in", "{}")
	forged.Header.Set("X-Signature", strings.Repeat("0", 64))
	c.Do(forged)
	out, _ = harness.RunCommand(harness.Command("doctor"), "--address="+address)
	if strings.Contains(out, "send custom") || strings.Contains(out, "verify custom") || !strings.Contains(out, "what the `verify` block says is signed") {
		t.Errorf("the doctor's advice for a custom endpoint:\n%s", out)
	}
}
