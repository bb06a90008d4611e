package caddywebhooks

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
)

// command is the one of that name below `caddy webhooks`.
func command(name string) *cobra.Command {
	all := cli.Commands()
	return all[slices.IndexFunc(all, func(c *cobra.Command) bool { return c.Name() == name })]
}

// runCommand runs a command as `caddy webhooks …` does.
func runCommand(cmd *cobra.Command, args ...string) (string, error) {
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{}, args...)) // cobra takes the test's own arguments for nil
	err := cmd.Execute()
	return out.String(), err
}

func (c *running) adminAddress() string { return strings.TrimPrefix(c.admin, "http://") }

func TestListShowReplay(t *testing.T) {
	c, app := deadSite(t, 2)
	address := "--address=" + c.adminAddress()
	out, err := runCommand(command("list"), address, "--state", "dead", "--limit", "1")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	if !strings.HasPrefix(lines[0], "ID") || !strings.Contains(lines[1], "github/app") ||
		!strings.HasSuffix(lines[1], "status 410") || !strings.HasPrefix(lines[2], "more: --cursor ") {
		t.Errorf("list printed:\n%s", out)
	}
	id, _, _ := strings.Cut(lines[1], " ")

	out, err = runCommand(command("show"), address, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{id, "dead, status_410", "dead-01 push", "attempts: 1", "POST /github", "X-Hub-Signature-256: [masked]"} {
		if !strings.Contains(out, want) {
			t.Errorf("show lacks %q:\n%s", want, out)
		}
	}

	app.answerStatus(200)
	if out, err = runCommand(command("replay"), address, id); err != nil || out != id+" replayed\n" {
		t.Errorf("replay: %q, %v", out, err)
	}
	app.next(t)
	if out, err = runCommand(command("replay"), address, "--all-dead", "--endpoint=github"); err != nil || out != "1 dead letter replayed\n" {
		t.Errorf("replay --all-dead: %q, %v", out, err)
	}
	app.next(t)
	eventually(t, "stats show an empty store", func() bool {
		out, err = runCommand(command("stats"), address)
		return err == nil && strings.Contains(out, "event keys remembered: 2") && strings.Contains(out, "github/app         0         0          0     0          closed\n")
	})
	out, err = runCommand(command("stats"), address, "--json")
	if err != nil || !json.Valid([]byte(out)) {
		t.Errorf("stats --json: %q, %v", out, err)
	}
}

func TestCommandErrors(t *testing.T) {
	c, _ := deadSite(t, 0)
	address := "--address=" + c.adminAddress()
	for _, test := range []struct {
		cmd  *cobra.Command
		args []string
		want string
	}{
		{command("show"), []string{address, "nonsense"}, "no such delivery"},
		{command("show"), []string{address}, "accepts 1 arg"},
		{command("list"), []string{address, "--state", "lost"}, "unknown state"},
		{command("replay"), []string{address}, "give delivery ids, or --all-dead"},
		{command("replay"), []string{address, "--all-dead", "x"}, `give delivery ids or --all-dead, not both: "x" is one more`},
		{command("replay"), []string{address, "x", "--dry-run"}, "go with --all-dead"},
		{command("list"), []string{address, "--type", "pu*"}, "wildcards are not taken here"},
		{command("list"), []string{address, "--since", "1h", "--until", "2h"}, "--until is before --since"},
		{command("list"), []string{address, "--since", "-1h"}, "or how long ago"},
		{command("list"), []string{address, "--endpoint", "nope"}, `no endpoint "nope"`},
		{command("replay"), []string{address, "--all-dead", "--endpoint", "nope"}, `no endpoint "nope"`},
		{command("purge"), []string{address, "--all-dead", "--yes", "--endpoint", "nope"}, `no endpoint "nope"`},
	} {
		if out, err := runCommand(test.cmd, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %v: error %v, output %q: want an error with %q", test.cmd.Name(), test.args, err, out, test.want)
		}
	}
}
