package caddywebhooks

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
	t.Cleanup(other.Close)
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
		{command("stats"), []string{"--address=127.0.0.1:1"}, "is Caddy running?"},
		{command("stats"), []string{"--address=" + other.Listener.Addr().String()}, "is not Caddy's admin API with webhooks"},
		{command("doctor"), []string{"--address=" + other.Listener.Addr().String()}, "is not Caddy's admin API with webhooks"},
		{command("list"), []string{address, "--type", "pu*"}, "wildcards are not taken here"},
		{command("list"), []string{address, "--since", "1h", "--until", "2h"}, "--until is before --since"},
		{command("list"), []string{address, "--since", "-1h"}, "or how long ago"},
		{command("list"), []string{address, "--endpoint", "nope"}, `no endpoint "nope"`},
		{command("replay"), []string{address, "--all-dead", "--endpoint", "nope"}, `no endpoint "nope"`},
		{command("purge"), []string{address, "--all-dead", "--yes", "--endpoint", "nope"}, `no endpoint "nope"`},
		{command("providers"), []string{"stripe", "github"}, `"github" is one more`},
		{command("sign"), []string{"stripe", "--secret=sk_live_0123456789"}, "the secret "},
		{command("send"), []string{"github", "127.0.0.1:1/hook", "--secret=x"}, "such as http://127.0.0.1:1/hook"},
		{command("sign"), []string{"github"}, `required flag(s) "secret"`},
		{command("sign"), []string{"nobody", "--secret=x"}, "unknown provider"},
		{command("sign"), []string{"svix", "--secret=whsec_!"}, "base64"},
		{command("sign"), []string{"github", "--secret=x", "--header=nonsense"}, "want 'Name: value'"},
		{command("send"), []string{"github", "ftp://x", "--secret=x"}, "not an http or https URL"},
		{command("send"), []string{"github", "http://x", "--secret=x", "--count=0"}, "at least 1"},
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
		out, err := runCommand(command("verify"), args...)
		if !strings.Contains(out, want) || (err == nil) != (content == body) {
			t.Errorf("verify of %q: %v, %s, want %q", content, err, out, want)
		}
		out, _ = runCommand(command("verify"), append(args, "--json")...)
		var result struct{ OK bool }
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&result); err != nil || result.OK != (content == body) {
			t.Errorf("verify --json of %q: %v, %s", content, err, out)
		}
	}
}
