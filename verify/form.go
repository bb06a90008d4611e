package verify

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
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
func appendFormSorted(buf []byte, r *Request) ([]byte, *Error) {
	if len(r.Body) == 0 {
		return buf, nil
	}
	if !r.isForm() {
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

// multipartFields returns the fields of a multipart/form-data body, no more than
// two values of each; nil for any other. Files are not values; a value that is very
// large counts as empty. A body that does not parse to its end has no fields: what we
// cannot read might be read differently by others.
func (r *Request) multipartFields() map[string][]string {
	types := r.Header["Content-Type"]
	const form = "multipart/form-data"
	if len(types) != 1 || len(types[0]) < len(form) || !strings.EqualFold(types[0][:len(form)], form) {
		return nil
	}
	media, parameters, err := mime.ParseMediaType(types[0])
	if err != nil || media != form || parameters["boundary"] == "" {
		return nil
	}
	fields := make(map[string][]string)
	reader := multipart.NewReader(bytes.NewReader(r.Body), parameters["boundary"])
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
