package caddywebhooks

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

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
	out, err := runCommand(listCommand(), address, "--state", "dead", "--limit", "1")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out, "\n")
	if !strings.HasPrefix(lines[0], "ID") || !strings.Contains(lines[1], "github/app") ||
		!strings.HasSuffix(lines[1], "status 410") || !strings.HasPrefix(lines[2], "more: --cursor ") {
		t.Errorf("list printed:\n%s", out)
	}
	id, _, _ := strings.Cut(lines[1], " ")

	out, err = runCommand(showCommand(), address, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{id, "dead, status_410", "dead-01 push", "attempts: 1", "POST /github", "X-Hub-Signature-256: [masked]"} {
		if !strings.Contains(out, want) {
			t.Errorf("show lacks %q:\n%s", want, out)
		}
	}

	app.answerStatus(200)
	if out, err = runCommand(replayCommand(), address, id); err != nil || out != id+" replayed\n" {
		t.Errorf("replay: %q, %v", out, err)
	}
	app.next(t)
	if out, err = runCommand(replayCommand(), address, "--all-dead", "--endpoint=github"); err != nil || out != "1 dead letter replayed\n" {
		t.Errorf("replay --all-dead: %q, %v", out, err)
	}
	app.next(t)
	eventually(t, "stats show an empty store", func() bool {
		out, err = runCommand(statsCommand(), address)
		return err == nil && strings.Contains(out, "event keys remembered: 2") && strings.Contains(out, "github/app         0         0          0     0          closed\n")
	})
	out, err = runCommand(statsCommand(), address, "--json")
	if err != nil || !json.Valid([]byte(out)) {
		t.Errorf("stats --json: %q, %v", out, err)
	}
}

func TestTerminalIsSafe(t *testing.T) {
	if got := clean("a\x1b[2Jb\tc\x9b1m é"); got != "a\ufffd[2Jb\ufffdc\ufffd1m é" {
		t.Errorf("%q", got)
	}
}

func TestCommandErrors(t *testing.T) {
	c, _ := deadSite(t, 0)
	address := "--address=" + c.adminAddress()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
	t.Cleanup(other.Close)
	if got := withAdminPort("localhost") + withAdminPort("unix//run/x") + withAdminPort("[::1]:3"); got != "localhost:2019unix//run/x[::1]:3" {
		t.Error(got)
	}
	for _, test := range []struct {
		cmd  *cobra.Command
		args []string
		want string
	}{
		{showCommand(), []string{address, "nonsense"}, "no such delivery"},
		{showCommand(), []string{address}, "accepts 1 arg"},
		{listCommand(), []string{address, "--state", "lost"}, "unknown state"},
		{replayCommand(), []string{address}, "give delivery ids, or --all-dead"},
		{replayCommand(), []string{address, "--all-dead", "x"}, `give delivery ids or --all-dead, not both: "x" is one more`},
		{replayCommand(), []string{address, "x", "--dry-run"}, "go with --all-dead"},
		{statsCommand(), []string{"--address=127.0.0.1:1"}, "is Caddy running?"},
		{statsCommand(), []string{"--address=" + other.Listener.Addr().String()}, "is not Caddy's admin API with webhooks"},
		{doctorCommand(), []string{"--address=" + other.Listener.Addr().String()}, "is not Caddy's admin API with webhooks"},
		{listCommand(), []string{address, "--type", "pu*"}, "wildcards are not taken here"},
		{listCommand(), []string{address, "--since", "1h", "--until", "2h"}, "--until is before --since"},
		{listCommand(), []string{address, "--since", "-1h"}, "or how long ago"},
		{listCommand(), []string{address, "--endpoint", "nope"}, `no endpoint "nope"`},
		{replayCommand(), []string{address, "--all-dead", "--endpoint", "nope"}, `no endpoint "nope"`},
		{purgeCommand(), []string{address, "--all-dead", "--yes", "--endpoint", "nope"}, `no endpoint "nope"`},
		{providersCommand(), []string{"stripe", "github"}, `"github" is one more`},
		{signCommand(), []string{"stripe", "--secret=sk_live_0123456789"}, "the secret "},
		{sendCommand(), []string{"github", "127.0.0.1:1/hook", "--secret=x"}, "such as http://127.0.0.1:1/hook"},
		{signCommand(), []string{"github"}, `required flag(s) "secret"`},
		{signCommand(), []string{"nobody", "--secret=x"}, "unknown provider"},
		{signCommand(), []string{"svix", "--secret=whsec_!"}, "base64"},
		{signCommand(), []string{"github", "--secret=x", "--header=nonsense"}, "want 'Name: value'"},
		{sendCommand(), []string{"github", "ftp://x", "--secret=x"}, "not an http or https URL"},
		{sendCommand(), []string{"github", "http://x", "--secret=x", "--count=0"}, "at least 1"},
	} {
		if out, err := runCommand(test.cmd, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %v: error %v, output %q: want an error with %q", test.cmd.Name(), test.args, err, out, test.want)
		}
	}
}

// TestVerifyCommand checks a webhook as it was sent, and as an editor left it.
func TestVerifyCommand(t *testing.T) {
	const body = `{"zen":"Keep it logically awesome."}`
	file := filepath.Join(t.TempDir(), "body.json")
	args := []string{"github", "--secret", githubSecret, "--body", file, "--header", "X-Hub-Signature-256: " + githubSignature(body)}
	for content, want := range map[string]string{
		body:        "The signature is right (secret 1).",
		body + "\n": "without the line break at its end",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := runCommand(verifyCommand(), args...)
		if !strings.Contains(out, want) || (err == nil) != (content == body) {
			t.Errorf("verify of %q: %v, %s, want %q", content, err, out, want)
		}
		out, _ = runCommand(verifyCommand(), append(args, "--json")...)
		var result struct{ OK bool }
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&result); err != nil || result.OK != (content == body) {
			t.Errorf("verify --json of %q: %v, %s", content, err, out)
		}
	}
}
