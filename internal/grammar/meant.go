package grammar

import (
	"fmt"
	"regexp"
	"strings"
)

// wrongBrace matches a placeholder after a dollar sign, as in shells. Caddy would keep the dollar
// sign as the first letter of the value.
var wrongBrace = regexp.MustCompile(`^\$\{(?:env|file|system|time)\.`)

// assignment matches a line of an .env file.
var assignment = regexp.MustCompile(`^(?:export\s+)?[A-Z][A-Z0-9_]{2,}=.`)

// shellVariable matches a variable that nobody has expanded.
var shellVariable = regexp.MustCompile(`^\$(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Z][A-Z0-9_]+)$`)

// CheckWritten refuses values that cannot be meant as they are written: a dollar sign before a
// placeholder, or a comma after a value.
func CheckWritten(setting string, values []string) error {
	for i, value := range values {
		if wrongBrace.MatchString(value) {
			return fmt.Errorf("%s: value %d has a dollar sign before the placeholder, which would be the first letter of the value: write {env.NAME} or {file./path}", setting, i+1)
		}
		if len(values) > 1 && strings.HasSuffix(value, ",") {
			return fmt.Errorf("%s: value %d ends in a comma, which would be part of it: values are separated by spaces only; if the comma belongs to it, give each value a line of its own", setting, i+1)
		}
	}
	return nil
}

// CheckExpanded refuses values that came from a file or the environment and cannot be meant, such as
// a whole .env file. written are the same values before Expand. The error shows no part of a value.
func CheckExpanded(setting string, written, expanded []string) error {
	for i, value := range expanded {
		if !Refers(written[i]) {
			continue
		}
		if what := notMeant(value); what != "" {
			return fmt.Errorf("%s: what %s stands for %s", setting, strings.Join(placeholder.FindAllString(written[i], -1), ""), what)
		}
	}
	return nil
}

// notMeant says what is wrong with a value; "" if nothing is.
func notMeant(value string) string {
	trimmed := strings.TrimSpace(value)
	switch {
	case strings.HasPrefix(value, "\ufeff"):
		return "begins with a byte order mark, which would be part of it: save the file as UTF-8 without BOM"
	case strings.ContainsRune(value, 0):
		return "has NUL characters in it, as files in UTF-16 have: save the file as UTF-8 without BOM"
	case strings.ContainsAny(trimmed, "\r\n") && !strings.Contains(value, "-----BEGIN "):
		return "has more than one line: it must be the value and nothing else; keep each secret in a file of its own"
	case len(trimmed) > 1 && strings.ContainsRune(`"'`, rune(trimmed[0])) && trimmed[len(trimmed)-1] == trimmed[0]:
		return "is in quotes, which would be part of it: remove them there"
	case assignment.MatchString(trimmed):
		return "is written as NAME=value: leave only the value there"
	case shellVariable.MatchString(trimmed):
		return "is itself the name of a variable, which nobody has expanded: put the value there"
	}
	return ""
}
