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

// multipartValues returns the values of a field of a multipart/form-data body,
// no more than two. Files are not values. A body that does not parse to its end
// has none: what comes after might be read differently by others.
func (r *Request) multipartValues(name string) (values []string) {
	types := r.Header["Content-Type"]
	const prefix = "multipart/form-data"
	if len(types) != 1 || len(types[0]) < len(prefix) || !strings.EqualFold(types[0][:len(prefix)], prefix) {
		return nil
	}
	media, parameters, err := mime.ParseMediaType(types[0])
	if err != nil || media != prefix || parameters["boundary"] == "" {
		return nil
	}
	reader := multipart.NewReader(bytes.NewReader(r.Body), parameters["boundary"])
	for range maxFormFields {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return values
		}
		if err != nil {
			return nil
		}
		if part.FormName() != name || part.FileName() != "" || len(values) == 2 {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxMultipartField+1))
		if err != nil || len(value) > maxMultipartField {
			return nil
		}
		values = append(values, string(value))
	}
	return nil
}
