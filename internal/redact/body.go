package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Body hides what is at the mask's places in a body. JSON is known by itself, whatever
// contentType says; anything else is a form. The result may share memory with body, which is
// not changed. A body that cannot be read, and has the name of a place in it, is hidden as a whole.
func (m *Mask) Body(contentType string, body []byte) []byte {
	return m.body(contentType, body, func(string) {})
}

// body tells found, besides, what it hides.
func (m *Mask) body(contentType string, body []byte, found func(string)) []byte {
	if len(m.pointers)+len(m.fields)+len(m.nested) == 0 || len(body) == 0 {
		return body
	}
	hidden, err := maskJSON(body, m.pointers, found)
	if err == nil {
		return hidden
	}
	media, parameters, _ := mime.ParseMediaType(contentType)
	if media == "multipart/form-data" && parameters["boundary"] != "" {
		return m.multipart(body, parameters["boundary"], found)
	}
	if looksLikeForm(body) {
		return []byte(eachField(string(body), func(name, value string) string { return m.field(name, value, found) }))
	}
	if m.mentions(body) {
		found(string(body))
		return []byte(Masked)
	}
	return body
}

// looksLikeForm tells a form from JSON that is broken.
func looksLikeForm(body []byte) bool {
	name, _, found := bytes.Cut(body, []byte("="))
	return found && !bytes.ContainsAny(name, "{[\"\r\n<")
}

// field hides one value of a form.
func (m *Mask) field(name, value string, found func(string)) string {
	name = fold(name)
	if slices.Contains(m.fields, name) {
		found(value)
		found(decoded(value))
		return Masked
	}
	pointers, ok := m.nested[name]
	if !ok {
		return value
	}
	hidden, err := maskJSON([]byte(decoded(value)), pointers, found)
	if err != nil {
		found(value)
		found(decoded(value))
		return Masked
	}
	return url.QueryEscape(string(hidden))
}

// multipart hides fields of a multipart form.
func (m *Mask) multipart(body []byte, boundary string, found func(string)) []byte {
	parts := bytes.Split(body, []byte("--"+boundary))
	for i, part := range parts {
		head, value, isPart := bytes.Cut(part, []byte("\r\n\r\n"))
		if !isPart || !m.mentions(head) {
			continue
		}
		found(strings.TrimSuffix(string(value), "\r\n"))
		parts[i] = slices.Concat(head, []byte("\r\n\r\n"+Masked+"\r\n"))
	}
	return bytes.Join(parts, []byte("--"+boundary))
}

// mentions reports whether text has the name of one of the places in the body.
func (m *Mask) mentions(text []byte) bool {
	text = bytes.ToLower(text)
	has := func(name string) bool { return bytes.Contains(text, []byte(strings.ToLower(name))) }
	for _, pointer := range m.pointers {
		if has(pointer[len(pointer)-1]) {
			return true
		}
	}
	for name := range m.nested {
		if has(name) {
			return true
		}
	}
	return slices.ContainsFunc(m.fields, has)
}

// tokens splits an RFC 6901 pointer.
func tokens(pointer string) []string {
	split := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, token := range split {
		split[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return split
}

var errTrailing = errors.New("the body goes on after its JSON")

// maskJSON replaces the values at the pointers by a string, each of them where there are
// several of one name, and leaves the other bytes as they are. It tells found what they were.
func maskJSON(body []byte, pointers [][]string, found func(string)) ([]byte, error) {
	s := &scan{decoder: json.NewDecoder(bytes.NewReader(body)), body: body, found: found}
	if err := s.value(pointers); err != nil {
		return nil, err
	}
	if _, err := s.decoder.Token(); err != io.EOF {
		return nil, errTrailing
	}
	return append(s.out, body[s.copied:]...), nil
}

// scan is a walk through a JSON body, down to what pointers name.
type scan struct {
	decoder *json.Decoder
	body    []byte
	out     []byte // the result for body[:copied]
	copied  int
	found   func(string)
}

// value reads the next value. pointers are those that lead into it, or to it: an empty one.
func (s *scan) value(pointers [][]string) error {
	if slices.ContainsFunc(pointers, func(p []string) bool { return len(p) == 0 }) {
		return s.hide()
	}
	if len(pointers) == 0 || !s.opens() {
		var skipped json.RawMessage
		return s.decoder.Decode(&skipped)
	}
	open, err := s.decoder.Token()
	if err != nil {
		return err
	}
	for index := 0; s.decoder.More(); index++ {
		name := strconv.Itoa(index)
		if open == json.Delim('{') {
			token, err := s.decoder.Token()
			if err != nil {
				return err
			}
			name, _ = token.(string)
		}
		if err := s.value(below(pointers, name)); err != nil {
			return err
		}
	}
	_, err = s.decoder.Token()
	return err
}

// start is where the next value begins.
func (s *scan) start() int {
	at := int(s.decoder.InputOffset())
	for at < len(s.body) && strings.IndexByte(" \t\r\n:,", s.body[at]) >= 0 {
		at++
	}
	return at
}

// opens reports whether the next value is an object or a list.
func (s *scan) opens() bool {
	at := s.start()
	return at < len(s.body) && (s.body[at] == '{' || s.body[at] == '[')
}

func (s *scan) hide() error {
	from := s.start()
	var hidden json.RawMessage
	if err := s.decoder.Decode(&hidden); err != nil {
		return err
	}
	eachText(hidden, s.found)
	s.out = append(append(s.out, s.body[s.copied:from]...), `"`+Masked+`"`...)
	s.copied = int(s.decoder.InputOffset())
	return nil
}

// eachText tells found every string and number of a JSON value.
func eachText(value json.RawMessage, found func(string)) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	for token, err := decoder.Token(); err == nil; token, err = decoder.Token() {
		switch text := token.(type) {
		case string:
			found(text)
		case json.Number:
			found(text.String())
		}
	}
}

// below are the pointers that go on behind a member of that name, in any case: so
// encoding/json and others read it.
func below(pointers [][]string, name string) (rest [][]string) {
	for _, p := range pointers {
		if p[0] == "*" || strings.EqualFold(p[0], name) {
			rest = append(rest, p[1:])
		}
	}
	return rest
}
