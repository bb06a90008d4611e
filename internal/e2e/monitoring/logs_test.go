package monitoring

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestLogLines logs one webhook of each fate, and compares the lines with the
// examples in docs/logs.md: the same fields in the same lines.
func TestLogLines(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	own := filepath.Join(t.TempDir(), "log")
	c := harness.StartLogging(t, own, fmt.Sprintf(`webhooks github {
		secret "%s"
		require_https off
		forward %s {
			name app
			retry {
				initial 10ms
				max_attempts 2
			}
		}
	}`, harness.GitHubSecret, app.Address))
	body := `{"text":"` + harness.BodyCanary + `"}`
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "logged", body)), 202, "accepted")
	forged := c.GitHubRequest("/", "forged", body)
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("other"))
	harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
	app.Next(t)
	second := app.Next(t)
	var logged map[string]map[string]any
	harness.Eventually(t, "all is logged", func() bool {
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
	id := second.Header.Get("X-Correlation-Id")
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
