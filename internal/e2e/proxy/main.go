package proxy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Binary is the Caddy under test. CADDY_BIN names one that was built before; otherwise Main builds it from this module with
// xcaddy, as users do.
var Binary string

// Main is the TestMain of a package that uses Binary. It returns the exit code.
//
// go test caches results, and knows nothing of what xcaddy reads: such a package imports the module under test, so that its
// tests run again when the module has changed.
func Main(m *testing.M) int {
	if Binary = os.Getenv("CADDY_BIN"); Binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "webhooks-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Binary = filepath.Join(dir, "caddy")
	if err := build(Binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(output string) error {
	const module = "github.com/caddywebhooks/caddy-webhooks"
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		return fmt.Errorf("finding the Caddy version: %w", err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	xcaddy := exec.Command("go", "tool", "xcaddy", "build", strings.TrimSpace(string(version)),
		"--with", module+"@v0.0.0="+root, "--output", output)
	if out, err := xcaddy.CombinedOutput(); err != nil {
		return fmt.Errorf("building Caddy: %w\n%s", err, out)
	}
	return nil
}
