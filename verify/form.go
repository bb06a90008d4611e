package verify

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxFormFields bounds what {form_sorted} sorts.
const maxFormFields = 1000

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
	type field struct{ name, value string }
	var fields []field
	for pair := range strings.SplitSeq(string(r.Body), "&") {
		if pair == "" {
			continue
		}
		if len(fields) == maxFormFields {
			return buf, invalidSignature(DetailMalformedPart, fmt.Sprintf("the form has more than %d fields", maxFormFields))
		}
		key, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(key)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return buf, invalidSignature(DetailMalformedPart, "the form has a bad percent escape")
		}
		fields = append(fields, field{name, value})
	}
	slices.SortFunc(fields, func(a, b field) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for _, f := range slices.Compact(fields) {
		buf = append(append(buf, f.name...), f.value...)
	}
	return buf, nil
}
