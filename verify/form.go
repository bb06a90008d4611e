package verify

import (
	"bytes"
	"io"
	"mime/multipart"
	"slices"
)

// maxFormFields bounds what of a form is looked at.
const maxFormFields = 1000

// maxMultipartField bounds a field of a multipart form that is taken for a value.
const maxMultipartField = 256 << 10

// appendFormSorted appends the fields of a form body, sorted by name in byte
// order, each name followed by its value with nothing between. A field that is
// there several times is written once for each different value, in order, which
// is the rule of Twilio's Node.js library. An empty body has no fields; a body that
// is no form would not be covered at all, and is refused.
func appendFormSorted(buf []byte, d *document) ([]byte, *Error) {
	r := d.request
	if len(r.Body) == 0 {
		return buf, nil
	}
	if !d.isForm() {
		return buf, invalidSignature(DetailUnsignedBody, "the body is not a form")
	}
	fields, err := parseFields(string(r.Body))
	if err != nil {
		return buf, err
	}
	sortFields(fields)
	for _, f := range slices.Compact(fields) {
		buf = append(append(buf, f.name...), f.value...)
	}
	return buf, nil
}

// isForm reports whether the body is a form, and comes as one.
func (d *document) isForm() bool { return d.kind() == kindForm && d.labelled() }

// multipartFields returns the fields of a multipart/form-data body, no more than
// two values of each. Its first line is the boundary: what the Content-Type says of it
// is not signed. Files are not values; a value that is very
// large counts as empty. A body that does not parse to its end has no fields: what we
// cannot read might be read differently by others.
func multipartFields(body []byte) map[string][]string {
	boundary := boundaryOf(body)
	if boundary == "" {
		return nil
	}
	fields := make(map[string][]string)
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxFormFields {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return fields
		}
		if err != nil {
			return nil
		}
		name := part.FormName()
		if name == "" || part.FileName() != "" || len(fields[name]) == 2 {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxMultipartField+1))
		if err != nil {
			return nil
		}
		if len(value) > maxMultipartField {
			value = nil // there, but nothing to be taken for an id or a signature
		}
		fields[name] = append(fields[name], string(value))
	}
	return nil
}

// maxBoundary is the length of the longest boundary (RFC 2046, section 5.1.1).
const maxBoundary = 70

// boundaryOf is what follows the two hyphens that a multipart body begins with.
func boundaryOf(body []byte) string {
	line, _, _ := bytes.Cut(body[:min(len(body), maxBoundary+4)], []byte("\r\n"))
	boundary, found := bytes.CutPrefix(line, []byte("--"))
	if !found || len(boundary) > maxBoundary {
		return ""
	}
	return string(boundary)
}
