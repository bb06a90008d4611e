package verify

import (
	"fmt"
	"slices"
	"strings"
)

// Paddle Classic signs the fields of its form, sorted by name, as PHP's
// serialize() writes an array of strings.
var paddleClassic = []canonical{{write: writePaddle, body: true, fields: true}}

const paddleSignature = "p_signature"

func writePaddle(buf []byte, in *input) ([]byte, *Error) {
	if !in.document.isForm() {
		return buf, invalidSignature(DetailUnsignedBody, "the body is not a form")
	}
	if splitOddly(view(in.request.Body)) {
		return buf, ambiguous(DetailAmbiguousField, "a raw semicolon or line break in the form")
	}
	fields, err := parseFields(view(in.request.Body))
	if err != nil {
		return buf, err
	}
	fields = slices.DeleteFunc(fields, func(f field) bool { return f.name == paddleSignature })
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for i, f := range fields {
		// PHP would make an array of the one, and forget the first of the other.
		if strings.ContainsAny(f.name, "[. ") || i > 0 && fields[i-1].name == f.name {
			return buf, invalidSignature(DetailMalformedPart, "form "+f.name)
		}
	}
	buf = fmt.Appendf(buf, "a:%d:{", len(fields))
	for _, f := range fields {
		buf = fmt.Appendf(buf, `s:%d:"%s";s:%d:"%s";`, len(f.name), f.name, len(f.value), f.value)
	}
	return append(buf, '}'), nil
}
