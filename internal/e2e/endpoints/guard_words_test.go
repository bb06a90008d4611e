package endpoints

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// ago is a time as the doctor tells it.
var ago = regexp.MustCompile(`[0-9]+[a-z]+ ago`)

// TestGuardWords: what `send` and the doctor say of an endpoint in guard mode is
// about the handler behind it, which is what has to be looked at.
func TestGuardWords(t *testing.T) {
	for _, test := range []struct{ next, send, message, fix string }{
		{"respond 404", "the handler behind it (guard mode) did not answer 2xx", "1 webhook failed, the last 0s ago: the next handler answered 404", "does not know that path"},
		{"respond 403", "the handler behind it (guard mode)", "answered 403", "its own check of the signature"},
		{"error 503", "the handler behind it (guard mode)", "answered 503", "the application's own log"},
		{"reverse_proxy 127.0.0.1:" + harness.FreePort(t), "the handler behind it (guard mode)", "answered 502", "its address is right"},
		{"abort", "were not answered", "the next handler broke off without an answer", "`abort`"},
		{"", "no handler behind it", "1 webhook refused, the last 0s ago: unavailable (no_handler)", "add `forward <upstream>`"},
	} {
		t.Run(test.next, func(t *testing.T) {
			harness.ForgetTraffic(t)
			good := rand.Text()
			c := harness.Start(t, fmt.Sprintf("route /guarded {\nwebhooks github {\nname guarded\nsecret \"%s\"\nrequire_https off\n}\n%s\n}", good, test.next), "")
			_, err := harness.RunCommand(harness.Command("send"), "github", c.Site+"/guarded", "--secret", good)
			if err == nil || cli.ExitCode(err) != cli.ExitNo || !strings.Contains(err.Error(), test.send) || strings.Contains(err.Error(), "no webhooks endpoint") {
				t.Errorf("send: %v", err)
			}
			var seen *api.Check
			for _, check := range c.Doctor() {
				if check.Name == "traffic" && check.Subject == "guarded" {
					seen = &check
				}
			}
			if seen == nil || seen.Level != api.LevelError || !ago.MatchString(seen.Message) || !strings.Contains(ago.ReplaceAllString(seen.Message, "0s ago"), test.message) {
				t.Errorf("doctor: %+v: want %q", seen, test.message)
			}
			if seen != nil && (!strings.Contains(seen.Fix, test.fix) || strings.Contains(seen.Fix, "the store and the queue")) {
				t.Errorf("doctor's advice: %q", seen.Fix)
			}
		})
	}
}
