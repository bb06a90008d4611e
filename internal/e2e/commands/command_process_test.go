package commands

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestExitCodes runs each kind of end through Caddy's own main.
func TestExitCodes(t *testing.T) {
	c, _ := harness.DeadSite(t, 1)
	id := c.Delivery("state=dead").ID
	address := "--address=" + c.AdminAddress()
	wrong := []string{"verify", "github", "--secret=x", "--header=X-Hub-Signature-256: sha256=" + strings.Repeat("0", 64)}
	for _, test := range []struct {
		args []string
		code int
		want string // on standard error
	}{
		{[]string{"list", address}, 0, ""},
		{[]string{"show", address, id}, 0, ""},
		{[]string{"show", address, "nonsense"}, 1, "no such delivery"},
		{[]string{"jobs", address, "nonsense"}, 1, "no such job"},
		{wrong, 1, "does not prove"},
		{[]string{"send", "github", c.Site + "/github", "--secret=wrong"}, 1, "not every webhook was accepted"},
		{[]string{"send", "github", c.Site + "/github", "--secret=" + harness.GitHubSecret}, 0, ""},
		{[]string{"send", "github", "http://127.0.0.1:1/", "--secret=x"}, 1, "refused"},
		{[]string{"list", address, "--state=lost"}, 2, "unknown state"},
		{[]string{"list", address, "--nonsense"}, 2, "--nonsense\nSee caddy webhooks list --help"},
		{[]string{"list", address, "too", "much"}, 2, "See caddy webhooks list --help"},
		{[]string{"sign", "github"}, 2, `required flag(s) "secret" not set`},
		{[]string{"sign", "nobody", "--secret=x"}, 2, "unknown provider"},
		{[]string{"send"}, 2, "<provider> and <url> are missing"},
		{[]string{"show", address}, 2, "<delivery id> is missing"},
		{[]string{"purge", address, "--all-dead"}, 2, "give --yes"},
		{[]string{"stats", "--address=127.0.0.1:1"}, 2, "is Caddy running?"},
		{[]string{"lst"}, 2, `there is no command "lst": did you mean list?`},
		{nil, 0, ""},
	} {
		_, stderr, code := harness.RunCaddy(t, append([]string{"webhooks"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.want) || test.want == "" && stderr != "" {
			t.Errorf("%v ended with %d and %q: want %d with %q", test.args, code, stderr, test.code, test.want)
		}
		if strings.Count(stderr, "Error:") > 1 || strings.Contains(stderr, "exiting with") {
			t.Errorf("%v said it twice: %s", test.args, stderr)
		}
	}
}

// TestCompletion asks Caddy's own completion for what each command takes.
func TestCompletion(t *testing.T) {
	c, _ := harness.DeadSite(t, 2)
	id := c.Delivery("event_id=dead-01").ID
	address := "--address=" + c.AdminAddress()
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{""}, []string{"doctor", "jobs", "list", "providers", "purge", "replay", "send", "show", "sign", "stats", "verify"}},
		{[]string{"list", "--state", "pending,d"}, []string{"pending,delivered", "pending,dead"}},
		{[]string{"list", address, "--endpoint", ""}, []string{"github"}},
		{[]string{"replay", address, "--destination", ""}, []string{"app"}},
		{[]string{"replay", address, id[:4]}, []string{id}},
		{[]string{"purge", address, ""}, []string{id}},
		{[]string{"sign", "strip"}, []string{"stripe"}},
		{[]string{"verify", "gith"}, []string{"github"}},
		{[]string{"send", ""}, []string{"stripe", "github"}},
		{[]string{"stats", "--js"}, []string{"--json"}},
	} {
		out, _, code := harness.RunCaddy(t, append([]string{"__completeNoDesc", "webhooks"}, test.args...)...)
		words := strings.Split(out, "\n")
		for _, want := range test.want {
			if code != 0 || !slices.Contains(words, want) {
				t.Errorf("completing %q suggests %q: want %q", test.args, words, want)
			}
		}
	}
	// Without a Caddy there is nothing to suggest, and nothing is said.
	out, stderr, code := harness.RunCaddy(t, "__completeNoDesc", "webhooks", "list", "--address=127.0.0.1:1", "--endpoint", "")
	if code != 0 || out != ":4\n" || strings.Contains(stderr, "127.0.0.1") {
		t.Errorf("completing without a Caddy: %d, %q, %q", code, out, stderr)
	}
}

// TestBashCompletion has bash itself complete with the script that Caddy prints.
func TestBashCompletion(t *testing.T) {
	script, _, code := harness.RunCaddy(t, "completion", "bash")
	if code != 0 || !strings.Contains(script, "_caddy_webhooks_replay()") {
		t.Fatalf("caddy completion bash ended with %d and lacks our commands", code)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, dir+"/caddy"); err != nil {
		t.Fatal(err)
	}
	// What bash-completion would provide, in the least that the script needs.
	prelude := `_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
__ltrim_colon_completions() { :; }
`
	complete := `
COMP_WORDS=(caddy webhooks send stri); COMP_CWORD=3; COMP_LINE="caddy webhooks send stri"; COMP_POINT=${#COMP_LINE}
__start_caddy 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
`
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", prelude+script+complete)
	cmd.Env = append(harness.AsCaddy(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !slices.Contains(strings.Fields(string(out)), "stripe") {
		t.Errorf("bash completes stri: %q, %v", out, err)
	}
}
