package verify

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// seen is all that a webhook says, as an endpoint asks for it.
type seen struct {
	greeted, shaken Answer
	offered         string
	result          Result
	refused         string
	id, kind        string
	further         []string
	values          []string
}

// look goes through the calls of an endpoint, in their order.
func look(v *Verifier, r *Request, sources []Source) (s seen) {
	s.greeted, _ = v.Handshake(r, false)
	s.offered, _ = v.OfferedSecret(r)
	result, err := v.Verify(r)
	s.result, s.refused = result, fmt.Sprint(err)
	s.shaken, _ = v.Handshake(r, true)
	s.id, s.kind = v.Identify(r)
	s.further = v.FurtherTypes(r)
	for _, source := range sources {
		value, ok := source.Extract(r)
		s.values = append(s.values, fmt.Sprint(value, ok))
	}
	return s
}

// ownSources are those by which an endpoint tells events apart, of the row and of its own.
func ownSources(p *Provider) []Source {
	return slices.Concat(p.Identity, p.Subscription, p.EventID, p.EventType, []Source{
		jsonAt("/id"), jsonAt("/type"), jsonAt("/data/id"), form("id"), {FromFormJSON, "payload /trigger_id"}, {FromFormJSON, "payload /type"},
	})
}

// TestBodiesAreParsedOnce: every body is parsed at most once, and what is found is what
// is found without a Document. Bodies are the vectors', and the same with white space
// or NULs around them, which some senders add: those are parsed twice if they are JSON
// only without that.
func TestBodiesAreParsedOnce(t *testing.T) {
	parsed, spared := 0, 0
	eachVector(t, func(t *testing.T, x *vector) {
		v, sources := x.verifier(t), ownSources(x.provider)
		for _, change := range []func(body []byte) []byte{
			func(body []byte) []byte { return body },
			func(body []byte) []byte { return append(bytes.Clone(body), '\n') },
			func(body []byte) []byte { return append([]byte(" \r\n"), body...) },
			func(body []byte) []byte { return append(bytes.Clone(body), 0, 0) },
			func(body []byte) []byte { return body[:len(body)/2] },
			func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(" "), []byte("\t")) },
			inUTF16,
		} {
			r := x.request(t)
			r.Body = change(r.Body)
			want := look(v, r, sources)
			counted := *r
			counted.Document = new(Document)
			got := look(v, &counted, sources)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%q: found\n%+v, without a Document\n%+v", r.Body[:min(len(r.Body), 40)], got, want)
			}
			parses := counted.Document.parses
			parsed += min(parses, 1)
			if _, plain := textOf(r.Body); !plain {
				continue // decoded each time
			}
			d := new(document).open(&counted, asSent)
			most := 1
			if d.kind() == kindJSON && !d.root().Exists() {
				most = 3 // as it came, without what is around it, with control characters escaped
			}
			if kind := d.kind(); kind == kindForm || kind == kindMultipart {
				most = 2 // the form, and JSON in a field
				if text, _ := textOf(r.Body); len(text) < len(r.Body) {
					most = 4 // as it came, and its text
				}
			}
			if parses > most {
				t.Errorf("a body was parsed %d times: %q", parses, r.Body[:min(len(r.Body), 80)])
			}
			spared++
		}
	})
	if parsed < 500 || spared < 1000 {
		t.Errorf("%d bodies were parsed, of %d: this test shows nothing", parsed, spared)
	}
}

// inUTF16 is an ASCII body in UTF-16, with its mark.
func inUTF16(body []byte) []byte {
	text := []byte{0xfe, 0xff}
	for _, c := range body {
		text = append(text, 0, c)
	}
	return text
}

// TestDocumentIsOfOneRequest: a copy of the request, and the same one with another body,
// are read without what was found before.
func TestDocumentIsOfOneRequest(t *testing.T) {
	r := &Request{Header: http.Header{}, Body: []byte(`{"id":"1"}`), Document: new(Document)}
	extract := func(r *Request) string { value, _ := jsonAt("/id").Extract(r); return value }
	if got := extract(r); got != "1" {
		t.Fatalf("found %q", got)
	}
	other := *r
	other.Body = []byte(`{"id":"2"}`)
	if got := extract(&other); got != "2" {
		t.Errorf("a copy with another body: found %q", got)
	}
	r.Body = []byte(`{"id":"3"}`)
	if got := extract(r); got != "3" {
		t.Errorf("another body: found %q", got)
	}
	r.Body = nil
	if got := extract(r); got != "" {
		t.Errorf("no body: found %q", got)
	}
}

// TestGreetingsStayShort: what a stranger sends is not read beyond what a handshake is
// long, whether there is a Document or not.
func TestGreetingsStayShort(t *testing.T) {
	p, _ := Lookup("slack")
	v := newTestVerifier(t, p)
	for _, size := range []int{maxHandshakeText, maxHandshakeText + 1} {
		body := []byte(`{"type":"url_verification","challenge":"abc","padding":"`)
		body = append(append(body, bytes.Repeat([]byte("x"), size-len(body)-2)...), `"}`...)
		r := &Request{Method: "POST", Header: http.Header{"Content-Type": {mediaJSON}}, Body: body, Document: new(Document)}
		v.Handshake(r, false)
		v.OfferedSecret(r)
		if want := map[bool]int{true: 0, false: r.Document.parses}[size > maxHandshakeText]; r.Document.parses != want {
			t.Errorf("%d bytes of a stranger were parsed %d times", size, r.Document.parses)
		}
	}
}
