package verify

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// input is one request on its way through one scheme: what was read from it so
// far, with room for the usual sizes so that nothing more is allocated.
type input struct {
	request    *Request
	document   *document    // the request's body as sent
	keyID      string       // of the key that has signed, as the webhook says
	timestamp  string       // as on the wire
	id         string       // as on the wire
	respelt    string       // path and query in another spelling; empty: as on the wire
	secret     string       // while a plain hash is made
	digested   bool         // the body's digest is there, and will be checked
	at         time.Time    // the timestamp
	payload    string       // of a token, as it stands there
	claims     gjson.Result // in it, once they were read
	trustee    *keySource   // that had the key which a webhook named
	signatures [][]byte

	ownDocument    document // which document points to, as a rule
	signatureSpace [4][]byte
	decoded        []byte // what signatures point into
	decodedSpace   [160]byte
	scratch        [192]byte
}

// target is path and query in the spelling that is tried.
func (in *input) target() string {
	if in.respelt != "" {
		return in.respelt
	}
	return in.request.target()
}

// inputs are pooled because every request needs one, for a microsecond.
var inputs = sync.Pool{New: func() any { return new(input) }}

// newInput returns an input to be freed with release.
func newInput(r *Request) *input {
	in := inputs.Get().(*input)
	in.reset(r)
	return in
}

// release gives in back, without anything of the request.
func (in *input) release() {
	in.reset(nil)
	in.signatureSpace = [4][]byte{}
	inputs.Put(in)
}

// reset forgets what a scheme read, for the next one.
func (in *input) reset(r *Request) {
	in.request, in.keyID, in.trustee = r, "", nil
	in.at, in.payload, in.claims = time.Time{}, "", gjson.Result{}
	if in.document != nil && in.document.request != r { // else the next scheme uses what was read of the body
		in.document, in.ownDocument = nil, document{}
	}
	if in.document == nil && r != nil {
		in.document = in.ownDocument.open(r, asSent)
	}
	in.timestamp, in.id, in.respelt, in.secret, in.digested = "", "", "", "", false
	in.signatures = in.signatureSpace[:0]
	in.decoded = in.decodedSpace[:0]
}

// addSignature decodes one signature; false if it is malformed.
func (in *input) addSignature(e encoding, text string) bool {
	start := len(in.decoded)
	decoded, ok := e.appendDecoded(in.decoded, in.scratch[:], text)
	if !ok {
		return false
	}
	in.decoded = decoded
	in.signatures = append(in.signatures, decoded[start:])
	return true
}

// partKind is what a part of a content template stands for.
type partKind int

const (
	partLiteral partKind = iota
	partBody
	partPlainBody
	partTimestamp
	partID
	partMethod
	partURL
	partURLWithPort
	partURLWithoutPort
	partURLWithoutQuery
	partPath
	partPathQuery
	partQuery
	partFormSorted
	partBodyDigest
	partSecret
	partCanonical
	partSource
)

var variables = map[string]partKind{
	"body":              partBody,
	"plain_body":        partPlainBody,
	"timestamp":         partTimestamp,
	"id":                partID,
	"method":            partMethod,
	"url":               partURL,
	"url_with_port":     partURLWithPort,
	"url_without_port":  partURLWithoutPort,
	"url_without_query": partURLWithoutQuery,
	"path":              partPath,
	"path_query":        partPathQuery,
	"form_sorted":       partFormSorted,
	"secret":            partSecret,
}

type part struct {
	kind   partKind
	text   string // partLiteral: itself. partBodyDigest: which
	source Source // partSource

	canonical *canonical // partCanonical
}

// template is a parsed Scheme.Content.
type template struct {
	text   string
	parts  []part
	joints []joint // how its parts are told apart
}

// parseTemplate reads Scheme.Content; see there for the grammar. Rows of the
// table may also have {setting.<name>}.
func parseTemplate(text string, set settings) (template, error) {
	t := template{text: text}
	for rest := text; rest != ""; {
		literal, after, opened := strings.Cut(rest, "{")
		if literal != "" {
			t.parts = append(t.parts, part{kind: partLiteral, text: literal})
		}
		if !opened {
			break
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			return t, fmt.Errorf("content %q: a brace is not closed", text)
		}
		p, err := parseVariable(name, set)
		if err != nil {
			return t, fmt.Errorf("content %q: %w", text, err)
		}
		t.parts = append(t.parts, p)
		rest = after
	}
	return t, nil
}

func parseVariable(name string, set settings) (part, error) {
	if kind, ok := variables[name]; ok {
		return part{kind: kind}, nil
	}
	if _, ok := bodyDigests[name]; ok {
		return part{kind: partBodyDigest, text: name}, nil
	}
	from, of, _ := strings.Cut(name, ".")
	if values := set[of]; from == "setting" && len(values) == 1 {
		return part{kind: partLiteral, text: values[0]}, nil
	}
	s := Source{From: from, Name: of}
	err := s.Validate()
	if err == nil && from == FromHeader {
		s.Name = http.CanonicalHeaderKey(of)
	}
	if errors.Is(err, errHeaderName) {
		return part{}, err
	}
	if err != nil {
		return part{}, fmt.Errorf("unknown variable {%s}: want {body}, {timestamp}, {id}, {method}, {url}, {path}, {header.<name>}, {form_sorted} and the like", name)
	}
	return part{kind: partSource, source: s}, nil
}

