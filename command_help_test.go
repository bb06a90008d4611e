package caddywebhooks

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelpFits reads every command's help as a terminal of 80 columns shows it.
func TestHelpFits(t *testing.T) {
	out, _, code := runCaddy(t, "__completeNoDesc", "webhooks", "")
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
		help, _, code := runCaddy(t, args...)
		if code != 0 || !strings.Contains(help, "Usage:") || command != "" && !strings.Contains(help, "--help") {
			t.Errorf("%v ended with %d:\n%s", args, code, help)
		}
		for line := range strings.Lines(help) {
			if n := cellsOf(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("the help of %q has a line of %d cells: %s", command, n, line)
			}
		}
	}
}

// TestMissingArguments names those that are not there.
func TestMissingArguments(t *testing.T) {
	counted := errors.New("accepts 2 arg(s)")
	for _, test := range []struct {
		use   string
		given []string
		want  string
	}{
		{"send <provider> <url> [flags]", nil, "<provider> and <url> are missing"},
		{"send <provider> <url> [flags]", []string{"stripe"}, "<url> is missing"},
		{"show <delivery id> [<more>]", nil, "<delivery id> is missing"},
		{"send <provider> <url>", []string{"stripe", "url", "more"}, counted.Error()},
	} {
		err := missing(&cobra.Command{Use: test.use}, test.given, counted)
		if got, _, _ := strings.Cut(err.Error(), "\n"); got != test.want {
			t.Errorf("%s with %q: %q, want %q", test.use, test.given, got, test.want)
		}
	}
	if err := missing(&cobra.Command{Use: "show <delivery id>"}, []string{"1"}, nil); err != nil {
		t.Errorf("with all arguments: %v", err)
	}
}
