package verify

import (
	"slices"
	"strings"
)

// Many frameworks put the fields of a form and the parameters of the query into one map:
// Java's getParameter, ASP.NET's Request[…], PHP's $_REQUEST, Go's FormValue, the params of
// Rack and, with the members of JSON, of Rails and Laravel. Which one wins differs. So where
// we go by one of them, the same name must not come in the other place, if that is not signed.

// takeCrossed returns the sources that an attacker could add in the other place.
func (s *scheme) takeCrossed(sources []Source) (crossed []Source) {
	for _, source := range sources {
		loose := source.From == FromQuery && s.looseBody ||
			(source.From == FromForm || source.From == FromFormJSON) && s.looseQuery && !s.covers(query(source.field()))
		if loose && !slices.Contains(crossed, source) {
			crossed = append(crossed, source)
		}
	}
	return crossed
}

// field is the name of the field or parameter that s looks at.
func (s Source) field() string {
	if s.From == FromFormJSON {
		field, _, _ := strings.Cut(s.Name, " ")
		return field
	}
	return s.Name
}

// checkCrossed refuses a webhook that has such a name in both places.
func (s *scheme) checkCrossed(d *document) *Error {
	text := d.request.query()
	if text == "" || len(s.crossed) == 0 {
		return nil // there is but one place
	}
	for _, source := range s.crossed {
		name := source.field()
		folded := foldName(name)
		if _, n := findField(text, name); n == 0 && mentioned(text, func(name string) bool { return name == folded }) == "" {
			continue
		}
		if source.From != FromQuery && len(d.form(name)) > 0 {
			return ambiguous(DetailAmbiguousField, source.String()+", and in the query")
		}
		if source.From == FromQuery && !s.covers(form(name)) && d.has(name) {
			return ambiguous(DetailAmbiguousField, source.String()+", and in the body")
		}
	}
	return nil
}

// has reports whether the body has a field of that name, or a member at its top.
func (d *document) has(name string) bool {
	if d.kind() != kindJSON {
		return len(d.form(name)) > 0
	}
	member, certain := step(d.root(), name)
	return member.Exists() || !certain
}

// covers reports whether the value at source is signed, whatever was.
func (s *scheme) covers(source Source) bool {
	return s.algorithm.kind != kindCredential && s.special == nil &&
		!slices.ContainsFunc(s.contents, func(t template) bool { return !t.covers(source) })
}

// checkSameNames is checkCrossed where a form is signed to the last byte and the query is not,
// or the reverse: then all of its fields are what was signed. It is for webhooks whose
// signature was found right; the time is bounded by their size.
func (s *scheme) checkSameNames(d *document) *Error {
	text := d.request.query()
	if text == "" || s.looseBody == s.looseQuery || len(d.request.Body) == 0 {
		return nil
	}
	names, buf := map[string]struct{}{}, []byte(nil)
	note := func(pair string) {
		buf = appendSpelled(buf[:0], pair)
		if _, found := names[string(buf)]; !found { // which allocates nothing
			names[string(buf)] = struct{}{}
		}
	}
	switch d.kind() {
	case kindForm:
		for pair := range strings.SplitSeq(view(d.request.Body), "&") {
			note(pair)
		}
	case kindMultipart:
		for _, part := range d.multipart() {
			note(part.name)
		}
	}
	delete(names, "")
	for _, source := range s.looksAt() {
		if (source.From == FromForm || source.From == FromQuery) && s.covers(source) {
			delete(names, foldName(source.Name)) // signed by itself: so it is in both places
		}
	}
	if len(names) == 0 {
		return nil
	}
	if name := mentioned(text, func(name string) bool { _, found := names[name]; return found }); name != "" {
		return ambiguous(DetailAmbiguousField, "query "+name+", which the form has too")
	}
	return nil
}

// maxDecoded is how often a query is unescaped to find a name in it.
const maxDecoded = 5

// mentioned returns a wanted name, folded, that some could find in the query: in front of any
// character at which a name could end, behind any at which a pair could begin, however often the
// query is unescaped. Empty if there is none.
func mentioned(query string, wanted func(folded string) bool) string {
	text := strings.ReplaceAll(query, "+", " ")
	for range maxDecoded {
		for pair := range strings.FieldsFuncSeq(text, func(c rune) bool { return strings.ContainsRune("&?"+oddSeparators, c) }) {
			if name := nameIn(strings.TrimLeft(pair, frontOfNames), wanted); name != "" {
				return name
			}
		}
		decoded := unescapeLoosely(text)
		if decoded == text {
			break
		}
		text = decoded
	}
	return ""
}

// nameIn is mentioned of one pair, decoded: the name may be cut at some characters in it.
func nameIn(pair string, wanted func(folded string) bool) string {
	name, _, _ := strings.Cut(pair, "=")
	for i, cuts := 0, 2*maxCuts; i < len(name) && cuts > 0; i++ {
		if strings.IndexByte("[]\x00.", name[i]) < 0 {
			continue
		}
		if folded := foldName(name[:i]); wanted(folded) {
			return folded
		}
		cuts--
	}
	if folded := foldName(name); wanted(folded) {
		return folded
	}
	return ""
}
