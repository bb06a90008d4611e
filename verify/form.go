package verify

import "slices"

// maxFormFields bounds what of a form is looked at.
const maxFormFields = 1000

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
	if splitOddly(view(r.Body)) {
		return buf, ambiguous(DetailAmbiguousField, "a raw semicolon or line break in the form")
	}
	fields, err := parseFields(view(r.Body))
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
