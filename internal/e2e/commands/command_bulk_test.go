package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

// runUntil runs a command whose operator has had enough when ctx ends.
func runUntil(ctx context.Context, cmd *cobra.Command, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append([]string{}, args...)) // cobra takes the test's own arguments for nil
	err = cmd.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}

// dead counts the dead letters.
func dead(c *harness.Caddy) int {
	c.T.Helper()
	var list api.List
	c.AdminCall(http.MethodGet, "/webhooks/deliveries?state=dead&limit=1000", "", &list)
	return len(list.Deliveries)
}

// TestBulkSelects takes of the dead letters only those that the flags name.
func TestBulkSelects(t *testing.T) {
	c, _ := harness.DeadSite(t, 3)
	address := "--address=" + c.AdminAddress()
	for _, test := range []struct {
		flags []string
		want  int
	}{
		{nil, 3},
		{[]string{"--event-id=dead-01"}, 1},
		{[]string{"--type=push", "--endpoint=github", "--destination=app"}, 3},
		{[]string{"--type=issues"}, 0},
		{[]string{"--since=1h"}, 3},
		{[]string{"--until=1h"}, 0},
		{[]string{"--until=2d", "--since=2020-01-01T00:00:00Z"}, 0},
	} {
		out, err := harness.RunCommand(harness.Command("purge"), append([]string{address, "--all-dead", "--dry-run"}, test.flags...)...)
		if want := wording.Plural(test.want, "dead letter") + " would be deleted\n"; err != nil || out != want {
			t.Errorf("purge --dry-run %v: %q, %v, want %q", test.flags, out, err, want)
		}
		out, err = harness.RunCommand(harness.Command("list"), append([]string{address}, test.flags...)...)
		if rows := strings.Count(out, "dead  "); err != nil || rows != test.want {
			t.Errorf("list %v shows %d, %v, want %d:\n%s", test.flags, rows, err, test.want, out)
		}
	}
	for _, test := range []struct{ flag, want string }{
		{"--since=yesterday", "how long ago"},
		{"--endpoint=", "the value is empty"},
		{"--until=", "until: "},
		{"--rate=fast", "--rate"},
		{"--rate=", "--rate"},
	} {
		out, err := harness.RunCommand(harness.Command("purge"), address, "--all-dead", "--yes", test.flag)
		if err == nil || !strings.Contains(err.Error(), test.want) || cli.ExitCode(err) != cli.ExitWrong {
			t.Errorf("purge %s: %q, %v: want an error with %q", test.flag, out, err, test.want)
		}
	}
	if dead(c) != 3 {
		t.Errorf("%d are left of 3", dead(c))
	}
	out, err := harness.RunCommand(harness.Command("purge"), address, "--all-dead", "--yes", "--event-id=dead-01", "--json")
	var j api.Job
	if err != nil || json.Unmarshal([]byte(out), &j) != nil || j.State != api.JobDone || j.Done != 1 || dead(c) != 2 {
		t.Errorf("purge of one: %s, %v, %d are left of 2", out, err, dead(c))
	}
}

// TestBulkInterrupted cancels the work when the operator has had enough, whatever is reloaded meanwhile.
func TestBulkInterrupted(t *testing.T) {
	const all = 40
	c, app := harness.DeadSite(t, all)
	app.AnswerStatus(200)
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	type end struct {
		out, notes string
		err        error
	}
	ended := make(chan end, 1)
	go func() {
		out, notes, err := runUntil(ctx, harness.Command("replay"), "--address="+c.AdminAddress(), "--all-dead", "--rate=20/s")
		ended <- end{out, notes, err}
	}()
	app.Next(t)
	if err := c.Load(harness.GitHubSite(app, "") + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		app.Next(t)
	}
	enough()
	got := <-ended
	left := dead(c)
	want := fmt.Sprintf("cancelled: %d dead letters of %d replayed; the same command goes on with what is left", all-left, all)
	if left == 0 || left > all-6 || got.err == nil || got.err.Error() != want || cli.ExitCode(got.err) != cli.ExitNo || got.out != "" {
		t.Errorf("%d are left; %+v, want %q", left, got, want)
	}
}

