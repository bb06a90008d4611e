package routes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestUnixSocketBehindProxy sends as nginx does, by a Unix socket: who the client is
// depends on whether the server trusts the socket, and the doctor says by what it does.
func TestUnixSocketBehindProxy(t *testing.T) {
	for _, test := range []struct {
		name, options, word, client string
		advised                     bool
	}{
		{"not trusted", "", "ip_not_allowed", "unknown (unix socket)", true},
		// Names only proxies that have addresses.
		{"private ranges trusted", "servers {\ntrusted_proxies static private_ranges\n}", "ip_not_allowed", "unknown (unix socket)", true},
		{"trusted", "servers {\ntrusted_proxies_unix\n}", "accepted", "203.0.113.9", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			harness.ForgetTraffic(t)
			app := harness.StartApplication(t)
			directory, err := os.MkdirTemp("", "wh") // t.TempDir may be too long for a socket's name
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(directory) })
			socket, log := filepath.Join(directory, "s"), harness.LogsTo(t)
			c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db"), test.options)
			c.Routes = fmt.Sprintf("http://hooks.internal {\nbind unix/%s\n%s\n}", socket,
				accessSite(app, map[string]string{"listed": "allow_ips 203.0.113.0/24\nrate_limit ip 50 5/s"}))
			harness.Begin(t, c, "respond 404")

			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}}}
			r := c.GitHubRequest("/listed", "1", "{}")
			r.URL.Host = "hooks.internal"
			r.Host = "hooks.internal"
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got := response.Header.Get("Webhook-Status"); got != test.word {
				t.Errorf("answered %d %s, want %s", response.StatusCode, got, test.word)
			}
			harness.Eventually(t, "the log tells the client", func() bool {
				text, err := os.ReadFile(log)
				return err == nil && strings.Contains(string(text), `"client_ip":"`+test.client+`"`)
			})
			advised := false
			for _, check := range c.Doctor() {
				if check.Name == "proxy" && check.Level == api.LevelError {
					advised = true
					if !strings.Contains(check.Fix, "`trusted_proxies_unix`") || strings.Contains(check.Fix, "private_ranges") {
						t.Errorf("the doctor advises %q", check.Fix)
					}
				}
			}
			if advised != test.advised {
				t.Errorf("the doctor advises: %v, want %v", advised, test.advised)
			}
		})
	}
}
