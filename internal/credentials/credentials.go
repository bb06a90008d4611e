// Package credentials is what an endpoint's webhooks are verified with: secrets, public keys and options,
// as they are configured and as the running Caddy has them. Its errors contain no part of a secret.
package credentials

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Configured is what a configuration has, with placeholders.
type Configured struct {
	Provider   *verify.Provider
	Secrets    []string
	PublicKeys []string
	Options    map[string][]string
}

// Loaded is the same, with placeholders expanded.
type Loaded struct {
	Secrets    []string
	PublicKeys []string
	Options    map[string][]string

	// Hidden are all values that nobody may be shown: the secrets, and options that are secret.
	Hidden []string

	// Doubts name secrets that do not look like the provider's.
	Doubts []string
}

// Load expands placeholders. An unset one must not become an empty key, which anybody could sign with.
func (c *Configured) Load() (l Loaded, err error) {
	if l.Secrets, err = grammar.Expand("secret", c.Secrets); err != nil {
		return l, err
	}
	if err := errors.Join(grammar.CheckWritten("secret", c.Secrets), grammar.CheckExpanded("secret", c.Secrets, l.Secrets)); err != nil {
		return l, err
	}
	if l.Doubts, err = CheckForms(c.Provider, l.Secrets); err != nil {
		return l, err
	}
	if l.PublicKeys, err = grammar.Expand("public_key", c.PublicKeys); err != nil {
		return l, err
	}
	if err := c.CheckOptionNames(); err != nil {
		return l, err
	}
	l.Options = make(map[string][]string, len(c.Options))
	for name, values := range c.Options {
		if l.Options[name], err = grammar.Expand("option "+name, values); err != nil {
			return l, err
		}
		if err := grammar.CheckExpanded("option "+name, values, l.Options[name]); err != nil {
			return l, err
		}
	}
	l.Hidden = slices.Clone(l.Secrets)
	for _, setting := range c.Provider.Settings {
		if setting.Secret {
			l.Hidden = append(l.Hidden, l.Options[setting.Name]...)
		}
	}
	return l, nil
}

// CheckForms refuses secrets that cannot be the provider's, and returns doubts about those that do not
// look like it. Neither contains a part of a secret.
func CheckForms(p *verify.Provider, secrets []string) (doubts []string, err error) {
	for i, secret := range secrets {
		doubt, err := p.CheckSecret(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d %w", i+1, err)
		}
		if doubt != "" {
			doubts = append(doubts, fmt.Sprintf("secret %d %s", i+1, doubt))
		}
		if doubt, err = spacesIn(p, i, secret); err != nil {
			return nil, err
		}
		if doubt != "" {
			doubts = append(doubts, doubt)
		}
	}
	return doubts, nil
}

// spacesIn reports white space in a secret. It is an error if the provider makes the secrets, since none
// of them has any.
func spacesIn(p *verify.Provider, i int, secret string) (doubt string, err error) {
	if !strings.ContainsAny(secret, " \t\r\n") || strings.Contains(secret, "-----BEGIN ") {
		return "", nil
	}
	if p.SecretPrefix != "" && strings.HasPrefix(secret, p.SecretPrefix) {
		return "", fmt.Errorf("secret %d has white space in it, which no secret of %s has: copy it again; two secrets are two words, without quotes", i+1, p.Title)
	}
	return fmt.Sprintf("secret %d has white space in it: if that does not belong to it, remove it; two secrets are two words, without quotes", i+1), nil
}

// CheckOptionNames refuses options that the provider does not have. It does not quote the name: a value
// may stand in its place.
func (c *Configured) CheckOptionNames() error {
	p := c.Provider
	var names []string
	for _, s := range p.Settings {
		names = append(names, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options)) {
		switch {
		case slices.Contains(names, name):
		case len(names) == 0:
			return fmt.Errorf("option: provider %s has no such option, and takes none: remove the line", p.Name)
		case grammar.Nearest(name, names) != "":
			return fmt.Errorf("option %s: did you mean %s? Provider %s has %s", name, grammar.Nearest(name, names), p.Name, strings.Join(names, ", "))
		default:
			return fmt.Errorf("option: provider %[2]s has no such option (%[1]s): want `option <name> <value>` with one of %[3]s", grammar.ShownWord(name, nil), p.Name, strings.Join(names, ", "))
		}
	}
	return nil
}

// CheckWritten refuses keys and options that cannot be meant as they are written, while their lines are
// known.
func (c *Configured) CheckWritten() error {
	if err := grammar.CheckValues("secret", c.Secrets); err != nil {
		return err
	}
	if err := grammar.CheckValues("public_key", c.PublicKeys); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options)) {
		if err := grammar.CheckValues("option "+name, c.Options[name]); err != nil {
			return err
		}
	}
	return nil
}

// HasPlaceholders reports whether only a running Caddy knows the keys or options.
func (c *Configured) HasPlaceholders() bool {
	for _, values := range c.Options {
		if slices.ContainsFunc(values, grammar.Refers) {
			return true
		}
	}
	return slices.ContainsFunc(c.Secrets, grammar.Refers) || slices.ContainsFunc(c.PublicKeys, grammar.Refers)
}

// CheckPartly checks, where the lines are known, what does not depend on the values
// of placeholders: it builds a verifier with values in their place that have the form of real ones,
// and has it checked further.
func (c *Configured) CheckPartly(check func(*verify.Verifier) error) error {
	p := c.Provider
	for _, s := range p.Settings {
		if s.Required && len(c.Options[s.Name]) == 0 {
			return fmt.Errorf("option %s is missing: %s", s.Name, strings.TrimSuffix(s.Doc, "."))
		}
	}
	if slices.ContainsFunc(c.PublicKeys, grammar.Refers) {
		return nil // no key is like another
	}
	for _, values := range c.Options {
		if slices.ContainsFunc(values, grammar.Refers) {
			return nil
		}
	}
	var first error
	for _, stand := range []string{
		p.SecretPrefix + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "0123456789abcdef0123456789abcdef",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "user:0123456789abcdef",
	} {
		secrets := slices.Clone(c.Secrets)
		for i, secret := range secrets {
			if grammar.Refers(secret) {
				secrets[i] = stand
			}
		}
		v, err := p.NewVerifier(verify.Options{Secrets: secrets, PublicKeys: c.PublicKeys, Settings: c.Options})
		if err == nil {
			defer v.Close()
			return check(v)
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
