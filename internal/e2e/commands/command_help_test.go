package commands

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestHelpFits reads every command's help as a terminal of 80 columns shows it.
func TestHelpFits(t *testing.T) {
	out, _, code := harness.RunCaddy(t, "__completeNoDesc", "webhooks", "")
	if code != 0 {
		t.Fatalf("the list of commands ended with %d", code)
	}
	commands := []string{""}
	for name := range strings.FieldsSeq(out) {
		if !strings.HasPrefix(name, ":") {
			commands = append(commands, name)
		}
	}
	if len(commands) < 12 {
		t.Fatalf("only %q are commands", commands)
	}
	for _, command := range commands {
		args := []string{"webhooks", command, "--help"}
		if command == "" {
			args = []string{"webhooks", "--help"}
		}
		help, _, code := harness.RunCaddy(t, args...)
		if code != 0 || !strings.Contains(help, "Usage:") || command != "" && !strings.Contains(help, "--help") {
			t.Errorf("%v ended with %d:\n%s", args, code, help)
		}
		for line := range strings.Lines(help) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("the help of %q has a line of %d cells: %s", command, n, line)
			}
		}
	}
}
