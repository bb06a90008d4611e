package verify

import (
	"io"
	"slices"
	"strings"
)

// Some providers sign what they compress afterwards. Such a body is as good as signed:
// there is one text that it can be, whatever wrote it down as gzip.

// gzipped reports whether the body is gzip, and said to be: without the header an
// application would take the bytes as they are.
func (r *Request) gzipped() bool {
	codings := r.Header["Content-Encoding"]
	if len(codings) != 1 || len(r.Body) == 0 || r.Body[0] != 0x1f {
		return false
	}
	coding := strings.ToLower(strings.TrimSpace(codings[0]))
	return coding == "gzip" || coding == "x-gzip" // RFC 9110, section 8.4.1.3
}

// writePlain writes what a gzipped body is the compressed form of to w, without
// holding it.
func (r *Request) writePlain(w io.Writer) *Error {
	if err := gunzipTo(w, r.Body, r.maxText()); err != nil {
		return invalidSignature(DetailUndecodedBody, "Content-Encoding gzip: "+err.Error())
	}
	return nil
}

// Plain returns the body that the provider's signature is about: r.Body, but without
// gzip where the provider signs what it compresses afterwards, and the names and values of a form,
// sorted, where it signs those: the same fields in another order, or escaped in another way, are the same
// webhook. Call it after Verify only.
func (v *Verifier) Plain(r *Request) []byte {
	plain := func(s *scheme) bool {
		return slices.ContainsFunc(s.contents, func(t template) bool { return t.uses(partPlainBody) })
	}
	if v.signsFields(r) {
		if text, ok := fieldsText(r); ok {
			return text
		}
	}
	if !slices.ContainsFunc(v.schemes, plain) || !r.gzipped() {
		return r.Body
	}
	return r.plain()
}

// plain is what a gzipped body is the compressed form of.
func (r *Request) plain() []byte {
	readers <- struct{}{}
	defer func() { <-readers }()
	var text messageBuffer
	if err := r.writePlain(&text); err != nil {
		return r.Body // which was not what Verify went by
	}
	return text
}

// signsFields reports whether the body is a form of which the decoded fields are signed, all of them.
func (v *Verifier) signsFields(r *Request) bool {
	if len(r.Body) == 0 || kindOf(r.Body) != kindForm {
		return false
	}
	d := new(document).open(r, asSent)
	return slices.ContainsFunc(v.schemes, func(s *scheme) bool {
		return len(s.BodyDigest.lookup(d)) == 0 && slices.ContainsFunc(s.contents, func(t template) bool {
			return t.uses(partFormSorted) && !t.uses(partBody, partPlainBody) ||
				slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == partCanonical && p.canonical.fields })
		})
	})
}

// fieldsText is the form as it is signed: names and values with nothing between. What is there
// twice counts once, as Twilio has it.
func fieldsText(r *Request) ([]byte, bool) {
	fields, err := parseFields(string(r.Body))
	if err != nil {
		return nil, false
	}
	sortFields(fields)
	var text []byte
	for _, f := range slices.Compact(fields) {
		text = append(append(text, f.name...), f.value...)
	}
	return text, true
}
