// Package process tests the built Caddy as a separate process: killed, reloaded and
// starved of disk, under load, against an oracle that counts what was lost and
// what was repeated.
package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// caddyBinary is the Caddy under test. CADDY_BIN names one that was built
// before; otherwise it is built from this module with xcaddy, as users do.
var caddyBinary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if caddyBinary = os.Getenv("CADDY_BIN"); caddyBinary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "webhooks-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	caddyBinary = filepath.Join(dir, "caddy")
	if err := buildCaddy(caddyBinary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func buildCaddy(output string) error {
	const module = "github.com/caddywebhooks/caddy-webhooks"
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		return fmt.Errorf("finding the Caddy version: %w", err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	build := exec.Command("go", "tool", "xcaddy", "build", strings.TrimSpace(string(version)),
		"--with", module+"@v0.0.0="+root, "--output", output)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building Caddy: %w\n%s", err, out)
	}
	return nil
}
