package grammar

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// placeholder finds what a value refers to, without the rest of the value. It knows Caddy's own
// global kinds only: anything else in braces may be a part of a secret, and is never shown.
var placeholder = regexp.MustCompile(`\{(?:env|file|system|time)\.[^{}]+\}`)

// anyPlaceholder finds the placeholders of requests and of other handlers, too.
var anyPlaceholder = regexp.MustCompile(`\{[^{}]+\}`)

// braces finds whatever Caddy would take for a placeholder.
var braces = regexp.MustCompile(`(?:^|[^\\])\{[^}]*\}`)

// variable matches a variable as shells write it, or a lone equals sign.
var variable = regexp.MustCompile(`^(\$[A-Z][A-Z0-9_]+|%[A-Z][A-Z0-9_]+%|env\.[A-Za-z_][A-Za-z0-9_]*|[=:])$`)

// Placeholders are the placeholders in a value that refer to something outside the config, such as
// {env.SECRET}. They may be shown; the rest of the value may not.
func Placeholders(value string) []string { return placeholder.FindAllString(value, -1) }

// InBraces is everything in a value that stands in braces, such as {http.request.host} too.
func InBraces(value string) []string { return anyPlaceholder.FindAllString(value, -1) }

// NotGlobal is the first part of a value in braces that is none of the placeholders that Expand
// resolves; "" if there is none.
func NotGlobal(value string) string {
	return anyPlaceholder.FindString(placeholder.ReplaceAllString(value, "x"))
}

// Refers reports whether a value has a placeholder, so that only the Caddy that runs knows it.
func Refers(value string) bool { return placeholder.MatchString(value) }

// Expand resolves the placeholders in the values of a setting. It is an error if a placeholder has
// no value, or an empty one. Errors name the setting and the placeholder, never a value.
func Expand(setting string, values []string) ([]string, error) {
	replacer := caddy.NewReplacer()
	out := make([]string, len(values))
	for i, value := range values {
		if err := checkBraces(setting, i, values); err != nil {
			return nil, err
		}
		expanded, err := replacer.ReplaceOrErr(value, true, true)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", setting, unresolved(placeholder.FindAllString(value, -1)))
		}
		// Files end in a newline that is not part of the secret.
		if strings.HasPrefix(value, "{file.") {
			expanded = strings.TrimRight(expanded, "\r\n")
		}
		if expanded == "" {
			return nil, fmt.Errorf("%s: %s", setting, unresolved(placeholder.FindAllString(value, -1)))
		}
		out[i] = expanded
	}
	return out, nil
}

// checkBraces refuses values[i] if it has braces that are no placeholder, as a generated secret may
// have. The error does not say what is in them.
func checkBraces(setting string, i int, values []string) error {
	rest := placeholder.ReplaceAllString(values[i], "x")
	if strings.HasPrefix(rest, "{env.") || strings.HasPrefix(rest, "{file.") {
		return fmt.Errorf("%s: a placeholder has no closing brace, or white space in it: put it in quotes if it has", setting)
	}
	if !braces.MatchString(rest) {
		return nil
	}
	which := "the value"
	if len(values) > 1 {
		which = fmt.Sprintf("value %d", i+1)
	}
	return fmt.Errorf(`%s: %s has something in braces that is none of {env.…}, {file.…}, {system.…} and {time.…}: if the braces belong to it, write the opening one as \{, or keep the value in a file and refer to that: {file./path}`, setting, which)
}

// CheckValues refuses the values of a line if they cannot be meant as they are written: what
// CheckWritten refuses, braces that are no placeholder, and what looks like a variable.
func CheckValues(setting string, values []string) error {
	if err := CheckWritten(setting, values); err != nil {
		return err
	}
	for i := range values {
		if err := checkBraces(setting, i, values); err != nil {
			return err
		}
		if variable.MatchString(values[i]) {
			return fmt.Errorf("%s: value %d is written like a variable, and would be taken literally: want {env.NAME} for one of the environment, {file./path} for a file", setting, i+1)
		}
	}
	return nil
}

// unresolved says where the values of the placeholders should come from.
func unresolved(placeholders []string) string {
	names := strings.Join(placeholders, " or ")
	switch {
	case names == "":
		return "the value is empty"
	case len(placeholders) == 1 && strings.HasPrefix(names, "{env."):
		return names + " is not set, or empty, in the environment of Caddy's own process: set it there, and start Caddy again"
	case len(placeholders) == 1 && strings.HasPrefix(names, "{file."):
		return names + " is not there, is empty, or the user that Caddy runs as cannot read it"
	}
	return names + " is not set, empty, or cannot be read by Caddy"
}

// origins maps an owner and a placeholder to the line of the Caddyfile that has it, for errors about
// the placeholder's value: the config that Caddy loads knows no lines. It belongs to the process,
// because adapting a Caddyfile and loading the config share nothing else. It holds names only, and
// only what this process has adapted.
var origins sync.Map

// RememberOrigins notes where the placeholders of a directive stand, for AtOrigin. d stands before the
// directive; owner is the name of the endpoint, or "store". It is safe for concurrent use.
func RememberOrigins(owner string, d caddyfile.Dispenser) {
	seen := make(map[string]struct{})
	for d.Next() {
		for _, name := range placeholder.FindAllString(d.Val(), -1) {
			if _, again := seen[name]; !again {
				seen[name] = struct{}{}
				origins.Store(owner+" "+name, fmt.Sprintf("%s:%d", d.File(), d.Line()))
			}
		}
	}
}

// AtOrigin adds to an error about a placeholder the line that the owner has it in, if that is known.
// It returns nil if err is nil. It is safe for concurrent use.
func AtOrigin(owner string, err error) error {
	if err == nil {
		return nil
	}
	for _, name := range placeholder.FindAllString(err.Error(), -1) {
		if at, ok := origins.Load(owner + " " + name); ok {
			return fmt.Errorf("%w, at %s", err, at)
		}
	}
	return err
}
