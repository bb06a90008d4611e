package harness

import (
	"fmt"

	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
)

// DoctorSite is an endpoint of that name with further lines.
func DoctorSite(name, secret, lines, upstream, destination string) string {
	return fmt.Sprintf(`webhooks /%[1]s github {
		name %[1]s
		secret "%[2]s"
		require_https off
		%[3]s
		forward %[4]s {
			name app
			%[5]s
		}
	}
	`, name, secret, lines, upstream, destination)
}

// SendTo sends webhooks to /name, which may all be refused.
func SendTo(c *Caddy, name, secret string, more ...string) {
	c.T.Helper()
	if _, err := RunCommand(Command("send"), append([]string{"github", c.Site + "/" + name, "--secret", secret}, more...)...); err != nil && cli.ExitCode(err) != cli.ExitNo {
		c.T.Fatal(err)
	}
}
