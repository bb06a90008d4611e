package verify

import (
	"bytes"
	"net/url"
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

// aliasOfField reports whether key, as it stands in a form or query, is an alias of
// name. One that is name itself, decoded, is none.
func aliasOfField(key []byte, name string) bool {
	for _, c := range key {
		if !plainNameByte(c) {
			return aliasLoosely(string(key), name)
		}
	}
	return len(key) == len(name) && string(key) != name && equalFoldPlain(key, name)
}

// plainNameByte reports whether no application takes c for anything but itself, or
// for the other case of it.
func plainNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// equalFoldPlain compares a plain key with a name of the same length, as PHP and those
// that ignore case do.
func equalFoldPlain(key []byte, name string) bool {
	for i, c := range key {
		n := name[i]
		if c == n || c|0x20 == n|0x20 && n|0x20 >= 'a' && n|0x20 <= 'z' {
			continue
		}
		if c != '_' || n != '.' && n != ' ' && n != '[' {
			return false
		}
	}
	return true
}

// aliasLoosely is aliasOfField for keys that are escaped, or have other characters
// than letters, digits, _ and -.
func aliasLoosely(key, name string) bool {
	if decoded, err := url.QueryUnescape(key); err == nil && decoded == name {
		return false
	}
	want := foldName(name)
	text := strings.ReplaceAll(key, "+", " ")
	for range 3 { // those who decode twice are not rare
		if aliasOfText(text, want) {
			return true
		}
		text = unescapeLoosely(text)
	}
	return aliasOfText(text, want)
}

// aliasOfText compares what a decoded name could be cut to with a folded name.
func aliasOfText(text, want string) bool {
	text = strings.TrimLeft(text, frontOfNames)
	if foldName(text) == want {
		return true
	}
	for i, cuts := 0, strings.Count(want, "_")+maxCuts; i < len(text) && cuts > 0; i++ {
		if strings.IndexByte("[]\x00.=&;", text[i]) < 0 {
			continue
		}
		if cuts--; foldName(text[:i]) == want {
			return true
		}
	}
	return false
}

// frontOfNames is what some leave out in front of a name. PHP: spaces; Rack and qs: brackets;
// URLSearchParams: a question mark.
const frontOfNames = " \t\r\n\v\f[]?\x00\ufeff"

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

func hexValue(digits string) (value rune, ok bool) {
	for _, c := range []byte(digits) {
		switch {
		case c >= '0' && c <= '9':
			value = value<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			value = value<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return value, digits != ""
}

// foldName brings a name to what all its spellings have in common: lower case, also
// of the letters that only Unicode calls a case of another, without what is not
// seen, and with _ for what PHP makes one.
func foldName(name string) string {
	var b strings.Builder
	for _, c := range strings.TrimFunc(name, blank) {
		switch {
		case c == '.' || c == ' ' || c == '[':
			b.WriteByte('_')
		case c == utf8.RuneError, unicode.IsControl(c), unicode.Is(unicode.Cf, c): // some leave out what they cannot show
		default:
			b.WriteRune(foldRune(c))
		}
	}
	return b.String()
}

func blank(c rune) bool { return c == utf8.RuneError || unicode.IsSpace(c) || unicode.IsControl(c) }

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

// aliasOfMember is aliasOfField for JSON, where dots, spaces and brackets inside a
// name are themselves.
func aliasOfMember(name, token string) bool {
	if name == token {
		return false
	}
	if len(name) == len(token) {
		return strings.EqualFold(name, token)
	}
	if len(name) < len(token) {
		return false
	}
	for i := range len(name) { // what is longer and plain is another name
		if c := name[i]; c <= ' ' || c >= 0x7f {
			text, _, _ := strings.Cut(name, "\x00") // those who are written in C
			return foldName(name) == foldName(token) || text != "" && foldName(text) == foldName(token)
		}
	}
	return false
}

// foldHeader brings a header's name to what CGI makes of it (RFC 3875, section 4.1.18),
// where all that is no letter and no digit becomes an underscore.
func foldHeader(name string) string {
	return strings.Map(func(c rune) rune {
		if c < utf8.RuneSelf && plainNameByte(byte(c)) && c != '_' {
			return unicode.ToLower(c)
		}
		return '-'
	}, name)
}

// oddSeparators are what some split a form at, besides &.
const oddSeparators = ";\r\n"

// splitOddly reports whether some would see more fields in the form than we do.
func splitOddly(form []byte) bool {
	return bytes.IndexByte(form, ';') >= 0 || bytes.IndexByte(form, '\n') >= 0 || bytes.IndexByte(form, '\r') >= 0
}
