package caddywebhooks

import (
	"strings"
	"testing"
)

// TestDoctorAdvice has advice that can be followed as it stands.
func TestDoctorAdvice(t *testing.T) {
	forgetTraffic(t)
	c, _ := deadSite(t, 1)
	if err := c.load(`webhooks /in custom {
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
	address := c.adminAddress()
	out, _ := runCommand(command("doctor"), "--address="+address)
	for _, want := range []string{
		"Enter its URL at the sender", // which no command can play
		"`caddy webhooks list --endpoint github --destination app --address " + address + "`",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor lacks %q:\n%s", want, out)
		}
	}
	c.do(c.request("POST", c.site+"/in", "{}"))
	forged := c.request("POST", c.site+"/in", "{}")
	forged.Header.Set("X-Signature", strings.Repeat("0", 64))
	c.do(forged)
	out, _ = runCommand(command("doctor"), "--address="+address)
	if strings.Contains(out, "send custom") || strings.Contains(out, "verify custom") || !strings.Contains(out, "what the `verify` block says is signed") {
		t.Errorf("the doctor's advice for a custom endpoint:\n%s", out)
	}
}
