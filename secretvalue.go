package caddywebhooks

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// wrongBrace is a placeholder with the dollar sign of a shell before it, which would stay in front
// of the value.
var wrongBrace = regexp.MustCompile(`^\$\{(?:env|file|system|time)\.`)

// assignment is a line of an .env file.
var assignment = regexp.MustCompile(`^(?:export\s+)?[A-Z][A-Z0-9_]{2,}=.`)

// shellVariable is a variable that nobody has expanded.
var shellVariable = regexp.MustCompile(`^\$(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Z][A-Z0-9_]+)$`)

// checkWritten refuses values of a line that cannot be meant as they are written.
func checkWritten(setting string, values []string) error {
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

// checkExpanded refuses values that came from a file or the environment and cannot be meant,
// such as a whole .env file. written are the same before. What it says has no part of a value.
func checkExpanded(setting string, written, expanded []string) error {
	for i, value := range expanded {
		if !refers(written[i]) {
			continue
		}
		if what := notMeant(value); what != "" {
			return fmt.Errorf("%s: what %s stands for %s", setting, strings.Join(placeholder.FindAllString(written[i], -1), ""), what)
		}
	}
	return nil
}

// notMeant says what is wrong with a value that no provider gives; "" if nothing is.
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

// spacesIn tells of white space in a secret. It is an error where the provider makes the
// secrets, since none of them has any.
func spacesIn(p *verify.Provider, i int, secret string) (doubt string, err error) {
	if !strings.ContainsAny(secret, " \t\r\n") || strings.Contains(secret, "-----BEGIN ") {
		return "", nil
	}
	if p.SecretPrefix != "" && strings.HasPrefix(secret, p.SecretPrefix) {
		return "", fmt.Errorf("secret %d has white space in it, which no secret of %s has: copy it again; two secrets are two words, without quotes", i+1, p.Title)
	}
	return fmt.Sprintf("secret %d has white space in it: if that does not belong to it, remove it; two secrets are two words, without quotes", i+1), nil
}

// checkPartly checks, where the lines are known, what does not depend on the values
// of placeholders: it builds the verifier with values in their place that have the form of real ones.
func (h *Handler) checkPartly(p *verify.Provider) error {
	for _, s := range p.Settings {
		if s.Required && len(h.Options[s.Name]) == 0 {
			return fmt.Errorf("option %s is missing: %s", s.Name, strings.TrimSuffix(s.Doc, "."))
		}
	}
	if slices.ContainsFunc(h.PublicKeys, refers) {
		return nil // no key is like another
	}
	for _, values := range h.Options {
		if slices.ContainsFunc(values, refers) {
			return nil
		}
	}
	var first error
	for _, stand := range []string{
		p.SecretPrefix + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "0123456789abcdef0123456789abcdef",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "user:0123456789abcdef",
	} {
		secrets := slices.Clone(h.Secrets)
		for i, secret := range secrets {
			if refers(secret) {
				secrets[i] = stand
			}
		}
		v, err := p.NewVerifier(verify.Options{Secrets: secrets, PublicKeys: h.PublicKeys, Settings: h.Options})
		if err == nil {
			defer v.Close()
			return h.checkDestinations(v)
		}
		if first == nil {
			first = err
		}
	}
	// Of a form of secrets that none of these has, nothing is known.
	if text := first.Error(); strings.HasPrefix(text, "public_key") || strings.HasPrefix(text, "option ") ||
		strings.Contains(text, "is not what this provider signs with") || strings.Contains(text, "is not needed") {
		return first
	}
	return nil
}

// checkDestinations checks what the destinations want of the verifier.
func (h *Handler) checkDestinations(v *verify.Verifier) error {
	for _, f := range h.Forward {
		if err := f.checkResign(v); err != nil {
			return fmt.Errorf("forward %s: %w", f.Name, err)
		}
	}
	return nil
}

// checkLoaded compares the secrets that are in use with what the file or the environment
// says now: Caddy does not load a config again that has not changed, and a placeholder does not change with its file.
func (d *diagnosis) checkLoaded(h *Handler, secrets []string) {
	for i, now := range secrets {
		if i < len(h.configuredSecrets) && h.configuredSecrets[i] != now {
			d.add(api.LevelError, "secret", h.Name, fmt.Sprintf("secret %d: %s has another value than the one that is in use, so what is signed with the new one is refused", i+1,
				strings.Join(placeholder.FindAllString(h.Secrets[i], -1), "")),
				"Load the config again with `caddy reload --force`: without --force Caddy skips a config that has not changed, and the placeholder has not.")
		}
	}
}

// errWildcard is about a content type that is none.
var errWildcard = errors.New("wildcards are not for content_type: name each type that the sender uses, such as application/json; without the line it is what the provider sends")
