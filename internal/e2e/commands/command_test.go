package commands

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestListShowReplay(t *testing.T) {
	c, app := harness.DeadSite(t, 2)
	address := "--address=" + c.AdminAddress()
	out, err := harness.RunCommand(harness.Command("list"), address, "--state", "dead", "--limit", "1")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	if !strings.HasPrefix(lines[0], "ID") || !strings.Contains(lines[1], "github/app") ||
		!strings.HasSuffix(lines[1], "status 410") || !strings.HasPrefix(lines[2], "more: --cursor ") {
		t.Errorf("list printed:\n%s", out)
	}
	id, _, _ := strings.Cut(lines[1], " ")

	out, err = harness.RunCommand(harness.Command("show"), address, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{id, "dead, status_410", "dead-01 push", "attempts: 1", "POST /github", "X-Hub-Signature-256: [masked]"} {
		if !strings.Contains(out, want) {
			t.Errorf("show lacks %q:\n%s", want, out)
		}
	}

	app.AnswerStatus(200)
	if out, err = harness.RunCommand(harness.Command("replay"), address, id); err != nil || out != id+" replayed\n" {
		t.Errorf("replay: %q, %v", out, err)
	}
	app.Next(t)
	if out, err = harness.RunCommand(harness.Command("replay"), address, "--all-dead", "--endpoint=github"); err != nil || out != "1 dead letter replayed\n" {
		t.Errorf("replay --all-dead: %q, %v", out, err)
	}
	app.Next(t)
	harness.Eventually(t, "stats show an empty store", func() bool {
		out, err = harness.RunCommand(harness.Command("stats"), address)
		return err == nil && strings.Contains(out, "event keys remembered: 2") && strings.Contains(out, "github/app         0         0          0     0          closed\n")
	})
	out, err = harness.RunCommand(harness.Command("stats"), address, "--json")
	if err != nil || !json.Valid([]byte(out)) {
		t.Errorf("stats --json: %q, %v", out, err)
	}
}

func TestCommandErrors(t *testing.T) {
	c, _ := harness.DeadSite(t, 0)
	address := "--address=" + c.AdminAddress()
	for _, test := range []struct {
		cmd  *cobra.Command
		args []string
		want string
	}{
		{harness.Command("show"), []string{address, "nonsense"}, "no such delivery"},
		{harness.Command("show"), []string{address}, "accepts 1 arg"},
		{harness.Command("list"), []string{address, "--state", "lost"}, "unknown state"},
		{harness.Command("replay"), []string{address}, "give delivery ids, or --all-dead"},
		{harness.Command("replay"), []string{address, "--all-dead", "x"}, `give delivery ids or --all-dead, not both: "x" is one more`},
		{harness.Command("replay"), []string{address, "x", "--dry-run"}, "go with --all-dead"},
		{harness.Command("list"), []string{address, "--type", "pu*"}, "wildcards are not taken here"},
		{harness.Command("list"), []string{address, "--since", "1h", "--until", "2h"}, "--until is before --since"},
		{harness.Command("list"), []string{address, "--since", "-1h"}, "or how long ago"},
		{harness.Command("list"), []string{address, "--endpoint", "nope"}, `no endpoint "nope"`},
		{harness.Command("replay"), []string{address, "--all-dead", "--endpoint", "nope"}, `no endpoint "nope"`},
		{harness.Command("purge"), []string{address, "--all-dead", "--yes", "--endpoint", "nope"}, `no endpoint "nope"`},
	} {
		if out, err := harness.RunCommand(test.cmd, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %v: error %v, output %q: want an error with %q", test.cmd.Name(), test.args, err, out, test.want)
		}
	}
}
