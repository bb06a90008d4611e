package grammar

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/eventtypes"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Errors about a Caddyfile are shown on terminals, in logs and by the admin API. A secret in the
// wrong place, such as after `secret=` or alone on the next line, must not be shown with them. So
// an error quotes a word only if the word cannot be a secret.

// Nearest returns the one of names that word is, but for a typing error; "" if there is none.
func Nearest(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", 3
	for _, name := range names {
		d := eventtypes.Distance(word, name)
		switch {
		case word == name:
			return name
		case word == name+"s" || len(word) > 3 && d == 1 || len(word) > 5 && d == 2:
			if d < least {
				best, least = name, d
			}
		}
	}
	return best
}

// isPart reports whether one of names begins with word, or has it between underscores.
func isPart(word string, names []string) bool {
	return len(word) > 2 && slices.ContainsFunc(names, func(name string) bool {
		return strings.HasPrefix(name, word) || slices.Contains(strings.Split(name, "_"), word)
	})
}

// lineNames are the names of the lines of all blocks.
func lineNames() []string { return slices.Sorted(maps.Keys(elsewhere)) }

// ShownWord is how an error names a word that may be anything: in quotes if it is nearly one of
// names, else by its length.
func ShownWord(word string, names []string) string {
	if Nearest(word, names) != "" {
		return fmt.Sprintf("%q", word)
	}
	return fmt.Sprintf("a word of %d letters, not shown because it may be a secret", utf8.RuneCountInString(word))
}

// unknownLine is the error about a line that the block does not have.
func (s Lines) unknownLine(d *caddyfile.Dispenser) error {
	word, own := d.Val(), slices.Sorted(maps.Keys(s))
	want := "want one of: " + strings.Join(own, ", ")
	if end := strings.IndexAny(word, "=:"); end > 0 {
		name, separator := word[:end], word[end:end+1]
		rest := strings.Trim(word[end:], "=:")
		if line := Nearest(name, own); line != "" && rest != "" {
			return d.Errf("unrecognized subdirective %q: did you mean %s? A line has its name, a space, and its value, without %q: `%s <value>`. %s",
				name+separator+"…", line, separator, line, want)
		}
		if line := Nearest(name, lineNames()); line != "" && rest != "" {
			return d.Errf("unrecognized subdirective %q: %s; and a line has its name, a space, and its value, without %q",
				name+separator+"…", s.unrecognized(line), separator)
		}
		if strings.HasPrefix(word[end:], "://") {
			return d.Errf("a line begins with a URL of %d letters: it belongs to the end of the line before, or a backslash \\ at the end of that; here %s", utf8.RuneCountInString(word), want)
		}
	}
	const shortest = 6 // letters of what may be a secret
	if bare := strings.TrimRight(word, ":="); len(word) < shortest || Nearest(bare, own) != "" || Nearest(bare, lineNames()) != "" || isPart(bare, own) {
		return d.Errf("unrecognized subdirective %q: %s", word, s.unrecognized(word))
	}
	return d.Errf("unrecognized subdirective: a line begins with an unknown word of %d letters, not shown because it may be a secret. Values stand on the line of their setting, behind its name and a space; here %s",
		utf8.RuneCountInString(word), want)
}

// harmless matches values that cannot be secrets: short words, numbers, durations, sizes, rates and
// addresses.
var harmless = regexp.MustCompile(`^(?:[a-z]{1,8}|[-+]?[0-9][0-9.,]{0,11}[A-Za-z%]{0,4}(?:/[0-9.]{0,3}[a-z]{0,3})?|[0-9.]{7,15}(?:/[0-9]{1,4}|-[0-9.]{7,15})?|(?:[0-9a-fA-F]{0,4}:){2,8}[0-9a-fA-F.]{0,15}(?:%[a-z0-9]{1,8})?(?:/[0-9]{1,4})?)$`)

