package verify

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// errHeaderName is about a header that no request can have.
var errHeaderName = errors.New("no header has such a name: want letters, digits and hyphens, without spaces or a colon, as in X-Event-Id")

// Where a Source can look.
const (
	FromHeader   = "header"    // Name: a header field
	FromJSON     = "json"      // Name: an RFC 6901 pointer into the body
	FromQuery    = "query"     // Name: a parameter of the URL's query
	FromForm     = "form"      // Name: a field of a form body
	FromFormJSON = "form_json" // Name: a field of a form body, a space, and a pointer into its JSON

	// In rows of the table only:
	fromBody        = "body"         // the whole body
	fromHeaderFirst = "header_first" // Name: a header field that holds a list, of which it is the first item
	fromJSONEach    = "json_each"    // Name: a pointer to a list, a space, and a pointer into each of its elements

	fromToken       = "token"       // Name: a pointer into the claims of the token that is the body
	fromCloudEvents = "cloudevents" // id and source of each event; no Name
)

// Source names where a value of a webhook is. The zero Source is "nowhere".
type Source struct {
	// Where to look: "header"; "json" for a body that is JSON; "query" for the URL's
	// query; "form" for a body that is a form (application/x-www-form-urlencoded or
	// multipart/form-data); "form_json" for JSON inside a field of such a body. What
	// kind of body it is, its own beginning tells, whatever its Content-Type says.
	From string `json:"from,omitempty"`

	// What to take: the name of the header, parameter or field. For "json" an
	// RFC 6901 pointer such as "/data/id"; for "form_json" a field and a pointer,
	// such as "payload /trigger_id".
	Name string `json:"name,omitempty"`
}

// ParseSource reads the words of the configuration, such as "header X-Event-Id",
// "json /id" or "form_json payload /trigger_id".
func ParseSource(args []string) (Source, error) {
	want := 2
	if len(args) > 0 && args[0] == FromFormJSON {
		want = 3
	}
	if len(args) != want {
		// Not quoted: a secret may stand there by mistake.
		return Source{}, errors.New("source: want header <name>, json <pointer>, query <name>, form <name> or form_json <field> <pointer>")
	}
	s := Source{From: args[0], Name: strings.Join(args[1:], " ")}
	return s, s.Validate()
}

// IsZero reports whether s is the zero Source.
func (s Source) IsZero() bool { return s == Source{} }

// String returns the source as the configuration spells it.
func (s Source) String() string {
	switch s.From {
	case fromCloudEvents:
		return "id and source of each event"
	case fromHeaderFirst:
		return FromHeader + " " + s.Name + ", the first item"
	case fromToken:
		return "the token's " + s.Name
	case fromJSONEach:
		return FromJSON + " " + strings.Replace(s.Name, " ", "/*", 1)
	}
	return s.From + " " + s.Name
}

// Validate reports what is wrong with s, naming it.
func (s Source) Validate() error {
	switch s.From {
	case FromHeader, FromQuery, FromForm:
		if s.Name == "" {
			return fmt.Errorf("source %s: the name is missing", s.From)
		}
		if s.From == FromHeader && !httpguts.ValidHeaderFieldName(s.Name) {
			return fmt.Errorf("source %q: %w", s, errHeaderName)
		}
	case FromJSON:
		return s.validatePointer(s.Name)
	case FromFormJSON:
		field, pointer, _ := strings.Cut(s.Name, " ")
		if field == "" {
			return fmt.Errorf("source form_json: the field's name is missing")
		}
		return s.validatePointer(pointer)
	default:
		return fmt.Errorf("source %q: unknown place %q: want header, json, query, form or form_json", s, s.From)
	}
	return nil
}

func (s Source) validatePointer(pointer string) error {
	if !strings.HasPrefix(pointer, "/") {
		return fmt.Errorf("source %q: a JSON pointer begins with a slash, as in /data/id", s)
	}
	// RFC 6901, section 3: a tilde is followed by 0 or 1.
	for rest := pointer; ; {
		_, after, found := strings.Cut(rest, "~")
		if !found {
			return nil
		}
		if !strings.HasPrefix(after, "0") && !strings.HasPrefix(after, "1") {
			return fmt.Errorf("source %q: write ~ as ~0 and / inside a name as ~1", s)
		}
		rest = after
	}
}

// inBody reports whether s is a part of the body.
func (s Source) inBody() bool {
	return s.From == fromBody || s.From == FromJSON || s.From == fromJSONEach || s.From == fromCloudEvents || s.From == fromToken || s.From == FromForm || s.From == FromFormJSON
}

// Extract returns the value that s names. A value that is missing, empty, or
// there more than once is not ok: of several, the application might read
// another one than we do. Neither is one beside which stands a name that some
// applications take for the same, such as X_Id for X-Id or ID for id. JSON strings and numbers are values (a number keeps
// its digits as sent), anything else in JSON is not, and neither is text with half of a surrogate pair. The body is read as Identify reads
// it: call it after Verify.
func (s Source) Extract(r *Request) (value string, ok bool) {
	if s.From == FromHeader && headerAlias(r.Header, []string{http.CanonicalHeaderKey(s.Name)}) != "" {
		return "", false
	}
	d := new(document).open(r, asText)
	defer d.end()
	value, ok = s.extract(d)
	if s.inBody() && s.From != fromBody && strings.Contains(value, "\ufffd") {
		return "", false // it may stand for what could not be decoded, such as half of a surrogate pair, any
	}
	return value, ok
}

func (s Source) extract(d *document) (string, bool) {
	values := s.lookup(d)
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// lookup returns all values that s names. A header's are net/http's own slice.
func (s Source) lookup(d *document) []string {
	switch s.From {
	case FromHeader:
		if values, found := d.request.Header[s.Name]; found { // s.Name is canonical in schemes
			return values
		}
		return d.request.Header[http.CanonicalHeaderKey(s.Name)]
	case fromHeaderFirst:
		values := d.request.Header[http.CanonicalHeaderKey(s.Name)]
		if len(values) != 1 {
			return values
		}
		first, _, _ := strings.Cut(values[0], ",")
		return []string{strings.TrimSpace(first)}
	case FromQuery:
		return fieldValues(d.request.query(), s.Name)
	case FromForm:
		return d.form(s.Name)
	case FromJSON:
		return d.json(s.Name)
	case fromJSONEach:
		list, pointer, _ := strings.Cut(s.Name, " ")
		return d.each(list, pointer)
	case fromCloudEvents:
		return d.cloudEvents()
	case fromToken:
		return d.claims(s.Name)
	case fromBody:
		return []string{view(d.request.Body)}
	case FromFormJSON:
		field, pointer, _ := strings.Cut(s.Name, " ")
		return d.formJSON(field, pointer)
	}
	return nil
}

// firstOf returns the value of the first source that has one fit to identify. One that
// is not certain is not passed over: the next one would stand for something else.
func firstOf(sources []Source, d *document) string {
	for _, s := range sources {
		values := s.lookup(d)
		if len(values) > 1 {
			return ""
		}
		if len(values) == 1 && values[0] != "" && identifies(values[0]) {
			return values[0]
		}
	}
	return ""
}

// identifies reports whether value can go into headers, logs and stores as it is.
func identifies(value string) bool {
	return len(value) <= maxIdentity && utf8.ValidString(value) && !strings.ContainsFunc(value, unfit)
}

// unfit are control characters, and what stands for a character that was none: values
// that differ in nothing else would be the same.
func unfit(c rune) bool { return c == utf8.RuneError || unicode.IsControl(c) }
