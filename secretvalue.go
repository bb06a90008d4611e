package caddywebhooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

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
	if slices.ContainsFunc(h.PublicKeys, grammar.Refers) {
		return nil // no key is like another
	}
	for _, values := range h.Options {
		if slices.ContainsFunc(values, grammar.Refers) {
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
			if grammar.Refers(secret) {
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

// errWildcard is about a content type that is none.
var errWildcard = errors.New("wildcards are not for content_type: name each type that the sender uses, such as application/json; without the line it is what the provider sends")
