package runbook

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// chapter is a section of docs/runbook.md.
type chapter struct {
	title, anchor string
	words         []string // the bold ones that begin its paragraphs
	blocks        []block
	queries       []string // PromQL
}

// block are commands that are typed one after the other, and parts of what they print.
type block struct{ commands, prints []string }

var notInAnchors = regexp.MustCompile(`[^a-z0-9 -]`)

func readRunbook(t *testing.T) (chapters []chapter, text string) {
	t.Helper()
	content, err := os.ReadFile("docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	fence := ""
	for lines := bufio.NewScanner(strings.NewReader(string(content))); lines.Scan(); {
		line := lines.Text()
		if title, ok := strings.CutPrefix(line, "## "); ok {
			anchor := strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
			chapters = append(chapters, chapter{title: title, anchor: anchor})
		}
		if len(chapters) == 0 {
			continue
		}
		c := &chapters[len(chapters)-1]
		if language, ok := strings.CutPrefix(line, "```"); ok {
			if fence = language; fence == "sh" {
				c.blocks = append(c.blocks, block{})
			}
			continue
		}
		switch fence {
		case "":
			if word, _, ok := strings.Cut(strings.TrimPrefix(line, "**"), "**"); ok && strings.HasPrefix(line, "**") {
				c.words = append(c.words, strings.TrimSuffix(word, "."))
			}
		case "sh":
			last := &c.blocks[len(c.blocks)-1]
			last.commands = append(last.commands, line)
		case "text":
			last := &c.blocks[len(c.blocks)-1]
			last.prints = append(last.prints, line)
		case "promql":
			c.queries = append(c.queries, line)
		default:
			t.Errorf("%s: nobody runs %q", c.title, fence)
		}
	}
	return chapters, string(content)
}

// TestRunbook brings a Caddy into each situation that docs/runbook.md is for, types
// what it says, and looks whether that prints what it says and helps.
func TestRunbook(t *testing.T) {
	chapters, _ := readRunbook(t)
	dir := caddyInPath(t)
	for _, c := range chapters {
		t.Run(c.anchor, func(t *testing.T) {
			situation := situations[c.anchor]
			if situation == nil {
				t.Fatal("there is no such situation in the tests")
			}
			o := newOperator(t, c, dir)
			situation(o)
			if left := len(c.blocks) - o.typed; left > 0 {
				t.Errorf("%d blocks of commands were not typed", left)
			}
			known := o.metricNames()
			for _, name := range anyMetric.FindAllString(strings.Join(c.queries, "\n"), -1) {
				if !known[name] {
					t.Errorf("in this situation Caddy has no %s", name)
				}
			}
			if leaks := harness.SearchLog(o.log); len(leaks) > 0 {
				t.Errorf("the log shows what it must not:\n%s", strings.Join(leaks, "\n"))
			}
		})
	}
	if len(chapters) != len(situations) {
		t.Errorf("%d chapters, and %d situations", len(chapters), len(situations))
	}
}

// caddyInPath returns a directory for PATH in which this test's binary is caddy.
func caddyInPath(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "caddy")); err != nil {
		t.Fatal(err)
	}
	return dir
}

var anyMetric = regexp.MustCompile(`\b(webhook|caddy)_[a-z_]+`)

// TestRunbookIsWhole: every alert leads to a chapter, every link too; chapters have
// their four parts, and Prometheus takes their queries.
func TestRunbookIsWhole(t *testing.T) {
	chapters, text := readRunbook(t)
	anchors := make(map[string]chapter)
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var queries []rule
	for _, c := range chapters {
		anchors[c.anchor] = c
		if !slices.Equal(c.words, []string{"See", "Why", "Type", "Over when"}) {
			t.Errorf("%s has the parts %q", c.title, c.words)
		}
		for _, query := range c.queries {
			queries = append(queries, rule{fmt.Sprintf("query:%d", len(queries)), query})
		}
	}
	links := regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(text, -1)
	for _, group := range readAlerts(t).Groups {
		for _, alert := range group.Rules {
			_, anchor, _ := strings.Cut(alert.Annotations["runbook"], "docs/runbook.md#")
			links = append(links, []string{"", anchor})
			if !strings.Contains(text, "`"+alert.Alert+"`") {
				t.Errorf("nothing is said about %s", alert.Alert)
			}
		}
	}
	for _, link := range links {
		if _, ok := anchors[link[1]]; !ok {
			t.Errorf("there is no chapter %q", link[1])
		}
	}
	promtool(t, "check", "rules", writeYAML(t, map[string]any{"groups": []any{map[string]any{"name": "runbook", "rules": queries}}}))
}

// operator is somebody with the runbook open at a chapter, and a shell.
type operator struct {
	*testing.T
	chapter chapter
	typed   int // blocks
	c       *harness.Caddy
	log     string // of this Caddy
	env     []string
	fill    map[string]string // what stands for <…>
}

