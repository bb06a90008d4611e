package operator

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gopkg.in/yaml.v3"
)

// Prometheus finds a program of Debian's package prometheus. Without it the
// test is skipped, but fails in CI.
func Prometheus(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		unavailable := t.Skip
		if os.Getenv("CI") != "" {
			unavailable = t.Fatal
		}
		unavailable(program + " is not installed: it is in Debian's package prometheus")
	}
	return path
}

// Promtool runs Prometheus's own checker.
func Promtool(t *testing.T, args ...string) {
	t.Helper()
	tool := Prometheus(t, "promtool")
	if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("promtool %s: %v\n%s", args[0], err, out)
	}
}

// WriteYAML writes a file of this test's own.
func WriteYAML(t *testing.T, content any) string {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
