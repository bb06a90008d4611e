package verify

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tidwall/gjson"
)

// isUnreadable reports whether node is a string with half of a surrogate pair, such as
// \ud800 alone (RFC 8259, section 8.2). What parsers make of it differs; ours makes U+FFFD of
// each, so that values which are not the same would be.
func isUnreadable(node gjson.Result) bool {
	return node.Type == gjson.String && strings.Contains(node.Str, "\ufffd") && hasHalfPair(node.Raw)
}

// hasHalfPair looks at the escapes of a valid JSON string.
func hasHalfPair(raw string) bool {
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		unit, ok := escapedUnit(raw[i:])
		switch {
		case !ok:
			raw = raw[i+2:] // another escape, such as \\
			continue
		case !utf16.IsSurrogate(unit):
			raw = raw[i+6:]
			continue
		}
		second, _ := escapedUnit(raw[i+6:])
		if utf16.DecodeRune(unit, second) == '\ufffd' {
			return true
		}
		raw = raw[i+12:]
	}
}

// escapedUnit is the UTF-16 unit that text begins with, as \u and four digits.
func escapedUnit(text string) (unit rune, ok bool) {
	if len(text) < 6 || text[:2] != `\u` {
		return 0, false
	}
	value, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(value), err == nil
}
