package verify

import "github.com/tidwall/gjson"

// Document is what was found in the body of one request, so that the body is parsed
// once and not by each step anew. Give a Request a new one in its field Document, once
// the Body is whole, and change neither the Body nor its bytes from then on. Everything
// is read on demand: a Document that is not used costs nothing.
//
// A body that has to be decoded first, since it is compressed or in UTF-16, is decoded
// and parsed by each step all the same, as without a Document: its text may be much
// longer than the body, and is held only while it is looked into.
//
// The zero Document is ready. It belongs to the first request that is read with it: other
// requests, such as a copy of it, and the same one with another Body, are read without
// it. A Request with a Document serves one goroutine at a time.
type Document struct {
	request *Request // nil: not read yet
	body    []byte
	sent    *content // of the body as it came
	text    *content // of its text, if that is not all of the body
	parses  int      // how often it was parsed, also without sent and text; for tests
}

// is reports whether d is of r, and takes r if it is of none yet.
func (d *Document) is(r *Request) bool {
	if d.request == nil {
		d.request, d.body = r, r.Body
	}
	return d.request == r && len(d.body) == len(r.Body) && (len(d.body) == 0 || &d.body[0] == &r.Body[0])
}

// open makes d, a new one, read r in that manner: with the request's Document, where it
// has one. It returns d.
func (d *document) open(r *Request, m manner) *document {
	d.request, d.manner = r, m
	d.shares = r.Document != nil && r.Document.is(r)
	return d
}

// contentFor is what d has of the body in a manner; nil if it keeps that not.
func (d *Document) contentFor(m manner) *content {
	switch text, plain := textOf(d.body); {
	case m == asSent:
		return d.asSent()
	case !plain, m == asGreeting && len(d.body) > maxHandshakeText:
		return nil
	default:
		return d.asText(text)
	}
}

// asSent is the body as it came.
func (d *Document) asSent() *content {
	if d.sent == nil {
		d.sent = new(content)
	}
	return d.sent
}

// asText is the text of a body that is not encoded, which is the body itself, or what
// trimText leaves of it.
func (d *Document) asText(text []byte) *content {
	if len(text) == len(d.body) {
		c := d.asSent()
		c.read, c.text = true, text
		return c
	}
	if d.text == nil {
		d.text = &content{read: true, text: text, sent: d.asSent()}
	}
	return d.text
}

// sent returns the JSON that the body is as it came.
func (d *document) sent() gjson.Result {
	return (&document{request: d.request, shared: d.content().sent}).root()
}

// count notes that the body is parsed.
func (d *document) count() {
	if d.request.Document != nil {
		d.request.Document.parses++
	}
}
