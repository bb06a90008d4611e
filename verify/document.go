package verify

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// maxJSONDepth bounds the nesting of JSON that is looked into, since validating
// it recurses. Deeper documents have no values for us.
const maxJSONDepth = 1000

// document is a request, and a manner of reading its body. Its body is parsed on
// demand, and at most once; but a form is read anew for each field. Make one with open.
type document struct {
	request *Request
	manner  manner   // unless asSent, end is called when the document is not needed any more
	holds   bool     // one of readers
	shares  bool     // it is read with the request's Document, if that has its content
	shared  *content // what it found there; nil: not looked yet, or own
	own     content
}

// content is the text of a body, and what was found in it so far.
type content struct {
	read     bool
	text     []byte // if read: what the body says
	seen     bool
	is       bodyKind // if seen
	parsed   bool
	root     gjson.Result // of a JSON body; does not exist for any other
	repaired bool
	loose    gjson.Result // the same, if root does not exist, with raw control characters in strings
	split    bool
	parts    []formPart // of a multipart body
	inner    innerJSON
	fields   [16]lookedUp // of a form body, that were looked for
	looked   int
	nodes    [12]lookedAt // the same of JSON
	stepped  int
	sent     *content // of the same body as sent, if text is a part of that
}

// innerJSON is the JSON in a field of a form, which several sources may look into.
type innerJSON struct {
	field    string
	values   []string
	root     gjson.Result // as of a body
	repaired bool
	loose    gjson.Result
}

// lookedAt is what was found at a pointer before.
type lookedAt struct {
	pointer string
	raw     string // the value, as it stands there; empty if there is none
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

// content is what d reads.
func (d *document) content() *content {
	if d.shares && d.shared == nil {
		d.shared = d.request.Document.contentFor(d.manner)
		d.shares = d.shared != nil
	}
	if d.shared != nil {
		return d.shared
	}
	return &d.own
}

// body is what d is read from.
func (d *document) body() []byte {
	if d.manner != asSent {
		return d.readText()
	}
	return d.request.Body
}

// json returns the value at pointer in a JSON body.
func (d *document) json(pointer string) []string { return stringsOf(d.value(pointer)) }

// claims returns the value at pointer in the claims of the token that the body is (RFC 7519).
func (d *document) claims(pointer string) []string {
	_, rest, _ := bytes.Cut(bytes.TrimSpace(d.request.Body), []byte("."))
	payload, _, signed := bytes.Cut(rest, []byte("."))
	text, err := base64.RawURLEncoding.DecodeString(string(payload))
	if !signed || err != nil {
		return nil
	}
	return stringsOf(at(d.parse(text), pointer))
}

// root returns the JSON that the body is, else a result that does not exist.
func (d *document) root() gjson.Result {
	c := d.content()
	if !c.parsed {
		c.parsed = true
		switch {
		case d.kind() != kindJSON:
		case c.sent != nil && d.sent().Exists():
			c.root = d.sent() // white space around it makes no difference
		default:
			c.root = d.parse(d.body())
		}
	}
	if c.root.Exists() || d.manner == asSent {
		return c.root
	}
	if !c.repaired {
		c.repaired = true
		if d.kind() == kindJSON {
			c.loose = d.parseLoose(d.body())
		}
	}
	return c.loose
}

// value returns what is at pointer in a JSON body; not certain where the way there
// has a name more than once.
func (d *document) value(pointer string) (value gjson.Result, certain bool) {
	root := d.root()
	if !root.Exists() || pointer == "" {
		return root, true
	}
	c := d.content()
	for i := range min(c.stepped, len(c.nodes)) {
		if n := &c.nodes[i]; n.pointer == pointer {
			return gjson.Parse(n.raw), n.certain
		}
	}
	value, certain = at(root, pointer)
	c.nodes[c.stepped%len(c.nodes)] = lookedAt{pointer, value.Raw, certain}
	c.stepped++
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
		return partValues(d.multipart(), name)
	}
	return nil
}

// multipart returns the parts of a multipart body.
func (d *document) multipart() []formPart {
	c := d.content()
	if !c.split {
		c.split = true
		d.count()
		c.parts = parseMultipart(d.body())
	}
	return c.parts
}

// field is findField in a form body. Several sources have the same field, and the form may
// be long.
func (d *document) field(name string) (value string, n int) {
	c := d.content()
	for i := range min(c.looked, len(c.fields)) {
		if f := &c.fields[i]; f.name == name {
			return f.value, f.n
		}
	}
	value, n = findField(view(d.body()), name)
	c.fields[c.looked%len(c.fields)] = lookedUp{name, value, n}
	c.looked++
	return value, n
}

// formJSON returns what is at pointer in JSON that is the value of a field.
func (d *document) formJSON(field, pointer string) []string {
	inner := d.inner(field)
	if len(inner.values) != 1 {
		return inner.values[:min(len(inner.values), 2)]
	}
	root := inner.root
	if !root.Exists() && d.manner != asSent {
		if !inner.repaired {
			inner.repaired, inner.loose = true, d.parseLoose(bytesOf(inner.values[0]))
		}
		root = inner.loose
	}
	return jsonValues(root, pointer)
}

// inner returns the JSON in a field. It is kept if there is one; of several fields the
// last one's is.
func (d *document) inner(field string) *innerJSON {
	c := d.content()
	if c.inner.field == field {
		return &c.inner
	}
	values := d.form(field)
	if len(values) != 1 {
		return &innerJSON{field: field, values: values}
	}
	c.inner = innerJSON{field: field, values: values, root: d.parse(bytesOf(values[0]))}
	return &c.inner
}

// parse is parseJSON of the body, or of a part of it.
func (d *document) parse(text []byte) gjson.Result {
	d.count()
	return parseJSON(text)
}

// parseLoose is parse for JSON with raw control characters in strings, but for which it would be valid.
func (d *document) parseLoose(text []byte) gjson.Result {
	escaped := escapeControls(text)
	if escaped == nil {
		return gjson.Result{}
	}
	return d.parse(escaped)
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

// hides reports whether a parser that splits forms oddly sees the field in this pair.
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
