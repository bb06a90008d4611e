package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
