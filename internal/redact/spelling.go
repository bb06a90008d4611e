package redact

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// found returns where the longest of the secrets ends that text has at i, or -1. The secrets are
// sorted, and agree in their first known bytes, which are before i. Each of their characters may be
// spelled as it is, percent-encoded (once or twice), as a plus sign for a space, or as an escape of
// JSON, in any mixture.
func found(text string, i int, secrets []string, known int) int {
	if len(secrets) == 0 {
		return -1
	}
	end := -1
	if len(secrets[0]) == known {
		end = i
	}
	if i == len(text) {
		return end
	}
	end = max(end, found(text, i+1, narrowed(secrets, known, text[i]), known+1))
	if c := text[i]; c == '+' || c == '%' || c == '\\' {
		for _, s := range spelled(text[i:]) {
			left := secrets
			for k := range len(s.means) {
				left = narrowed(left, known+k, s.means[k])
			}
			if s.length > 0 {
				end = max(end, found(text, i+s.length, left, known+len(s.means)))
			}
		}
	}
	return end
}

// begun reports whether text ends within one of the secrets that begins at i, after enough of
// it to be hidden. The arguments are those of found.
func begun(text string, i int, secrets []string, known int) bool {
	switch {
	case len(secrets) == 0:
		return false
	case i == len(text):
		return known >= shortest
	case begun(text, i+1, narrowed(secrets, known, text[i]), known+1):
		return true
	}
	for _, s := range spelled(text[i:]) {
		left := secrets
		for k := range len(s.means) {
			left = narrowed(left, known+k, s.means[k])
		}
		if s.length > 0 && begun(text, i+s.length, left, known+len(s.means)) {
			return true
		}
	}
	return false
}

// narrowed are those of the secrets that go on with c after their first known bytes.
func narrowed(secrets []string, known int, c byte) []string {
	next := func(secret string) int {
		if len(secret) == known {
			return -1
		}
		return int(secret[known])
	}
	from := sort.Search(len(secrets), func(i int) bool { return next(secrets[i]) >= int(c) })
	secrets = secrets[from:]
	return secrets[:sort.Search(len(secrets), func(i int) bool { return next(secrets[i]) > int(c) })]
}

// spelling is how a text begins.
type spelling struct {
	means  string
	length int // 0: there is none
}

// spelled are the encodings that text, which is not empty, may begin with.
func spelled(text string) (all [2]spelling) {
	switch text[0] {
	case '+':
		all[0] = spelling{" ", 1}
	case '%':
		c, ok := hexByte(text, 1)
		if !ok {
			return all
		}
		all[0] = spelling{string([]byte{c}), 3}
		switch twice, ok := hexByte(text, 3); {
		case c == '%' && ok:
			all[1] = spelling{string([]byte{twice}), 5}
		case c == '+': // a space, encoded twice
			all[1] = spelling{" ", 3}
		}
	case '\\':
		all[0] = escape(text)
	}
	return all
}

// hexByte reads two digits.
func hexByte(text string, at int) (byte, bool) {
	if len(text) < at+2 {
		return 0, false
	}
	n, err := strconv.ParseUint(text[at:at+2], 16, 8)
	return byte(n), err == nil
}

// escape reads an escape of JSON (RFC 8259, section 7).
func escape(text string) spelling {
	if len(text) < 2 {
		return spelling{}
	}
	if at := strings.IndexByte(`"\/bfnrt`, text[1]); at >= 0 {
		return spelling{"\"\\/\b\f\n\r\t"[at : at+1], 2}
	}
	r, ok := unicodeEscape(text)
	if !ok {
		return spelling{}
	}
	if low, ok := unicodeEscape(text[6:]); ok && utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return spelling{string(pair), 12}
		}
	}
	return spelling{string(r), 6}
}

func unicodeEscape(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}
