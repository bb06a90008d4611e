package verify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Applications do not agree on what a field is called. URLSearchParams strips a question
// mark in front of the first name, PHP strips spaces in front of
// a name, makes _ of dots and spaces, ends it at a NUL and takes a[b] for a part of a;
// Rack and qs take [a] for a; ASP.NET and Go's encoding/json ignore case; older
// libraries split at semicolons. An alias is a name that is not the one that we look
// for, but that some of them could take for it.

// plainNameByte reports whether no application takes c for anything but itself, or
// for the other case of it.
func plainNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// equalFoldPlain compares a plain key with a name of the same length, as PHP and those
// that ignore case do.
func equalFoldPlain(key, name string) bool {
	for i := range len(key) {
		c, n := key[i], name[i]
		if c == n || c|0x20 == n|0x20 && n|0x20 >= 'a' && n|0x20 <= 'z' {
			continue
		}
		if c != '_' || n != '.' && n != ' ' && n != '[' {
			return false
		}
	}
	return true
}

// frontOfNames is what some leave out in front of a name. PHP: spaces; Rack and qs: brackets;
// URLSearchParams: a question mark.
const frontOfNames = " \t\r\n\v\f[]?\x00\ufeff"

// foldName brings a name to what all its spellings have in common: lower case, also
// of the letters that only Unicode calls a case of another, without what is not
// seen, and with _ for what PHP makes one.
func foldName(name string) string {
	name = strings.TrimFunc(name, blank)
	var b strings.Builder
	b.Grow(len(name))
	for _, c := range name {
		if folded, seen := foldedRune(c); seen {
			b.WriteRune(folded)
		}
	}
	return b.String()
}

func blank(c rune) bool {
	return !ordinary(c) && (c == utf8.RuneError || unicode.IsSpace(c) || unicode.IsControl(c))
}

// foldRune is the least of the letters that are a case of c, in lower case: for
// U+017F (long s) and U+212A (the Kelvin sign) s and k. Full-width letters and the
// i's of Turkish are letters, too.
func foldRune(c rune) rune {
	switch {
	case c < utf8.RuneSelf:
		return unicode.ToLower(c)
	case c == 'İ' || c == 'ı':
		return 'i'
	case c >= '！' && c <= '～':
		return unicode.ToLower(c - '！' + '!')
	}
	least := c
	for next := unicode.SimpleFold(c); next != c; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return unicode.ToLower(least)
}

// sameForCGI reports whether CGI makes the same of two names of headers (RFC 3875, section
// 4.1.18), where all that is no letter and no digit becomes an underscore.
func sameForCGI(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if foldHeaderByte(a[i]) != foldHeaderByte(b[i]) {
			return false
		}
	}
	return true
}

func foldHeaderByte(c byte) byte {
	if plainNameByte(c) && c != '_' {
		return lower(c)
	}
	return '-'
}

// oddSeparators are what some split a form at, besides &.
const oddSeparators = ";\r\n"

// splitOddly reports whether some would see more fields in the form than we do.
func splitOddly(form string) bool {
	return strings.IndexByte(form, ';') >= 0 || strings.IndexByte(form, '\n') >= 0 || strings.IndexByte(form, '\r') >= 0
}

// maxCuts bounds the characters at which a name could end, besides those in the name
// that is looked for.
const maxCuts = 4

// unescapeLoosely undoes %41 and, as ASP.NET does, %u0041, and leaves what is neither.
func unescapeLoosely(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		size, digits := 0, ""
		switch rest := text[i:]; {
		case len(rest) >= 6 && rest[0] == '%' && rest[1]|0x20 == 'u':
			size, digits = 6, rest[2:6]
		case len(rest) >= 3 && rest[0] == '%':
			size, digits = 3, rest[1:3]
		}
		c, ok := hexValue(digits)
		switch {
		case !ok:
			b.WriteByte(text[i])
			size = 1
		case size == 6:
			b.WriteRune(c)
		default:
			b.WriteByte(byte(c))
		}
		i += size
	}
	return b.String()
}
