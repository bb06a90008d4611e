// Package redact hides secrets of webhooks from people: in what is shown of a stored
// event, and in what is logged of a request.
//
// Which values are hidden is said in three ways: by places (the header, parameter, field or
// JSON member that a provider's scheme puts its secret in), by words in names, such as
// "token", and by the values themselves, wherever they stand.
package redact

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Masked stands in the place of what is hidden.
const Masked = "[masked]"

// words mark names of headers and parameters whose values nobody should see. A
// signature is among them: with the body it lets a reader replay the webhook.
var words = []string{"auth", "token", "secret", "signature", "sig", "hmac", "cookie", "password", "key"}

// TellsSecret reports whether the name of a header or parameter says that its value is secret.
func TellsSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name, word) })
}

// Mask hides what is at some places. The zero Mask hides what its name tells. It is
// not changed after New, and is safe for concurrent use.
type Mask struct {
	headers    []string // folded, as are the others
	parameters []string
	fields     []string
	pointers   [][]string            // into a JSON body
	nested     map[string][][]string // into JSON in a field of a form
}

// New returns the mask of these places.
func New(places []verify.Source) *Mask {
	m := new(Mask)
	known := make(map[verify.Source]bool, len(places))
	for _, s := range places {
		if known[s] {
			continue
		}
		known[s] = true
		switch s.From {
		case verify.FromHeader:
			m.headers = append(m.headers, fold(s.Name))
		case verify.FromQuery:
			m.parameters = append(m.parameters, fold(s.Name))
		case verify.FromForm:
			m.fields = append(m.fields, fold(s.Name))
		case verify.FromJSON:
			m.pointers = append(m.pointers, tokens(s.Name))
		case verify.FromFormJSON:
			field, pointer, _ := strings.Cut(s.Name, " ")
			if m.nested == nil {
				m.nested = make(map[string][][]string)
			}
			m.nested[fold(field)] = append(m.nested[fold(field)], tokens(pointer))
		}
	}
	return m
}

// Marks are the places as an event keeps them, so that they are hidden for as long as it is
// stored. Those whose names tell are left out: they are hidden anyway.
func Marks(places []verify.Source) (marks []string) {
	for _, s := range places {
		named := s.From == verify.FromHeader || s.From == verify.FromQuery
		if mark := s.String(); !(named && TellsSecret(s.Name)) && !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	return marks
}

// Places is the inverse of Marks. What it does not understand, such as a mark of a
// newer version, is left out.
func Places(marks []string) (places []verify.Source) {
	for _, mark := range marks {
		from, name, _ := strings.Cut(mark, " ")
		s := verify.Source{From: from, Name: name}
		if s.Validate() == nil {
			places = append(places, s)
		}
	}
	return places
}

// fold brings the spellings that applications take for one name together: case, spaces
// around it, and what follows a NUL (PHP).
func fold(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	return strings.ToLower(strings.TrimSpace(name))
}

// named reports whether name is one of names, which are folded.
func named(names []string, name string) bool {
	name, _, _ = strings.Cut(name, "\x00")
	name = strings.TrimSpace(name)
	return slices.ContainsFunc(names, func(one string) bool { return strings.EqualFold(one, name) })
}

// Header returns a copy of header in which secret values are hidden.
func (m *Mask) Header(header http.Header) http.Header {
	copied := make(http.Header, len(header))
	for name, values := range header {
		if m.hidesHeader(name) {
			values = []string{Masked}
		}
		copied[name] = values
	}
	return copied
}

func (m *Mask) hidesHeader(name string) bool {
	return TellsSecret(name) || named(m.headers, name)
}

// URI hides secret values of a URI's query.
func (m *Mask) URI(uri string) string {
	path, query, found := strings.Cut(uri, "?")
	if !found {
		return uri
	}
	return path + "?" + m.query(query)
}

func (m *Mask) query(query string) string {
	return eachField(query, func(name, value string) string {
		if m.hidesParameter(name) {
			return Masked
		}
		return value
	})
}

func (m *Mask) hidesParameter(name string) bool {
	return TellsSecret(name) || named(m.parameters, name)
}

// eachField replaces the values of a form or query by what change makes of them. change
// gets the name decoded and the value as it stands; names keep their spelling.
func eachField(form string, change func(name, value string) string) string {
	var b strings.Builder
	for rest := form; rest != ""; {
		end := strings.IndexAny(rest, "&;") // both separate, for some
		if end < 0 {
			end = len(rest)
		}
		name, value, found := strings.Cut(rest[:end], "=")
		b.WriteString(name)
		if found {
			b.WriteString("=")
			b.WriteString(change(decoded(name), value))
		}
		b.WriteString(rest[end:min(end+1, len(rest))])
		rest = rest[min(end+1, len(rest)):]
	}
	return b.String()
}

// decoded undoes the encoding of a name or value, as far as it is one.
func decoded(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
