package verify

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// maxJSONDepth bounds the nesting of JSON that is looked into, since validating
// it recurses. Deeper documents have no values for us.
const maxJSONDepth = 1000

// document is a request whose body is parsed at most once, and only on demand; but
// a form, which is read anew for each field.
type document struct {
	request *Request
	manner  manner // unless asSent, end is called when the document is not needed any more
	read    bool
	text    []byte // if read: what the body says
	holds   bool   // one of readers
	seen    bool
	is      bodyKind // if seen
	parsed  bool
	root    gjson.Result // of a JSON body; does not exist for any other
	split   bool
	parts   []formPart // of a multipart body
}

// several is what a place has where applications do not agree on the value: it is
// there more than once, or there is another name that some take for the same. As with
// a header that came twice, more than one value means that none is certain.
var several = []string{"", ""}

// body is what d is read from.
func (d *document) body() []byte {
	if d.manner != asSent {
		return d.readText()
	}
	return d.request.Body
}

// json returns the value at pointer in a JSON body.
func (d *document) json(pointer string) []string {
	if !d.parsed {
		d.parsed = true
		if d.kind() == kindJSON {
			d.root = d.parse(d.body())
		}
	}
	return jsonValues(d.root, pointer)
}

// value returns what is at pointer in a JSON body; not certain where the way there
// has a name more than once.
func (d *document) value(pointer string) (value gjson.Result, certain bool) {
	d.json("") // parses it
	return at(d.root, pointer)
}

// form returns the values of a field of a form body, in order.
func (d *document) form(name string) []string {
	switch d.kind() {
	case kindForm:
		return fieldValues(d.body(), name)
	case kindMultipart:
		if !d.split {
			d.split, d.parts = true, parseMultipart(d.body())
		}
		return partValues(d.parts, name)
	}
	return nil
}

// parse is parseJSON, also for JSON with raw control characters in strings, unless d is read as sent.
func (d *document) parse(text []byte) gjson.Result {
	root := parseJSON(text)
	if d.manner != asSent && !root.Exists() {
		if escaped := escapeControls(text); escaped != nil {
			return parseJSON(escaped)
		}
	}
	return root
}

// escapeControls returns JSON in which control characters inside of strings are escaped,
// as RFC 8259, section 7 wants them; nil if there are none.
func escapeControls(text []byte) []byte {
	var escaped []byte
	inString, done := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case inString && c < ' ':
			escaped = fmt.Appendf(append(escaped, text[done:i]...), "\\u%04x", c)
			done = i + 1
		}
	}
	if escaped == nil {
		return nil
	}
	return append(escaped, text[done:]...)
}

// parseJSON returns the root of valid JSON, else a result that does not exist.
func parseJSON(text []byte) gjson.Result {
	if deeperThan(text, maxJSONDepth) || !gjson.ValidBytes(text) {
		return gjson.Result{}
	}
	return gjson.ParseBytes(text)
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
func jsonValues(node gjson.Result, pointer string) []string {
	node, certain := at(node, pointer)
	switch {
	case !certain || isUnreadable(node):
		return several
	case node.Type == gjson.String:
		return []string{strings.Clone(node.Str)} // not a part of the whole body's copy
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

// step is child for those who want to know whether it is certain.
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
	node.ForEach(func(_, value gjson.Result) bool {
		if index == 0 {
			found = value
		}
		index--
		return index >= 0
	})
	return found, true
}

func memberOf(object gjson.Result, name string) (gjson.Result, bool) {
	var seen struct { // in one piece, which is one allocation
		value   gjson.Result
		unclear bool
	}
	object.ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == name:
			seen.unclear = seen.value.Exists()
			seen.value = value
		case aliasOfMember(key.Str, name):
			seen.unclear = true
		}
		return !seen.unclear
	})
	if seen.unclear {
		return gjson.Result{}, false
	}
	return seen.value, true
}

// fieldValues returns the decoded value of a field of a form or query, or several. A
// value that cannot be decoded is an empty one.
func fieldValues(form []byte, name string) []string {
	value, n := findField(form, name)
	switch n {
	case 0:
		return nil
	case 1:
		decoded, err := url.QueryUnescape(string(value))
		if err != nil {
			decoded = ""
		}
		return []string{decoded}
	}
	return several
}

// findField returns the value of a field as it stands in the form. n is 0 where there
// is none, 2 where there are more, or another field that some take for the same.
func findField(form []byte, name string) (value []byte, n int) {
	odd := splitOddly(form)
	for len(form) > 0 {
		var pair []byte
		pair, form, _ = bytes.Cut(form, []byte("&"))
		key, text, _ := bytes.Cut(pair, []byte("="))
		named := fieldNamed(key, name)
		switch {
		case named && n > 0, !named && aliasOfField(key, name), odd && splitOddly(pair) && (named || hides(pair, name)):
			return nil, 2
		case named:
			value, n = text, 1
		}
	}
	return value, n
}

// hides reports whether those who split a form oddly see the field in this pair.
func hides(pair []byte, name string) bool {
	for len(pair) > 0 {
		end := bytes.IndexAny(pair, oddSeparators)
		if end < 0 {
			end = len(pair)
		}
		key, _, _ := bytes.Cut(pair[:end], []byte("="))
		if fieldNamed(key, name) || aliasOfField(key, name) {
			return true
		}
		pair = pair[min(end+1, len(pair)):]
	}
	return false
}

// fieldNamed reports whether key, as it stands in a form, is that name.
func fieldNamed(key []byte, name string) bool {
	if !bytes.ContainsAny(key, "%+") {
		return string(key) == name
	}
	decoded, err := url.QueryUnescape(string(key))
	return err == nil && decoded == name
}
