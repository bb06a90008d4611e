package cli

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Says what is wrong or risky in the running config, and what to do",
		Long: `
doctor asks the running Caddy about its endpoints (does anything come in, and is
it let in?), destinations (are they up, is anything left over?), secrets, store
and disk. It shows no secret. Exit code 0: no errors, though there may be
warnings; 1: errors.`,
		Example: "  caddy webhooks doctor\n  caddy webhooks doctor --json | jq '.checks[] | select(.level != \"ok\")'",
		Args:    cobra.NoArgs,
	}
	return adminCommand(cmd, func(_ context.Context, admin adminClient, _ []string) error {
		answer, err := admin.ask(http.MethodGet, "/webhooks/doctor", "")
		if err != nil {
			return err
		}
		var view api.Doctor
		if err := admin.decode(answer, &view); err != nil {
			return err
		}
		if admin.json {
			if _, err := admin.out.Write(answer); err != nil {
				return err
			}
		} else {
			for i := range view.Checks {
				view.Checks[i].Fix = sameCaddy(view.Checks[i].Fix, cmd)
			}
			printDoctor(admin.out, view.Checks)
		}
		if n := countLevel(grouped(view.Checks), api.LevelError); n > 0 {
			return no(wording.Plural(n, "error"))
		}
		return nil
	})
}

// adviceToAsk finds the commands in advice that ask a running Caddy.
var adviceToAsk = regexp.MustCompile("`caddy webhooks (doctor|stats|list|show|replay|purge|jobs)[^`]*")

// sameCaddy adds the doctor's own --address, --config and --adapter to the commands in its advice, so that they
// ask the same Caddy.
func sameCaddy(advice string, doctor *cobra.Command) string {
	flags := ""
	for _, name := range []string{"address", "config", "adapter"} {
		if f := doctor.Flag(name); f.Changed {
			flags += " --" + name + " " + shellWord(f.Value.String())
		}
	}
	return adviceToAsk.ReplaceAllStringFunc(advice, func(command string) string { return command + flags })
}

// shellWord quotes the text if a shell would not read it as one word.
func shellWord(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:@%+=,", r)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func countLevel(checks []api.Check, level string) (n int) {
	for _, c := range checks {
		if c.Level == level {
			n++
		}
	}
	return n
}

// grouped merges checks that differ in their subject only into one, which names all subjects.
func grouped(checks []api.Check) []api.Check {
	var all []api.Check
	at := make(map[api.Check]int) // the key is the check without its subject
	for _, c := range checks {
		key := c
		key.Subject = ""
		i, again := at[key]
		if !again || c.Subject == "" {
			at[key] = len(all)
			all = append(all, c)
			continue
		}
		all[i].Subject += ", " + c.Subject
	}
	return all
}

// printDoctor shows the checks by level, worst first. A check that passed takes one line; others are followed by
// what to do.
func printDoctor(s screen, checks []api.Check) {
	checks = grouped(checks) // before counting, so that the numbers count what is shown
	for _, group := range []struct{ level, title string }{
		{api.LevelError, "error"}, {api.LevelWarn, "warning"}, {api.LevelOK, "check"},
	} {
		n := countLevel(checks, group.level)
		if n == 0 {
			continue
		}
		title := wording.Plural(n, group.title)
		if group.level == api.LevelOK {
			title += " passed"
		}
		fmt.Fprintln(s, s.paint(bold, s.paint(stateStyle(group.level), title)))
		for _, c := range checks {
			if c.Level != group.level {
				continue
			}
			subject := clean(c.Subject)
			if c.Name != c.Subject {
				subject += ", " + clean(c.Name)
			}
			text := wrap(subject+": "+c.Message, s.width, "    ")
			if rest, ok := strings.CutPrefix(text, "    "+subject); ok { // otherwise the subject itself was wrapped
				text = "  " + s.paint(stateStyle(c.Level), subject) + rest
			}
			fmt.Fprint(s, text)
			if c.Fix != "" {
				fmt.Fprint(s, wrap("→ "+c.Fix, s.width, "    "))
			}
		}
		fmt.Fprintln(s)
	}
}
