package verify

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// escapeControls returns JSON in which control characters inside of strings are escaped,
// as RFC 8259, section 7 wants them; nil if there are none.
func escapeControls(text []byte) []byte {
	found := 0
	eachControl(text, func(int) { found++ })
	if found == 0 {
		return nil
	}
	escaped, done := make([]byte, 0, len(text)+5*found), 0
	eachControl(text, func(i int) {
		escaped = hex.AppendEncode(append(append(escaped, text[done:i]...), `\u00`...), text[i:i+1])
		done = i + 1
	})
	return append(escaped, text[done:]...)
}

// eachControl is called with the place of each control character that is inside of a string.
func eachControl(text []byte, do func(i int)) {
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case inString && c < ' ':
			do(i)
		}
	}
}

// parseJSON returns the root of valid JSON, else a result that does not exist. It has
// no copy of text.
func parseJSON(text []byte) gjson.Result {
	if deeperThan(text, maxJSONDepth) || !gjson.ValidBytes(text) {
		return gjson.Result{}
	}
	return gjson.Parse(view(text))
}

// deeperThan reports whether brackets outside of strings are nested beyond max.
func deeperThan(text []byte, max int) bool {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > max {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// jsonValues returns the string or number at an RFC 6901 pointer, as a slice of
// one, or nothing; several where it is not certain which one is meant.
func jsonValues(node gjson.Result, pointer string) []string { return stringsOf(at(node, pointer)) }

// stringsOf is jsonValues of what is there.
func stringsOf(node gjson.Result, certain bool) []string {
	switch {
	case !certain || isUnreadable(node):
		return several
	case node.Type == gjson.String:
		if strings.IndexByte(node.Raw, '\\') >= 0 {
			return []string{node.Str}
		}
		return []string{strings.Clone(node.Str)} // not a part of the body
	case node.Type == gjson.Number:
		return []string{strings.Clone(node.Raw)}
	}
	return nil
}

// at returns what is at pointer below node. It is not certain where an object on the
// way has the name twice, or another one that some take for it: of those parsers keep
// the first, the last, or what they please.
func at(node gjson.Result, pointer string) (found gjson.Result, certain bool) {
	for pointer != "" {
		var token string
		token, pointer = nextToken(pointer)
		if node, certain = step(node, token); !certain {
			return gjson.Result{}, false
		}
	}
	return node, true
}

// nextToken splits off the first reference token and undoes its escapes.
func nextToken(pointer string) (token, rest string) {
	token = pointer[1:]
	if i := strings.IndexByte(token, '/'); i >= 0 {
		token, rest = token[:i], token[i:]
	}
	if strings.Contains(token, "~") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return token, rest
}

// child returns the member or element that token names, or a result that does not
// exist: also where that is not certain.
func child(node gjson.Result, token string) gjson.Result {
	found, _ := step(node, token)
	return found
}

// step is child, and reports whether the result is certain.
func step(node gjson.Result, token string) (found gjson.Result, certain bool) {
	if node.IsObject() {
		return memberOf(node, token)
	}
	if !node.IsArray() {
		return found, true
	}
	index, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(index) != token {
		return found, true // "-", "+1" and "01" name no element
	}
	for elements := walkOf(node); index >= 0; index-- {
		_, value, more := elements.next()
		if !more {
			break
		}
		if index == 0 {
			return gjson.Parse(value), true
		}
	}
	return found, true
}

func memberOf(object gjson.Result, name string) (found gjson.Result, certain bool) {
	want, members, raw := wanted{name: name}, walkOf(object), ""
	for {
		key, value, more := members.next()
		if !more {
			break
		}
		is, alias := want.member(key)
		if alias || is && raw != "" {
			return gjson.Result{}, false
		}
		if is {
			raw = value
		}
	}
	return gjson.Parse(raw), true // of "" nothing
}
