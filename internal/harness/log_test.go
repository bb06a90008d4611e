package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSearchLog shows that a leak would be found.
func TestSearchLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := "fine\n" + `{"msg":"x","s":"` + GitHubSecret + "\"}\nv1=" + strings.Repeat("ab", 32) + "\n" + BodyCanary + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if leaks := SearchLog(path); len(leaks) != 3 {
		t.Errorf("found %v, want 3 leaks", leaks)
	}
	if leaks := SearchLog(filepath.Join(t.TempDir(), "none")); len(leaks) != 1 {
		t.Errorf("a log that is not there is taken for clean: %v", leaks)
	}
}
