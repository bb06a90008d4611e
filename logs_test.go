package caddywebhooks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testLog is the file that every Caddy of these tests logs to, for TestMain.
var testLog string

// bodyCanary is part of some bodies and must never be in a log.
const bodyCanary = "canary-in-a-body"

// TestMain runs all tests and then searches what they logged for what nobody
// should read there.
func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "caddy-webhooks-log")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	testLog = filepath.Join(dir, "caddy.log")
	_ = os.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data")) // nothing of these tests is for those who run them
	code := m.Run()
	if leaks := searchLog(testLog); len(leaks) > 0 {
		fmt.Fprintf(os.Stderr, "the log shows what it must not:\n%s\n", strings.Join(leaks, "\n"))
		return 1
	}
	return code
}

// forbidden is what must not be logged: the secrets of the tests, and bodies.
var forbidden = []*regexp.Regexp{
	regexp.MustCompile(regexp.QuoteMeta(githubSecret)),
	regexp.MustCompile(`whsec_[A-Za-z0-9+/=]{8,}`),
	regexp.MustCompile(bodyCanary),
	regexp.MustCompile(`hush_[0-9a-f]{8,}`),
}

// signature is what we do not log either. Caddy's own lines about a request that
// failed have its headers; docs/logs.md says how to leave them out.
var signature = regexp.MustCompile(`(sha256|v0|v1)[=,][0-9a-f]{64}`)

func searchLog(path string) (leaks []string) {
	file, err := os.Open(path)
	if err != nil {
		return nil // no test started a Caddy
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		// Caddy itself logs the headers of requests at debug level, and the config that it loads.
		if bytes.Contains(lines.Bytes(), []byte(`"logger":"admin`)) {
			continue
		}
		patterns := forbidden
		if !bytes.Contains(lines.Bytes(), []byte(`"headers":{`)) {
			patterns = append(slices.Clone(forbidden), signature)
		}
		for _, f := range patterns {
			if f.Match(lines.Bytes()) && len(leaks) < 10 {
				leaks = append(leaks, fmt.Sprintf("line %d has %s: %s", n, f, f.ReplaceAll(lines.Bytes(), []byte("…"))))
			}
		}
	}
	return leaks
}

// TestSearchLog shows that a leak would be found.
func TestSearchLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := "fine\n" + `{"msg":"x","s":"` + githubSecret + "\"}\nv1=" + strings.Repeat("ab", 32) + "\n" + bodyCanary + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if leaks := searchLog(path); len(leaks) != 3 {
		t.Errorf("found %v, want 3 leaks", leaks)
	}
}

// TestLogLines logs one webhook of each fate, and compares the lines with the
// examples in docs/logs.md: the same fields in the same lines.
func TestLogLines(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	own := filepath.Join(t.TempDir(), "log")
	c := startCaddyLogging(t, own, fmt.Sprintf(`webhooks github {
		secret "%s"
		require_https off
		forward %s {
			name app
			retry {
				initial 10ms
				max_attempts 2
			}
		}
	}`, githubSecret, app.address))
	body := `{"text":"` + bodyCanary + `"}`
	checkAnswer(t, c.do(c.githubRequest("/", "logged", body)), 202, "accepted")
	forged := c.githubRequest("/", "forged", body)
	forged.Header.Set("X-Hub-Signature-256", githubSignature("other"))
	checkAnswer(t, c.do(forged), 401, "invalid_signature")
	app.next(t)
	second := app.next(t)
	var logged map[string]map[string]any
	eventually(t, "all is logged", func() bool {
		logged = readLog(t, own)
		return len(logged) == 4
	})
	documented := documentedLines(t)
	for what, line := range logged {
		example, ok := documented[what]
		if !ok {
			t.Errorf("docs/logs.md has no example of: %s", what)
			continue
		}
		got, want := slices.Sorted(maps.Keys(line)), slices.Sorted(maps.Keys(example))
		if !slices.Equal(got, want) {
			t.Errorf("%s has the fields\n%v, docs/logs.md shows\n%v", what, got, want)
		}
	}
	id := second.header.Get("X-Correlation-Id")
	for _, what := range []string{"webhook received accepted", "delivery settled retry", "delivery settled dead"} {
		if logged[what]["correlation_id"] != id {
			t.Errorf("%s has correlation id %v, the application got %s", what, logged[what]["correlation_id"], id)
		}
	}
}

// readLog returns the lines of ours, by message and outcome.
func readLog(t *testing.T, path string) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return linesOf(t, string(text))
}

func linesOf(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	lines := make(map[string]map[string]any)
	for line := range strings.Lines(text) {
		var fields map[string]any
		if !strings.HasPrefix(line, `{"`) {
			continue
		}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if logger, _ := fields["logger"].(string); strings.Contains(logger, "webhooks") && fields["outcome"] != nil {
			lines[fmt.Sprint(fields["msg"], " ", fields["outcome"])] = fields
		}
	}
	return lines
}

func documentedLines(t *testing.T) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile("docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	var plain strings.Builder
	for line := range strings.Lines(string(text)) {
		plain.WriteString(strings.TrimLeft(line, " "))
	}
	return linesOf(t, plain.String())
}
