package verify

import (
	"bytes"
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
	seen    bool
	is      bodyKind // if seen
	parsed  bool
	root    gjson.Result // of a JSON body; does not exist for any other
	split   bool
	fields  map[string][]string // of a multipart body
}

// json returns the value at pointer in a JSON body.
func (d *document) json(pointer string) []string {
	if !d.parsed {
		d.parsed = true
		if d.kind() == kindJSON {
			d.root = parseJSON(d.request.Body)
		}
	}
	return jsonValues(d.root, pointer)
}

// value returns what is at pointer in a JSON body.
func (d *document) value(pointer string) gjson.Result {
	d.json("") // parses it
	return at(d.root, pointer)
}

// form returns the values of a field of a form body, in order.
func (d *document) form(name string) []string {
	switch d.kind() {
	case kindForm:
		return fieldValues(d.request.Body, name)
	case kindMultipart:
		if !d.split {
			d.split, d.fields = true, multipartFields(d.request.Body)
		}
		return d.fields[name]
	}
	return nil
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
// one, or nothing. Of repeated member names the last one counts, as with
// JSON.parse and encoding/json.
func jsonValues(node gjson.Result, pointer string) []string {
	switch node = at(node, pointer); node.Type {
	case gjson.String:
		return []string{strings.Clone(node.Str)} // not a part of the whole body's copy
	case gjson.Number:
		return []string{strings.Clone(node.Raw)}
	}
	return nil
}

// at returns what is at pointer below node.
func at(node gjson.Result, pointer string) gjson.Result {
	for pointer != "" {
		var token string
		token, pointer = nextToken(pointer)
		node = child(node, token)
	}
	return node
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

// child returns the member or element that token names, or a result that does not exist.
func child(node gjson.Result, token string) (found gjson.Result) {
	switch {
	case node.IsObject():
		node.ForEach(func(name, value gjson.Result) bool {
			if name.Str == token {
				found = value
			}
			return true
		})
	case node.IsArray():
		index, err := strconv.Atoi(token)
		if err != nil || strconv.Itoa(index) != token {
			return found // "-", "+1" and "01" name no element
		}
		node.ForEach(func(_, value gjson.Result) bool {
			if index == 0 {
				found = value
			}
			index--
			return index >= 0
		})
	}
	return found
}

// fieldValues returns the decoded values of a field of a form or query, in
// order, but no more than two: that tells "there" from "there several times".
// Fields whose value cannot be decoded are left out.
func fieldValues(form []byte, name string) (values []string) {
	for len(form) > 0 && len(values) < 2 {
		var pair []byte
		pair, form, _ = bytes.Cut(form, []byte("&"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		if !fieldNamed(key, name) {
			continue
		}
		if decoded, err := url.QueryUnescape(string(value)); err == nil {
			values = append(values, decoded)
		}
	}
	return values
}

// fieldNamed reports whether key, as it stands in a form, is that name.
func fieldNamed(key []byte, name string) bool {
	if !bytes.ContainsAny(key, "%+") {
		return string(key) == name
	}
	decoded, err := url.QueryUnescape(string(key))
	return err == nil && decoded == name
}
