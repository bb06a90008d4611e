package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
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

// runUntil runs a command whose operator has had enough when ctx ends.
func runUntil(ctx context.Context, cmd *cobra.Command, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append([]string{}, args...)) // cobra takes the test's own arguments for nil
	err = cmd.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}

// TestJobGone: a Caddy that knows nothing of the job has been started anew meanwhile.
func TestJobGone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":"`+api.NoSuchJob+`"}`)
	}))
	t.Cleanup(server.Close)
	admin := adminClient{address: strings.TrimPrefix(server.URL, "http://"), timeout: Timeout, notes: screen{Writer: new(bytes.Buffer)}}
	_, err := admin.follow(t.Context(), api.Job{ID: "lost", State: api.JobRunning}, true)
	if err == nil || !strings.Contains(err.Error(), "started again") || ExitCode(err) != ExitNo {
		t.Errorf("a job that is gone: %v", err)
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

func TestTerminalIsSafe(t *testing.T) {
	if got := clean("a\x1b[2Jb\tc\x9b1m é"); got != "a\ufffd[2Jb\ufffdc\ufffd1m é" {
		t.Errorf("%q", got)
	}
}

func TestWithAdminPort(t *testing.T) {
	if got := withAdminPort("localhost") + withAdminPort("unix//run/x") + withAdminPort("[::1]:3"); got != "localhost:2019unix//run/x[::1]:3" {
		t.Error(got)
	}
}

// TestWrongUsage: what cannot be done says why, and that it is no answer.
func TestWrongUsage(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
	t.Cleanup(other.Close)
	for _, test := range []struct {
		cmd  *cobra.Command
		args []string
		want string
	}{
		{statsCommand(), []string{"--address=127.0.0.1:1"}, "is Caddy running?"},
		{statsCommand(), []string{"--address=" + other.Listener.Addr().String()}, "is not Caddy's admin API with webhooks"},
		{doctorCommand(), []string{"--address=" + other.Listener.Addr().String()}, "is not Caddy's admin API with webhooks"},
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
		out, err := runCommand(test.cmd, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) || ExitCode(err) != ExitWrong {
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