func newOperator(t *testing.T, c chapter, path string) *operator {
	o := &operator{T: t, chapter: c, log: filepath.Join(t.TempDir(), "caddy.log")}
	o.env = append(os.Environ(), harness.BeCaddy+"=1", "NO_COLOR=1", "PATH="+path+":"+os.Getenv("PATH"))
	o.fill = map[string]string{"log": o.log, "provider": "github", "secret": harness.GitHubSecret, "Caddyfile": filepath.Join(t.TempDir(), "Caddyfile")}
	shared := harness.LogFile
	harness.LogFile = o.log
	t.Cleanup(func() { harness.LogFile = shared })
	return o
}

// starts says which Caddy it is about, and which endpoint.
func (o *operator) starts(c *harness.Caddy, endpoint string) {
	o.c = c
	o.env = append(o.env, "CADDY_ADMIN="+c.AdminAddress())
	o.fill["endpoint"], o.fill["destination"] = endpoint, "app"
	o.fill["url"] = c.Site + "/" + endpoint
}

// edits writes the Caddyfile with these directives, as the operator would.
func (o *operator) edits(directives string) {
	o.Helper()
	text := fmt.Sprintf("{\n\t%s\n}\nhttp://:%s {\n\tbind 127.0.0.1\n%s\n}\n", o.c.Options, o.c.Port, directives)
	o.writes("Caddyfile", text)
}

// writes makes a file for a placeholder.
func (o *operator) writes(placeholder, content string) {
	o.Helper()
	if o.fill[placeholder] == "" {
		o.fill[placeholder] = filepath.Join(o.TempDir(), placeholder)
	}
	if err := os.WriteFile(o.fill[placeholder], []byte(content), 0o600); err != nil {
		o.Fatal(err)
	}
}

var (
	blank        = regexp.MustCompile(`<([a-zA-Z ]+)>`)
	wantedCodes  = regexp.MustCompile(`# exit code (\d+)(?: or (\d+))?`)
	anySpace     = regexp.MustCompile(`\s+`)
	squeeze      = func(text string) string { return anySpace.ReplaceAllString(text, " ") }
	insideQuotes = strings.NewReplacer("'", `'\''`)
)

// filled puts in what stands for the placeholders.
func (o *operator) filled(text string, quote *strings.Replacer) string {
	text = blank.ReplaceAllStringFunc(text, func(match string) string {
		value, ok := o.fill[strings.Trim(match, "<>")]
		if !ok {
			o.Errorf("nothing stands for %s in %q", match, text)
		}
		return quote.Replace(value)
	})
	return strings.ReplaceAll(text, "localhost:2019", o.c.AdminAddress())
}

// types runs the commands of the chapter's next block in bash, and compares exit
// codes and output with what the runbook says.
func (o *operator) types() {
	o.Helper()
	if o.typed == len(o.chapter.blocks) {
		o.Fatal("the chapter has no more commands")
	}
	next := o.chapter.blocks[o.typed]
	o.typed++
	var printed strings.Builder
	for _, command := range next.commands {
		out, code := o.bash(o.filled(command, insideQuotes))
		fmt.Fprintf(&printed, "$ %s\n%s", command, out)
		wanted := []string{"0"}
		if match := wantedCodes.FindStringSubmatch(command); match != nil {
			wanted = match[1:]
		}
		if !slices.Contains(wanted, strconv.Itoa(code)) {
			o.Errorf("%s\nended with %d: want %v\n%s", command, code, wanted, out)
		}
	}
	rest := squeeze(printed.String())
	for _, line := range next.prints {
		parts := strings.Split(squeeze(o.filled(line, strings.NewReplacer())), "…")
		after := rest
		for _, part := range parts {
			var found bool
			if _, after, found = strings.Cut(after, strings.TrimSpace(part)); !found {
				o.Errorf("nothing prints %q:\n%s", line, printed.String())
				break
			}
		}
	}
}

func (o *operator) bash(command string) (out string, code int) {
	o.Helper()
	shell := exec.CommandContext(o.Context(), "bash", "--norc", "-o", "pipefail", "-c", command)
	shell.Env = o.env
	text, err := shell.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), exit.ExitCode()
	} else if err != nil {
		o.Fatal(err)
	}
	return string(text), 0
}

// metricNames are those that this Caddy has.
func (o *operator) metricNames() map[string]bool {
	o.Helper()
	names := make(map[string]bool)
	for line := range strings.Lines(o.c.Do(o.c.Request("GET", o.c.Admin+"/metrics", "")).Body) {
		if name := anyMetric.FindString(line); strings.HasPrefix(line, name) {
			names[name] = true
		}
	}
	return names
}

// writeYAML writes a file of this test's own.
func writeYAML(t *testing.T, content any) string {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