// withQuery are the parts that have the whole query in them.
var withQuery = []partKind{partURL, partURLWithPort, partURLWithoutPort, partPathQuery}

// uses reports whether one of kinds is in the template.
func (t template) uses(kinds ...partKind) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return slices.Contains(kinds, p.kind) })
}

// signsTimestamp reports whether the timestamp is in the content as such.
func (t template) signsTimestamp() bool {
	return t.uses(partTimestamp) ||
		slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == partCanonical && p.canonical.time })
}

// signsURL reports whether a part of the URL is in the content.
func (t template) signsURL() bool {
	return t.uses(partURL, partURLWithPort, partURLWithoutPort, partURLWithoutQuery, partPath, partPathQuery) ||
		slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == partCanonical && p.canonical.url != partLiteral })
}

// covers reports whether the value at s cannot change without changing the content.
func (t template) covers(s Source) bool {
	field := s
	if s.From == FromFormJSON {
		name, _, _ := strings.Cut(s.Name, " ")
		field = Source{FromForm, name}
	}
	for _, p := range t.parts {
		switch {
		case p.kind == partCanonical && (p.canonical.body && s.inBody() || slices.Contains(p.canonical.reads, s)),
			p.kind == partSource && (p.source == s || p.source == field),
			(p.kind == partBody || p.kind == partPlainBody) && s.inBody(),
			p.kind == partBodyDigest && s.inBody(),
			p.kind == partFormSorted && field.From == FromForm,
			s.From == FromQuery && slices.Contains(withQuery, p.kind):
			return true
		}
	}
	return false
}

// writeTo writes the content that was signed to w, a hash or a buffer that
// cannot fail. A part that is absent is an error, never empty: otherwise removing
// a signed header could go unnoticed.
func (t template) writeTo(w io.Writer, in *input) *Error {
	buf := in.scratch[:0]
	for _, p := range t.parts {
		var err *Error
		if p.kind == partBody || p.kind == partPlainBody {
			w.Write(buf)
			buf = buf[:0]
			if p.kind == partBody || !in.request.gzipped() {
				w.Write(in.request.Body)
			} else if err = in.request.writePlain(w); err != nil {
				return err
			}
			continue
		}
		if text, ok := p.long(in); ok {
			w.Write(buf)
			w.Write(bytesOf(text))
			buf = buf[:0]
			continue
		}
		if buf, err = p.append(buf, in); err != nil {
			return err
		}
	}
	w.Write(buf)
	return nil
}

// long returns the text of p where that may be as long as a body, which is not copied.
func (p part) long(in *input) (text string, ok bool) {
	switch {
	case p.kind == partLiteral && len(p.text) > len(in.scratch):
		return p.text, true
	case p.kind == partSource && p.source.inBody():
		return p.source.extract(in.document)
	}
	return "", false
}

func (p part) append(buf []byte, in *input) ([]byte, *Error) {
	r := in.request
	switch p.kind {
	case partLiteral:
		return append(buf, p.text...), nil
	case partTimestamp:
		return append(buf, in.timestamp...), nil
	case partID:
		if in.id == "" {
			return buf, invalidSignature(DetailMissingPart, "the id")
		}
		return append(buf, in.id...), nil
	case partMethod:
		return append(buf, r.Method...), nil
	case partURL:
		return appendURL(buf, in, r.Host), nil
	case partURLWithPort:
		return appendURL(buf, in, r.hostWithPort()), nil
	case partURLWithoutPort:
		return appendURL(buf, in, r.hostWithoutPort()), nil
	case partURLWithoutQuery:
		return append(append(append(buf, r.Scheme...), "://"...), r.Host+r.path()...), nil
	case partPath:
		return append(buf, r.path()...), nil
	case partPathQuery:
		return append(buf, r.target()...), nil
	case partBodyDigest:
		return bodyDigests[p.text](buf, r.Body), nil
	case partCanonical:
		return p.canonical.write(buf, in)
	case partSecret:
		return append(buf, in.secret...), nil
	case partFormSorted:
		if in.digested {
			return buf, nil
		}
		return appendFormSorted(buf, in.document)
	default: // partSource
		value, ok := p.source.extract(in.document)
		if !ok {
			return buf, invalidSignature(DetailMissingPart, p.source.String())
		}
		return append(buf, value...), nil
	}
}

func appendURL(buf []byte, in *input, host string) []byte {
	buf = append(buf, in.request.Scheme...)
	buf = append(buf, "://"...)
	buf = append(buf, host...)
	return append(buf, in.target()...)
}
