package caddywebhooks

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
func (c *running) dead() int {
	c.t.Helper()
	var list api.List
	c.adminCall(http.MethodGet, "/webhooks/deliveries?state=dead&limit=1000", "", &list)
	return len(list.Deliveries)
}

// TestBulkSelects takes of the dead letters only those that the flags name.
func TestBulkSelects(t *testing.T) {
	c, _ := deadSite(t, 3)
	address := "--address=" + c.adminAddress()
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
		out, err := runCommand(command("purge"), append([]string{address, "--all-dead", "--dry-run"}, test.flags...)...)
		if want := wording.Plural(test.want, "dead letter") + " would be deleted\n"; err != nil || out != want {
			t.Errorf("purge --dry-run %v: %q, %v, want %q", test.flags, out, err, want)
		}
		out, err = runCommand(command("list"), append([]string{address}, test.flags...)...)
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
		out, err := runCommand(command("purge"), address, "--all-dead", "--yes", test.flag)
		if err == nil || !strings.Contains(err.Error(), test.want) || cli.ExitCode(err) != cli.ExitWrong {
			t.Errorf("purge %s: %q, %v: want an error with %q", test.flag, out, err, test.want)
		}
	}
	if c.dead() != 3 {
		t.Errorf("%d are left of 3", c.dead())
	}
	out, err := runCommand(command("purge"), address, "--all-dead", "--yes", "--event-id=dead-01", "--json")
	var j api.Job
	if err != nil || json.Unmarshal([]byte(out), &j) != nil || j.State != api.JobDone || j.Done != 1 || c.dead() != 2 {
		t.Errorf("purge of one: %s, %v, %d are left of 2", out, err, c.dead())
	}
}

// TestBulkInterrupted cancels the work when the operator has had enough, whatever is reloaded meanwhile.
func TestBulkInterrupted(t *testing.T) {
	const all = 40
	c, app := deadSite(t, all)
	app.answerStatus(200)
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	type end struct {
		out, notes string
		err        error
	}
	ended := make(chan end, 1)
	go func() {
		out, notes, err := runUntil(ctx, command("replay"), "--address="+c.adminAddress(), "--all-dead", "--rate=20/s")
		ended <- end{out, notes, err}
	}()
	app.next(t)
	if err := c.load(githubSite(app, "") + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		app.next(t)
	}
	enough()
	got := <-ended
	left := c.dead()
	want := fmt.Sprintf("cancelled: %d dead letters of %d replayed; the same command goes on with what is left", all-left, all)
	if left == 0 || left > all-6 || got.err == nil || got.err.Error() != want || cli.ExitCode(got.err) != cli.ExitNo || got.out != "" {
		t.Errorf("%d are left; %+v, want %q", left, got, want)
	}
}

// TestDetachedJob begins work, looks at it, follows it, and cancels it.
func TestDetachedJob(t *testing.T) {
	const all = 30
	c, app := deadSite(t, all)
	app.answerStatus(200)
	address := "--address=" + c.adminAddress()
	out, err := runCommand(command("replay"), address, "--all-dead", "--rate=10/s", "--detach", "--json")
	var j api.Job
	if err != nil || json.Unmarshal([]byte(out), &j) != nil || j.State != api.JobRunning {
		t.Fatalf("replay --detach: %s, %v", out, err)
	}
	app.next(t)
	ctx, enough := context.WithCancel(t.Context())
	enough() // follows until the operator has had enough, and leaves the job alone
	out, _, err = runUntil(ctx, command("jobs"), address, j.ID, "--follow")
	if err != nil || !strings.Contains(out, j.ID+"  replay  running") {
		t.Errorf("jobs --follow: %q, %v", out, err)
	}
	out, err = runCommand(command("jobs"), address)
	if err != nil || !strings.HasPrefix(out, "ID ") || !strings.Contains(out, j.ID) || !strings.Contains(out, "10/s") || !strings.Contains(out, "state=dead") {
		t.Errorf("jobs: %q, %v", out, err)
	}
	out, err = runCommand(command("jobs"), address, j.ID, "--cancel")
	left := c.dead()
	if err != nil || !strings.Contains(out, "cancelled") || left == 0 || left == all {
		t.Errorf("jobs --cancel: %q, %v, %d are left", out, err, left)
	}
	out, err = runCommand(command("replay"), address, "--all-dead", "--detach")
	if err != nil || !strings.Contains(out, "see `caddy webhooks jobs ") || !strings.HasSuffix(out, " --address "+c.adminAddress()+"`\n") {
		t.Fatalf("replay --detach: %q, %v", out, err)
	}
	id := strings.Fields(out)[1]
	out, err = runCommand(command("jobs"), address, id, "--follow", "--json")
	if err != nil || json.Unmarshal([]byte(out), &j) != nil || j.State != api.JobDone || j.Done != left {
		t.Errorf("jobs --follow to the end: %q, %v", out, err)
	}
	for _, args := range [][]string{{"--cancel"}, {"--follow"}, {id, "--follow", "--cancel"}} {
		if _, err := runCommand(command("jobs"), append(args, address)...); err == nil || cli.ExitCode(err) != cli.ExitWrong {
			t.Errorf("jobs %v: %v", args, err)
		}
	}
}

// TestWatchInFile prints a table a round, and ends with its operator.
func TestWatchInFile(t *testing.T) {
	c, _ := deadSite(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	out, notes, err := runUntil(ctx, command("stats"), "--address="+c.adminAddress(), "--watch=100ms")
	if err != nil || notes != "" || strings.Count(out, "DESTINATION") < 2 || strings.Contains(out, "\x1b") || !strings.Contains(out, "per second: 0.0 accepted") {
		t.Errorf("stats --watch: %q, %q, %v", out, notes, err)
	}
	for _, args := range [][]string{{"--watch=1ms"}, {"--watch", "soon"}, {"5s"}, {"--watch", "5s", "6s"}} {
		if _, err := runCommand(command("stats"), append(args, "--address="+c.adminAddress())...); err == nil || cli.ExitCode(err) != cli.ExitWrong {
			t.Errorf("stats %v: %v", args, err)
		}
	}
	if _, err := runCommand(command("stats"), "--watch", "--address=127.0.0.1:1"); err == nil {
		t.Error("stats --watch of nobody ended well")
	}
}
