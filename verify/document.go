package verify

import (
	"encoding/hex"
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
	inner   innerJSON
	fields  [16]lookedUp // of a form body, that were looked for
	looked  int
	nodes   [12]lookedAt // the same of JSON
	stepped int
}

// innerJSON is the JSON in a field of a form, which several sources may look into.
type innerJSON struct {
	field  string
	values []string
	root   gjson.Result
}

// lookedAt is what was found at a pointer before.
type lookedAt struct {
	pointer string
	value   gjson.Result
	certain bool
}

// lookedUp is a field that was looked for before.
type lookedUp struct {
	name, value string
	n           int
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
func (d *document) json(pointer string) []string { return stringsOf(d.value(pointer)) }

// value returns what is at pointer in a JSON body; not certain where the way there
// has a name more than once.
func (d *document) value(pointer string) (value gjson.Result, certain bool) {
	if !d.parsed {
		d.parsed = true
		if d.kind() == kindJSON {
			d.root = d.parse(d.body())
		}
	}
	if !d.root.Exists() || pointer == "" {
		return d.root, true
	}
	for i := range min(d.stepped, len(d.nodes)) {
		if n := &d.nodes[i]; n.pointer == pointer {
			return n.value, n.certain
		}
	}
	value, certain = at(d.root, pointer)
	d.nodes[d.stepped%len(d.nodes)] = lookedAt{pointer, value, certain}
	d.stepped++
	return value, certain
}

// each returns the values at pointer in the elements of a list, as one; none if an element has none
// or the list is empty.
func (d *document) each(list, pointer string) []string {
	elements, certain := d.value(list)
	if !certain {
		return several
	}
	if !elements.IsArray() {
		return nil
	}
	var all []byte
	found := true
	elements.ForEach(func(_, element gjson.Result) bool {
		values := jsonValues(element, pointer)
		if found = len(values) == 1 && values[0] != ""; found {
			all = append(strconv.AppendQuote(all, values[0]), ' ')
		}
		return found
	})
	if !found || len(all) == 0 {
		return nil
	}
	return []string{string(all)}
}

// form returns the values of a field of a form body, in order.
func (d *document) form(name string) []string {
	switch d.kind() {
	case kindForm:
		return decodeField(d.field(name))
	case kindMultipart:
		if !d.split {
			d.split, d.parts = true, parseMultipart(d.body())
		}
		return partValues(d.parts, name)
	}
	return nil
}

// field is findField in a form body. Several sources have the same field, and the form may
// be long.
func (d *document) field(name string) (value string, n int) {
	for i := range min(d.looked, len(d.fields)) {
		if f := &d.fields[i]; f.name == name {
			return f.value, f.n
		}
	}
	value, n = findField(view(d.body()), name)
	d.fields[d.looked%len(d.fields)] = lookedUp{name, value, n}
	d.looked++
	return value, n
}

// formJSON returns what is at pointer in JSON that is the value of a field.
func (d *document) formJSON(field, pointer string) []string {
	if d.inner.field != field {
		d.inner = innerJSON{field: field, values: d.form(field)}
		if len(d.inner.values) == 1 {
			d.inner.root = d.parse(bytesOf(d.inner.values[0]))
		}
	}
	if values := d.inner.values; len(values) != 1 {
		return values[:min(len(values), 2)]
	}
	return jsonValues(d.inner.root, pointer)
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

// fieldValues returns the decoded value of a field of a form or query, or several. A
// value that cannot be decoded is an empty one.
func fieldValues(form, name string) []string { return decodeField(findField(form, name)) }

// decodeField is for what findField returns.
func decodeField(value string, n int) []string {
	switch n {
	case 0:
		return nil
	case 1:
		decoded, err := url.QueryUnescape(value)
		if err != nil {
			decoded = ""
		}
		if len(decoded) == len(value) {
			decoded = strings.Clone(decoded) // not a part of the body
		}
		return []string{decoded}
	}
	return several
}

// findField returns the value of a field as it stands in the form, and as a part of it. n is 0
// where there is none, 2 where there are more, or another field that some take for the same.
func findField(form, name string) (value string, n int) {
	want, odd := wanted{name: name}, splitOddly(form)
	for len(form) > 0 {
		var pair string
		pair, form, _ = strings.Cut(form, "&")
		key, text, _ := strings.Cut(pair, "=")
		is, alias := want.field(key)
		if is && n > 0 || alias || odd && splitOddly(pair) && (is || want.hides(pair)) {
			return "", 2
		}
		if is {
			value, n = text, 1
		}
	}
	return value, n
}

// hides reports whether those who split a form oddly see the field in this pair.
func (w *wanted) hides(pair string) bool {
	for len(pair) > 0 {
		end := strings.IndexAny(pair, oddSeparators)
		if end < 0 {
			end = len(pair)
		}
		key, _, _ := strings.Cut(pair[:end], "=")
		if is, alias := w.field(key); is || alias {
			return true
		}
		pair = pair[min(end+1, len(pair)):]
	}
	return false
}
