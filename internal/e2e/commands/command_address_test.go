package commands

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestAdminOff: at the address that is the default there is another Caddy, whose
// deliveries are not those of the config that was named. Nobody may replay or purge them.
func TestAdminOff(t *testing.T) {
	other, _ := harness.DeadSite(t, 1)
	before := caddy.DefaultAdminListen
	caddy.DefaultAdminListen = other.AdminAddress()
	t.Cleanup(func() { caddy.DefaultAdminListen = before })
	if out, err := harness.RunCommand(harness.Command("list")); err != nil || !strings.Contains(out, "github/app") {
		t.Fatalf("the other Caddy is not at the default address: %v\n%s", err, out)
	}
	for name, text := range map[string]string{
		"Caddyfile":  "{\n\tadmin off\n}\n:80 {\n\trespond 200\n}\n",
		"admin.json": `{"admin":{"disabled":true}}`,
	} {
		config := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []struct {
			cmd  *cobra.Command
			args []string
		}{
			{harness.Command("list"), nil}, {harness.Command("show"), []string{"1"}}, {harness.Command("replay"), []string{"--all-dead"}}, {harness.Command("purge"), []string{"--all-dead", "--yes"}},
			{harness.Command("stats"), nil}, {harness.Command("doctor"), nil}, {harness.Command("jobs"), nil},
		} {
			out, err := harness.RunCommand(command.cmd, append([]string{"--config", config}, command.args...)...)
			if text := fmt.Sprint(out, err); err == nil || !strings.Contains(text, "says `admin off`") || !strings.Contains(text, config) {
				t.Errorf("%s of %s: %v\n%s", command.cmd.Name(), name, err, out)
			}
			if strings.Contains(out, "github") {
				t.Errorf("%s of %s asked the other Caddy:\n%s", command.cmd.Name(), name, out)
			}
		}
	}
}
