package redact

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// match returns where the secret ends that begins in text at i, or -1. Each of its characters may
// be spelled as it is, percent-encoded (once or twice), as a plus sign for a space, or as an
// escape of JSON, in any mixture.
func match(text string, i int, secret string) int {
	for secret != "" {
		if i >= len(text) {
			return -1
		}
		for _, s := range spelled(text[i:]) {
			if s.length == 0 || !strings.HasPrefix(secret, s.means) {
				continue
			}
			if end := match(text, i+s.length, secret[len(s.means):]); end >= 0 {
				return end
			}
		}
		if text[i] != secret[0] {
			return -1
		}
		i, secret = i+1, secret[1:]
	}
	return i
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
