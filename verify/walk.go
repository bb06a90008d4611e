package verify

import (
	"unsafe"

	"github.com/tidwall/gjson"
)

// view returns bytes as a string, without a copy: what signatures are looked for in may be as
// large as a body. Nobody changes the bytes meanwhile, and no part of the string is kept.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

// bytesOf is the reverse. Nobody writes to the bytes.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// walk goes through the members of an object, or the elements of an array, in valid JSON.
// It allocates nothing, because any sender can send half a million of them.
type walk struct {
	rest   string // behind what was returned last
	object bool
}

// walkOf returns a walk through node; through nothing if that is no object and no array.
func walkOf(node gjson.Result) walk {
	if !node.IsObject() && !node.IsArray() {
		return walk{}
	}
	return walk{node.Raw[1:], node.IsObject()}
}

// next returns a member's name as it stands between its quotes, and the value as it stands there.
func (w *walk) next() (name, value string, ok bool) {
	w.pass(',')
	if w.rest == "" || w.rest[0] == '}' || w.rest[0] == ']' {
		return "", "", false
	}
	if w.object {
		end := stringEnd(w.rest)
		name = w.rest[1 : end-1]
		w.rest = w.rest[end:]
		w.pass(':')
	}
	end := valueEnd(w.rest)
	value, w.rest = w.rest[:end], w.rest[end:]
	return name, value, true
}

// pass passes over white space and a sign.
func (w *walk) pass(sign byte) {
	for i := range len(w.rest) {
		if c := w.rest[i]; c > ' ' && c != sign {
			w.rest = w.rest[i:]
			return
		}
	}
	w.rest = ""
}

// stringEnd is where a string ends that text begins with.
func stringEnd(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(text)
}

// valueEnd is the same of any value.
func valueEnd(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			if i += stringEnd(text[i:]) - 1; depth == 0 {
				return i + 1
			}
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c <= ' '):
			return i
		}
	}
	return len(text)
}
