package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// Main is the TestMain of a package of tests that start Caddy: it runs them in the module's root, where
// docs and examples are, and then searches what they logged for what nobody should read there. It
// returns the exit code. With BeCaddy in the environment it is Caddy instead.
func Main(m *testing.M) int {
	if os.Getenv(BeCaddy) != "" {
		caddycmd.Main() // ends the process if the command fails
		return 0
	}
	if err := toRoot(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "caddy-webhooks-log")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	LogFile = filepath.Join(dir, "caddy.log")
	sharedLog = LogFile
	_ = os.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data")) // nothing of these tests is for those who run them
	code := m.Run()
	if !logged.Load() {
		return code // no test has started a Caddy that logs there
	}
	if leaks := SearchLog(LogFile); len(leaks) > 0 {
		fmt.Fprintf(os.Stderr, "the log shows what it must not:\n%s\n", strings.Join(leaks, "\n"))
		return 1
	}
	return code
}

// toRoot makes the module's root the working directory.
func toRoot() error {
	for {
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		if _, err := os.Stat("go.mod"); err == nil {
			return nil
		}
		if dir == filepath.Dir(dir) {
			return errors.New("these tests run within the module only")
		}
		if err := os.Chdir(".."); err != nil {
			return err
		}
	}
}

// BeCaddy in the environment makes the test's binary a Caddy: what ends with an exit code can only
// be tested as a process.
const BeCaddy = "CADDY_WEBHOOKS_TEST_BE_CADDY"

// AsCaddy is this environment with BeCaddy. The race detector keeps a process for a second at its end by default, in case it
// races on; for each command of a test that is too long.
func AsCaddy() []string {
	return append(os.Environ(), BeCaddy+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
}

// CaddyCommand is `caddy` with these arguments.
func CaddyCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = AsCaddy()
	return cmd
}

// RunCaddy runs `caddy` to its end.
func RunCaddy(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := CaddyCommand(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok {
		code = exit.ExitCode()
	}
	return out.String(), errs.String(), code
}
