// Package operator is somebody who has docs/runbook.md open and a shell: it types what the runbook says.
package operator

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

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// Chapter is a section of docs/runbook.md.
type Chapter struct {
	Title, Anchor string
	Words         []string // the bold ones that begin its paragraphs
	Blocks        []Block
	Queries       []string // PromQL
}

// Block holds commands that are typed one after the other, and parts of what they print.
type Block struct{ Commands, Prints []string }

var notInAnchors = regexp.MustCompile(`[^a-z0-9 -]`)

// ReadRunbook reads docs/runbook.md: its chapters, and all of its text.
func ReadRunbook(t *testing.T) (chapters []Chapter, text string) {
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
			chapters = append(chapters, Chapter{Title: title, Anchor: anchor})
		}
		if len(chapters) == 0 {
			continue
		}
		c := &chapters[len(chapters)-1]
		if language, ok := strings.CutPrefix(line, "```"); ok {
			if fence = language; fence == "sh" {
				c.Blocks = append(c.Blocks, Block{})
			}
			continue
		}
		switch fence {
		case "":
			if word, _, ok := strings.Cut(strings.TrimPrefix(line, "**"), "**"); ok && strings.HasPrefix(line, "**") {
				c.Words = append(c.Words, strings.TrimSuffix(word, "."))
			}
		case "sh":
			last := &c.Blocks[len(c.Blocks)-1]
			last.Commands = append(last.Commands, line)
		case "text":
			last := &c.Blocks[len(c.Blocks)-1]
			last.Prints = append(last.Prints, line)
		case "promql":
			c.Queries = append(c.Queries, line)
		default:
			t.Errorf("%s: nobody runs %q", c.Title, fence)
		}
	}
	return chapters, string(content)
}

// Operator is somebody with the runbook open at a chapter, and a shell.
type Operator struct {
	*testing.T
	Chapter Chapter
	Typed   int               // blocks of the chapter that were typed
	Caddy   *harness.Caddy    // the one that the chapter is about
	Log     string            // the file with its log
	Env     []string          // of the shell
	Fill    map[string]string // what stands for <…> in the runbook
}

// New returns an operator at a chapter. path is the directory in which the command caddy is.
func New(t *testing.T, c Chapter, path string) *Operator {
	harness.ForgetTraffic(t) // the doctor would speak of it
	o := &Operator{T: t, Chapter: c, Log: filepath.Join(t.TempDir(), "caddy.log")}
	o.Env = append(harness.AsCaddy(), "NO_COLOR=1", "PATH="+path+":"+os.Getenv("PATH"))
	o.Fill = map[string]string{"log": o.Log, "provider": "github", "secret": harness.GitHubSecret, "Caddyfile": filepath.Join(t.TempDir(), "Caddyfile")}
	shared := harness.LogFile
	harness.LogFile = o.Log
	t.Cleanup(func() { harness.LogFile = shared })
	return o
}

// Starts says which Caddy it is about, and which endpoint.
func (o *Operator) Starts(c *harness.Caddy, endpoint string) {
	o.Caddy = c
	o.Env = append(o.Env, "CADDY_ADMIN="+c.AdminAddress())
	o.Fill["endpoint"], o.Fill["destination"] = endpoint, "app"
	o.Fill["url"] = c.Site + "/" + endpoint
}

// Edits writes the Caddyfile with these directives, as the operator would.
func (o *Operator) Edits(directives string) {
	o.Helper()
	text := fmt.Sprintf("{\n\t%s\n}\nhttp://:%s {\n\tbind 127.0.0.1\n%s\n}\n", o.Caddy.Options, o.Caddy.Port, directives)
	o.Writes("Caddyfile", text)
}

// Writes makes a file for a placeholder.
func (o *Operator) Writes(placeholder, content string) {
	o.Helper()
	if o.Fill[placeholder] == "" {
		o.Fill[placeholder] = filepath.Join(o.TempDir(), placeholder)
	}
	if err := os.WriteFile(o.Fill[placeholder], []byte(content), 0o600); err != nil {
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
func (o *Operator) filled(text string, quote *strings.Replacer) string {
	text = blank.ReplaceAllStringFunc(text, func(match string) string {
		value, ok := o.Fill[strings.Trim(match, "<>")]
		if !ok {
			o.Errorf("nothing stands for %s in %q", match, text)
		}
		return quote.Replace(value)
	})
	return strings.ReplaceAll(text, "localhost:2019", o.Caddy.AdminAddress())
}

// Types runs the commands of the chapter's next block in bash, and compares exit
// codes and output with what the runbook says.
func (o *Operator) Types() {
	o.Helper()
	if o.Typed == len(o.Chapter.Blocks) {
		o.Fatal("the chapter has no more commands")
	}
	next := o.Chapter.Blocks[o.Typed]
	o.Typed++
	var printed strings.Builder
	for _, command := range next.Commands {
		out, code := o.Bash(o.filled(command, insideQuotes))
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
	for _, line := range next.Prints {
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

// Bash runs a command.
func (o *Operator) Bash(command string) (out string, code int) {
	o.Helper()
	shell := exec.CommandContext(o.Context(), "bash", "--norc", "-o", "pipefail", "-c", command)
	shell.Env = o.Env
	text, err := shell.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), exit.ExitCode()
	} else if err != nil {
		o.Fatal(err)
	}
	return string(text), 0
}

// Stands waits until the destination has so many deliveries open, and dead.
func (o *Operator) Stands(open, dead int) {
	o.Helper()
	var lane api.Lane
	harness.Eventually(o.T, fmt.Sprintf("%d deliveries are open and %d dead", open, dead), func() bool {
		var stats api.Stats
		o.Caddy.AdminCall("GET", "/webhooks/stats", "", &stats)
		for _, lane = range stats.Destinations {
			if lane.Endpoint == o.Fill["endpoint"] && lane.Pending+lane.Leased == open && lane.Dead == dead {
				return true
			}
		}
		return false
	})
}

// CaddyInPath returns a directory for PATH in which this test's binary is caddy.
func CaddyInPath(t *testing.T) string {
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
