package verify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The names in a webhook are compared with wanted names before the webhook is verified, and there
// may be half a million names in a MiB. So a comparison allocates nothing, and reads no more of a
// name than is needed to distinguish it from the wanted one.

// wanted is a name that is looked for.
type wanted struct {
	name   string
	folded string // foldName(name), once it was needed
	escape bool   // it has a percent sign itself
}

func (w *wanted) fold() string {
	if w.folded == "" {
		w.folded, w.escape = foldName(w.name), strings.Contains(w.name, "%")
	}
	return w.folded
}

// field compares the name of a field, as it stands in a form or query. alias says that it is
// another name, but one that some applications take for this one.
func (w *wanted) field(key string) (is, alias bool) {
	for i := range len(key) {
		if !plainNameByte(key[i]) {
			is = unescapesTo(key, w.name)
			return is, !is && w.aliasLoosely(key)
		}
	}
	is = key == w.name
	return is, !is && len(key) == len(w.name) && equalFoldPlain(key, w.name)
}

// aliasLoosely is for keys that are escaped, or have other characters than letters, digits, _
// and -. Some applications unescape several times. A name without a percent sign is the same
// for all of them.
func (w *wanted) aliasLoosely(key string) bool {
	want, last := w.fold(), 0
	if len(key) < utf8.RuneCountInString(want) {
		return false // escapes are longer than what they stand for
	}
	if strings.Contains(key, "%") {
		last = maxUnescapes
	}
	for level := last; level >= 0; level-- {
		if foundIn(nameReader{text: key, level: level}, want, frontOfNames, endOfNames) {
			return true
		}
		if !w.escape {
			break
		}
	}
	return false
}

// member compares the name of a member of JSON, as it stands there, between the quotes.
func (w *wanted) member(raw string) (is, alias bool) {
	if strings.IndexByte(raw, '\\') < 0 {
		switch {
		case raw == w.name:
			return true, false
		case len(raw) == len(w.name):
			return false, strings.EqualFold(raw, w.name)
		case len(raw) < len(w.name):
			return false, false
		}
	} else if r := (nameReader{text: raw, member: true}); r.is(w.name) {
		return true, false
	}
	want := w.fold()
	if raw != "" && want != "" && plainNameByte(raw[0]) && lower(raw[0]) != want[0] {
		return false, false // most are told by the first letter
	}
	return false, foundIn(nameReader{text: raw, member: true}, want, "", endOfMembers)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// unescapesTo reports whether url.QueryUnescape makes name of key.
func unescapesTo(key, name string) bool {
	for len(key) > 0 {
		c, size := key[0], 1
		switch c {
		case '+':
			c = ' '
		case '%':
			if len(key) < 3 {
				return false
			}
			value, ok := hexValue(key[1:3])
			if !ok {
				return false
			}
			c, size = byte(value), 3
		}
		if name == "" || c != name[0] {
			return false
		}
		key, name = key[size:], name[1:]
	}
	return name == ""
}

// The characters at which parsers cut a name: PHP ends it at a NUL and takes a[b] for a part of
// a, others do that with dots. Parsers written in C end names in JSON at a NUL, too.
const (
	endOfNames   = "[]\x00.=&;"
	endOfMembers = "\x00"
)

// foundIn reports whether a name, without what some leave out in front of it, or one of the
// beginnings that it could be cut to, is want once it is folded as foldName does.
func foundIn(name nameReader, want, front, ends string) bool {
	at, ended := 0, 0 // how much of want was found; ended: without the blanks behind it, which are left out
	begun := false
	for {
		c, ok := name.next()
		switch {
		case !ok:
			return ended == len(want)
		case front != "" && strings.ContainsRune(front, c):
			continue
		}
		front = ""
		if ended == len(want) && begun && c < utf8.RuneSelf && strings.IndexByte(ends, byte(c)) >= 0 {
			return true
		}
		empty := blank(c)
		if empty && !begun {
			continue
		}
		if begun = true; at < 0 && !empty {
			return false
		}
		if at >= 0 {
			if size := foldedSize(c, want[at:]); size >= 0 {
				at += size
			} else if at = -1; !empty {
				return false
			}
		}
		if !empty {
			ended = at
		}
	}
}

// foldedSize is how many bytes of want, at its front, c is once it is folded; negative if it is
// something else.
func foldedSize(c rune, want string) int {
	if c >= utf8.RuneSelf && want != "" && want[0] < utf8.RuneSelf && ordinary(c) && !foldsToASCII(c) {
		return -1 // as nearly all are: nothing to look up
	}
	folded, seen := foldedRune(c)
	if !seen {
		return 0
	}
	if next, size := utf8.DecodeRuneInString(want); size > 0 && next == folded {
		return size
	}
	return -1
}

// ordinary reports whether c is in one of the large ranges in which all characters are seen.
func ordinary(c rune) bool {
	return c > 0xa0 && c < 0x600 && c != 0xad || c > 0x3000 && c < 0xd800
}

// foldsToASCII is about the characters that foldRune knows.
func foldsToASCII(c rune) bool {
	return c == 'İ' || c == 'ı' || c == 'ſ' || c == '\u212a' || c >= '！' && c <= '～'
}

// appendSpelled appends what the spellings of a field's name have in common: of a pair as it stands
// in a form or query.
func appendSpelled(buf []byte, pair string) []byte {
	key, _, _ := strings.Cut(pair, "=")
	front, start, end := frontOfNames, len(buf), len(buf)
	for name := (nameReader{text: key, level: maxUnescapes}); ; {
		c, ok := name.next()
		if !ok || front == "" && (c == '[' || c == ']' || c == 0) {
			return buf[:end]
		}
		if front != "" && strings.ContainsRune(front, c) {
			continue
		}
		front = ""
		empty := blank(c)
		if folded, seen := foldedRune(c); seen && (!empty || len(buf) > start) {
			buf = utf8.AppendRune(buf, folded)
		}
		if !empty {
			end = len(buf)
		}
	}
}

// foldedRune is what foldName makes of a character inside of a name; not seen if it leaves it out.
func foldedRune(c rune) (folded rune, seen bool) {
	switch {
	case c == '.' || c == ' ' || c == '[':
		return '_', true
	case c < utf8.RuneSelf:
		return rune(lower(byte(c))), c >= ' ' && c != 0x7f
	case c == utf8.RuneError, unicode.IsControl(c), unicode.Is(unicode.Cf, c): // some leave out what they cannot show
		return 0, false
	}
	return foldRune(c), true
}