// TestDetachedJob begins work, looks at it, follows it, and cancels it.
func TestDetachedJob(t *testing.T) {
	const all = 30
	c, app := harness.DeadSite(t, all)
	app.AnswerStatus(200)
	address := "--address=" + c.AdminAddress()
	out, err := harness.RunCommand(harness.Command("replay"), address, "--all-dead", "--rate=10/s", "--detach", "--json")
	var j api.Job
	if err != nil || json.Unmarshal([]byte(out), &j) != nil || j.State != api.JobRunning {
		t.Fatalf("replay --detach: %s, %v", out, err)
	}
	app.Next(t)
	ctx, enough := context.WithCancel(t.Context())
	enough() // follows until the operator has had enough, and leaves the job alone
	out, _, err = runUntil(ctx, harness.Command("jobs"), address, j.ID, "--follow")
	if err != nil || !strings.Contains(out, j.ID+"  replay  running") {
		t.Errorf("jobs --follow: %q, %v", out, err)
	}
	out, err = harness.RunCommand(harness.Command("jobs"), address)
	if err != nil || !strings.HasPrefix(out, "ID ") || !strings.Contains(out, j.ID) || !strings.Contains(out, "10/s") || !strings.Contains(out, "state=dead") {
		t.Errorf("jobs: %q, %v", out, err)
	}
	out, err = harness.RunCommand(harness.Command("jobs"), address, j.ID, "--cancel")
	left := dead(c)
	if err != nil || !strings.Contains(out, "cancelled") || left == 0 || left == all {
		t.Errorf("jobs --cancel: %q, %v, %d are left", out, err, left)
	}
	out, err = harness.RunCommand(harness.Command("replay"), address, "--all-dead", "--detach")
	if err != nil || !strings.Contains(out, "see `caddy webhooks jobs ") || !strings.HasSuffix(out, " --address "+c.AdminAddress()+"`\n") {
		t.Fatalf("replay --detach: %q, %v", out, err)
	}
	id := strings.Fields(out)[1]
	out, err = harness.RunCommand(harness.Command("jobs"), address, id, "--follow", "--json")
	if err != nil || json.Unmarshal([]byte(out), &j) != nil || j.State != api.JobDone || j.Done != left {
		t.Errorf("jobs --follow to the end: %q, %v", out, err)
	}
	for _, args := range [][]string{{"--cancel"}, {"--follow"}, {id, "--follow", "--cancel"}} {
		if _, err := harness.RunCommand(harness.Command("jobs"), append(args, address)...); err == nil || cli.ExitCode(err) != cli.ExitWrong {
			t.Errorf("jobs %v: %v", args, err)
		}
	}
}

// TestWatchInFile prints a table a round, and ends with its operator.
func TestWatchInFile(t *testing.T) {
	c, _ := harness.DeadSite(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	out, notes, err := runUntil(ctx, harness.Command("stats"), "--address="+c.AdminAddress(), "--watch=100ms")
	if err != nil || notes != "" || strings.Count(out, "DESTINATION") < 2 || strings.Contains(out, "\x1b") || !strings.Contains(out, "per second: 0.0 accepted") {
		t.Errorf("stats --watch: %q, %q, %v", out, notes, err)
	}
	for _, args := range [][]string{{"--watch=1ms"}, {"--watch", "soon"}, {"5s"}, {"--watch", "5s", "6s"}} {
		if _, err := harness.RunCommand(harness.Command("stats"), append(args, "--address="+c.AdminAddress())...); err == nil || cli.ExitCode(err) != cli.ExitWrong {
			t.Errorf("stats %v: %v", args, err)
		}
	}
	if _, err := harness.RunCommand(harness.Command("stats"), "--watch", "--address=127.0.0.1:1"); err == nil {
		t.Error("stats --watch of nobody ended well")
	}
}
