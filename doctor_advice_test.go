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
	out, _ := runCommand(doctorCommand(), "--address="+address)
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
	out, _ = runCommand(doctorCommand(), "--address="+address)
	if strings.Contains(out, "send custom") || strings.Contains(out, "verify custom") || !strings.Contains(out, "what the `verify` block says is signed") {
		t.Errorf("the doctor's advice for a custom endpoint:\n%s", out)
	}
}

func TestSameCaddy(t *testing.T) {
	doctor := doctorCommand()
	if err := doctor.ParseFlags([]string{"--config", "/etc/my caddy/it's", "--address", "[::1]:2020"}); err != nil {
		t.Fatal(err)
	}
	const flags = " --address '[::1]:2020' --config '/etc/my caddy/it'\\''s'"
	for advice, want := range map[string]string{
		"See `caddy webhooks stats`, then `caddy webhooks replay <id>`.": "See `caddy webhooks stats" + flags + "`, then `caddy webhooks replay <id>" + flags + "`.",
		"Try `caddy webhooks send github <url>` or `dedupe off`.":        "Try `caddy webhooks send github <url>` or `dedupe off`.",
	} {
		if got := sameCaddy(advice, doctor); got != want {
			t.Errorf("%s: %s, want %s", advice, got, want)
		}
		if got := sameCaddy(advice, doctorCommand()); got != advice {
			t.Errorf("without flags %s became %s", advice, got)
		}
	}
}
