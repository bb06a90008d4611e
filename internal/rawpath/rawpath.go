// Package rawpath looks at paths as they are sent.
package rawpath

import (
	"strconv"
	"strings"
)

// Odd says what in a path, as it was sent, others read in another way than Caddy's
// matchers do, which look at it unescaped and cleaned; empty: nothing. Such a path matches one
// of which the application may see another. An escaped ~ is none: older clients write it so.
func Odd(escaped string) string {
	switch {
	case strings.Contains(escaped, "//"):
		return "an empty segment"
	case strings.Contains(escaped, `\`):
		return "a backslash"
	}
	for at := range escaped {
		switch c, ok := unescape(escaped[at:]); {
		case !ok:
		case c == '/' || c == '\\':
			return "an escaped slash or backslash"
		case c < ' ' || c == 0x7f:
			return "an escaped control character"
		case c == '-' || c == '.' || c == '_' || '0' <= c && c <= '9' || 'A' <= c&^0x20 && c&^0x20 <= 'Z':
			return "an escaped letter, digit, dot, - or _"
		case c == '%':
			if _, twice := unescape("%" + escaped[at+3:]); twice {
				return "something escaped twice"
			}
		}
	}
	for segment := range strings.SplitSeq(escaped, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return "a dot segment"
		}
	}
	return ""
}

// unescape returns the byte that text begins with, if it is an escaped one.
func unescape(text string) (byte, bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	c, err := strconv.ParseUint(text[1:3], 16, 8)
	return byte(c), err == nil
}