// ShownValue is how an error names the value of a setting that is no secret. A secret may stand
// there by mistake, so a value that may be one is named by its length.
func ShownValue(value string) string {
	if value == "" || harmless.MatchString(value) {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("a value of %d letters", utf8.RuneCountInString(value))
}

// ShownValues does the same for several values, without quotes.
func ShownValues(values []string) string {
	var shown []string
	for _, value := range values {
		shown = append(shown, strings.Trim(ShownValue(value), `"`))
	}
	return strings.Join(shown, " ")
}

// keyRun is a part of a text that may be a key or token: long, and without a break.
var keyRun = regexp.MustCompile(`[A-Za-z0-9+=~]{12,}`)

// Keys returns the parts of a word that look generated: letters and digits mixed, or upper and
// lower case changing more often than in words.
func Keys(word string) (found []string) {
	for _, run := range keyRun.FindAllString(placeholder.ReplaceAllString(word, " "), -1) {
		var there [4]bool
		changes := 0
		for i := range len(run) {
			there[kindOf(run[i])] = true
			if i > 0 && kindOf(run[i]) != kindOf(run[i-1]) {
				changes++
			}
		}
		mixed := there[1] && (there[2] || there[3])
		if mixed && (len(run) >= 16 || changes*4 >= len(run)) || changes*3 >= len(run) {
			found = append(found, run)
		}
	}
	return found
}

func kindOf(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return 1
	case c >= 'a' && c <= 'z':
		return 2
	case c >= 'A' && c <= 'Z':
		return 3
	}
	return 0
}

// closedLines are lines whose values are words of the configuration. An error about such a line
// quotes a value only if it is like one of these words.
var closedLines = []string{
	"tolerance", "require_https", "rate_limit", "max_body", "content_type", "dedupe_ttl", "respond", "verify", "format",
	"content", "key", "timestamp", "timeout", "retry", "dead_on", "priority", "rate", "breaker", "resign", "retain", "option",
}

// ownWords matches the other values that closed lines have, besides the harmless ones.
var ownWords = regexp.MustCompile(`[{}*/]|^(?i:[a-z]+(?:-[a-z]*[0-9]+)+|exponential|fibonacci|token_bucket|sliding_window)$`)

// HideKeys returns err without the generated keys that stand in the directive that d stands
// before. It is for errors that Caddy or a library wrote. It returns err itself if there is no key
// in it.
func HideKeys(d caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	shown := text
	line, name := 0, ""
	for d.Next() {
		if d.Line() != line {
			line, name = d.Line(), d.Val()
		}
		if slices.Contains(closedLines, name) && !harmless.MatchString(d.Val()) && !ownWords.MatchString(d.Val()) && Nearest(d.Val(), lineNames()) == "" {
			shown = strings.ReplaceAll(shown, fmt.Sprintf("%q", d.Val()), ShownValue(d.Val()))
		}
		for _, key := range Keys(d.Val()) {
			shown = strings.ReplaceAll(shown, key, "…")
		}
	}
	if shown == text {
		return err
	}
	return errors.New(shown)
}

// plainAddress matches a host with a readable name or an address, and a port.
var plainAddress = regexp.MustCompile(`^(?:[a-z]{0,9}|\[?[0-9a-f:.]{2,39}\]?|[A-Za-z0-9-]{1,24}(?:\.[A-Za-z0-9-]{1,24}){1,6})(?::[0-9]{0,6})?,?$`)

// ShownAddress is how an error names a word in the place of an upstream.
func ShownAddress(address string) string {
	if plainAddress.MatchString(address) && Keys(address) == nil {
		return fmt.Sprintf("%q", address)
	}
	return fmt.Sprintf("(of %d letters)", utf8.RuneCountInString(address))
}

// ProviderNames returns the names of all providers of the table.
func ProviderNames() (names []string) {
	for _, p := range verify.Providers() {
		names = append(names, p.Name)
	}
	return names
}

// UnknownProvider is the error about a provider that is not in the table. It names the providers
// that may be meant, and quotes name only if it is like one of them.
func UnknownProvider(name string) error {
	var near []string
	wanted := strings.ToLower(name)
	for _, p := range ProviderNames() {
		if len(wanted) > 2 && strings.Contains(p, wanted) || len(p) > 4 && strings.Contains(wanted, p) || eventtypes.Distance(p, wanted) <= 2 {
			near = append(near, p)
		}
	}
	const others = "`caddy webhooks providers` lists them; any other is custom with a `verify` block"
	switch {
	case len(near) == 0:
		return fmt.Errorf("unknown provider: a word of %d letters is none of them, and is not shown because it may be a secret, which goes into the block: %s", utf8.RuneCountInString(name), others)
	case Nearest(name, near) == "" && !slices.ContainsFunc(near, func(p string) bool { return strings.Contains(p, wanted) }):
		return fmt.Errorf("unknown provider: did you mean %s? %s", strings.Join(near[:min(len(near), 5)], ", "), others)
	}
	return fmt.Errorf("unknown provider %q: did you mean %s? %s", name, strings.Join(near[:min(len(near), 5)], ", "), others)
}

// ShownRange is how an error names a word in the place of an address or an address range.
func ShownRange(text string) string {
	if shown := ShownAddress(text); strings.HasPrefix(shown, `"`) {
		return shown
	}
	return ShownValue(text)
}
