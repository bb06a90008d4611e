// Package eventtypes says what is wrong with globs that select webhooks by their
// type: a glob that matches nothing throws every webhook away, with a success.
package eventtypes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Check looks at a glob of types of p's events. The error says why it can match
// none. The doubt, empty if there is none, says that it matches none of the types
// known: p may have new ones since.
func Check(p *verify.Provider, glob string) (doubt string, err error) {
	switch {
	case glob == "":
		return "", errors.New("an event type is empty")
	case strings.Trim(glob, "*") == "":
		return "", nil // everything
	case len(p.EventType) == 0:
		return "", fmt.Errorf("provider %s has no event type: %s can match nothing; remove it", p.Name, glob)
	}
	if err := checkShape(p, glob); err != nil {
		return "", err
	}
	if i := strings.IndexAny(glob, odd); i >= 0 && len(p.Types) == 0 {
		return fmt.Sprintf("%s has %s in it, which few types have: is it meant so?", glob, glob[i:i+1]), nil
	}
	if len(p.Types) == 0 || slices.ContainsFunc(p.Types, func(known string) bool { return overlap(glob, known) }) {
		return "", nil
	}
	lower := strings.ToLower(glob)
	for _, known := range p.Types {
		if overlap(lower, strings.ToLower(known)) {
			return "", fmt.Errorf("no type of %s matches %s: letter case matters, as in %s", p.Name, glob, known)
		}
	}
	return fmt.Sprintf("no type of %s matches %s: %s", p.Name, glob, advice(p.Types, glob)), nil
}

// strange are characters that no provider's types have, with what people mean by them.
var strange = []struct{ characters, meaning string }{
	{"^$|\\+()", "this is no regular expression: only * is special, for any characters"},
	{"[]?", "only * is special, for any characters"},
	{"{}<>", "placeholders are not expanded here"},
	{"\"'`", "write it without quotes"},
	{odd, "types have letters, digits, and . _ - : /"},
}

// odd are characters that types of few providers have, such as words that users choose.
const odd = ";&=!~%"

// checkShape refuses what cannot be part of a type. Where types of p that begin like
// the glob are known to have such characters they are fine.
func checkShape(p *verify.Provider, glob string) error {
	if pattern, ok := regularExpression(glob); ok {
		return fmt.Errorf("%s is a regular expression, but events are selected by globs, in which * stands for any characters: write %s", glob, pattern)
	}
	if strings.HasPrefix(glob, ".*") {
		return fmt.Errorf("%s begins with a dot, which no type does: * alone stands for any characters", glob)
	}
	for _, s := range strange {
		if s.characters == odd && len(p.Types) == 0 {
			continue
		}
		if i := strings.IndexAny(glob, s.characters); i >= 0 && !begins(p.Types, glob[:i], glob[i]) {
			return fmt.Errorf("%s has %s in it, which no type has: %s", glob, glob[i:i+1], s.meaning)
		}
	}
	if strings.TrimSpace(glob) != glob || strings.ContainsFunc(glob, unicode.IsControl) {
		return fmt.Errorf("%q has spaces around it, or control characters in it, which no type has", glob)
	}
	if i := strings.IndexAny(glob, ", "); i >= 0 && len(p.Types) > 0 && !has(p.Types, glob[i:i+1]) {
		return fmt.Errorf("%q is more than one type: write them as words of their own, %s", glob,
			strings.Join(strings.FieldsFunc(glob, func(r rune) bool { return r == ',' || r == ' ' }), " "))
	}
	return nil
}

// begins reports whether a type is known that has the character after what start, a
// glob, matches.
func begins(types []string, start string, character byte) bool {
	return slices.ContainsFunc(types, func(known string) bool {
		for i := range len(known) {
			if known[i] == character && overlap(start, known[:i]) {
				return true
			}
		}
		return false
	})
}

func has(types []string, character string) bool {
	return slices.ContainsFunc(types, func(known string) bool { return strings.Contains(known, character) })
}

// regularExpression reports whether glob is one between slashes, with flags or
// not, and what is between them as a glob.
func regularExpression(glob string) (pattern string, ok bool) {
	end := strings.LastIndexByte(glob, '/')
	if !strings.HasPrefix(glob, "/") || end < 2 || strings.Trim(glob[end+1:], "dgimsuvxy") != "" {
		return "", false
	}
	if flags := glob[end+1:]; flags != "" && !strings.ContainsAny(glob[1:end], "*^$|\\+()[]?") {
		return "", false // a path, such as /a/b/my
	}
	pattern = strings.Trim(glob[1:end], "^$")
	pattern = strings.ReplaceAll(pattern, "\\.", ".")
	return strings.ReplaceAll(pattern, "..*", ".*"), true
}

// overlap reports whether there is a type that both globs match.
func overlap(a, b string) bool {
	if !strings.Contains(b, "*") {
		return forward.MatchType(a, b)
	}
	if !strings.Contains(a, "*") {
		return forward.MatchType(b, a)
	}
	// reach[j]: what of a was read so far, and b[:j], may be the same.
	reach := make([]bool, len(b)+1)
	reach[0] = true
	spread(reach, b)
	for i := range len(a) {
		next := make([]bool, len(b)+1)
		for j := range reach {
			switch {
			case a[i] == '*':
				next[j] = reach[j] || j > 0 && next[j-1]
			case j > 0 && b[j-1] == '*':
				next[j] = reach[j] || next[j-1]
			case j > 0 && b[j-1] == a[i]:
				next[j] = reach[j-1]
			}
		}
		spread(next, b)
		reach = next
	}
	return reach[len(b)]
}

// spread lets stars of b stand for nothing.
func spread(reach []bool, b string) {
	for j := range len(b) {
		reach[j+1] = reach[j+1] || b[j] == '*' && reach[j]
	}
}
