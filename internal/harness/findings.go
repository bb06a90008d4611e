package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// Found looks for a check, by what it is about and a part of its message.
func Found(checks []api.Check, level, name, subject, message string) bool {
	return slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Level == level && c.Name == name && c.Subject == subject && strings.Contains(c.Message, message) &&
			(c.Level == api.LevelOK || c.Fix != "")
	})
}

// ForgetTraffic makes a test independent of those before it: what came in, and
// what became of it, is remembered for the life of the process.
func ForgetTraffic(t *testing.T) {
	t.Helper()
	process.Traffic.Clear()
	process.Attempts.Clear()
}

// StoreSays looks for a finding about the store.
func StoreSays(checks []api.Check, level, text string) bool {
	for _, check := range checks {
		if check.Name == "store" && check.Level == level && strings.Contains(fmt.Sprint(check), text) {
			return true
		}
	}
	return false
}
