package verify

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// If only parts of a request are signed, an attacker who has seen a webhook can add others.
// Then the parts that we take for signed must be the same that every application takes for
// them, or the webhook is refused. A place that is signed to the last byte comes from the
// provider as a whole: there an uncertain value counts as missing.

// takeSources notes where an attacker could add to a webhook, for each scheme and for all.
func (v *Verifier) takeSources(schemes []*scheme) {
	row := v.provider
	for _, s := range schemes {
		s.takeSources(row)
		v.takesParts = v.takesParts || s.takesMembers || s.takesFields
		v.goesByBody = v.goesByBody || s.looseBody && slices.ContainsFunc(slices.Concat(row.EventID, row.EventType), Source.inBody)
	}
}

// takeSources notes the places by which s proves a webhook, and to which an attacker could add.
func (s *scheme) takeSources(row *Provider) {
	own := s.looksAt()
	for _, b := range s.binds {
		own = append(own, b.source)
	}
	s.looseBody, s.looseQuery = !s.coversBody(), !s.coversQuery()
	for _, source := range slices.Concat(own, row.Identity) {
		if s.isLoose(source) && !slices.Contains(s.loose, source) {
			s.loose = append(s.loose, source)
		}
	}
	for _, sources := range [][]Source{row.EventID, row.EventType} {
		if slices.ContainsFunc(sources, s.isLoose) {
			s.looseIdentity = append(s.looseIdentity, sources)
		}
	}
	s.crossed = s.takeCrossed(slices.Concat(own, row.Identity, row.EventID, row.EventType))
	s.takesMembers = s.looseBody && slices.ContainsFunc(own, func(s Source) bool { return s.From == FromJSON })
	s.takesFields = s.looseBody && slices.ContainsFunc(own, func(s Source) bool { return s.From == FromForm || s.From == FromFormJSON })
}

// isLoose reports whether an attacker could add to the place where source looks.
func (s *scheme) isLoose(source Source) bool {
	if field, _, _ := strings.Cut(source.Name, " "); source.From == FromFormJSON && s.signsField(field) {
		return false // the field is signed as a whole, and looked at by itself
	}
	return source.From == FromQuery && s.looseQuery || source.inBody() && source.From != fromBody && s.looseBody
}

func (s *scheme) signsField(name string) bool {
	lacks := func(t template) bool {
		return !slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == partSource && p.source == form(name) })
	}
	return s.algorithm.kind != kindCredential && s.special == nil && !slices.ContainsFunc(s.contents, lacks)
}

// checkLoose refuses a webhook in which applications could find different values at one of
// those places, or where the event's id and type are read.
func (s *scheme) checkLoose(d *document) *Error {
	for _, source := range s.loose {
		if err := source.checkCertain(d); err != nil {
			return err
		}
	}
	if err := s.checkLooseIdentity(d); err != nil {
		return err
	}
	if err := s.checkCrossed(d); err != nil {
		return err
	}
	if s.takesMembers && d.kind() == kindJSON && !utf8.Valid(d.request.Body) {
		return ambiguous(DetailAmbiguousMember, "the body is not UTF-8")
	}
	if s.takesFields {
		for _, name := range reinterpreting {
			if len(d.form(name)) > 0 { // few bodies have them: nothing is decoded
				return ambiguous(DetailAmbiguousField, "form "+name)
			}
		}
	}
	return nil
}

// checkLooseIdentity is checkLoose where the event's id and type are read.
func (s *scheme) checkLooseIdentity(d *document) *Error {
	for _, sources := range s.looseIdentity {
		for _, source := range sources {
			if err := source.checkCertain(d); err != nil && s.isLoose(source) {
				return err
			}
			if _, found := source.extract(d); found {
				break // the others are not looked at
			}
		}
	}
	return nil
}

// checkText looks at the text of a webhook that is verified, and written in another
// way than what checkLoose and checkLabels understand: its id and type come from there.
func (v *Verifier) checkText(s *scheme, d *document) *Error {
	if len(s.looseIdentity) == 0 || d.plain() {
		return nil
	}
	text := new(document).open(d.request, asText)
	defer text.end()
	if v.goesByBody && text.kind() == kindJSON && !text.labelled() {
		return ambiguous(DetailMislabelledBody, "header Content-Type")
	}
	return s.checkLooseIdentity(text)
}

// plain reports whether the text of the body is what d, which is read as sent, has.
func (d *document) plain() bool {
	text, plain := textOf(d.request.Body)
	if d.kind() == kindJSON {
		return plain && d.root().Exists()
	}
	return plain && len(text) == len(d.request.Body)
}

// checkCertain reports what is there several times. It decodes no value.
func (s Source) checkCertain(d *document) *Error {
	switch s.From {
	case FromQuery:
		if _, n := findField(d.request.query(), s.Name); n > 1 {
			return ambiguous(DetailAmbiguousField, s.String())
		}
	case FromForm:
		if d.kind() == kindForm {
			if _, n := d.field(s.Name); n > 1 {
				return ambiguous(DetailAmbiguousField, s.String())
			}
		} else if len(d.form(s.Name)) > 1 {
			return ambiguous(DetailAmbiguousField, s.String())
		}
	case FromJSON:
		if value, certain := d.value(s.Name); !certain || isUnreadable(value) {
			return ambiguous(DetailAmbiguousMember, s.String())
		}
	case FromFormJSON:
		field, pointer, _ := strings.Cut(s.Name, " ")
		values := d.formJSON(field, pointer)
		if text := d.inner(field).values; len(text) > 1 || len(text) == 1 && !utf8.ValidString(text[0]) {
			return ambiguous(DetailAmbiguousField, s.String())
		}
		if len(values) > 1 {
			return ambiguous(DetailAmbiguousMember, s.String())
		}
	}
	return nil
}

// reinterpreting are fields that make frameworks take the request for one by another
// method, or in another charset. No provider sends them.
var reinterpreting = []string{"_method", "_charset_"}

// methodOverrides are headers that do the same. No provider signs them.
var methodOverrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// watchHeaders notes the headers that the provider's webhooks are read by.
func (v *Verifier) watchHeaders() {
	v.watched = append(slices.Clone(v.headers), "Content-Type")
	for _, s := range slices.Concat(v.provider.EventID, v.provider.EventType, v.provider.Identity) {
		if name := http.CanonicalHeaderKey(s.Name); s.From == FromHeader && !slices.Contains(v.watched, name) {
			v.watched = append(v.watched, name)
		}
	}
}

// checkLabels refuses headers by which an application could take a webhook that was
// found right for another one.
func (v *Verifier) checkLabels(s *scheme, d *document) *Error {
	for _, name := range methodOverrides {
		for _, method := range d.request.Header[name] {
			if !strings.EqualFold(method, d.request.Method) {
				return ambiguous(DetailAmbiguousHeader, "header "+name)
			}
		}
	}
	if query := d.request.query(); query != "" && s.looseQuery {
		if name := mentioned(query, func(name string) bool { return slices.Contains(reinterpreting, name) }); name != "" {
			return ambiguous(DetailAmbiguousField, "query "+name)
		}
	}
	if name := headerAlias(d.request.Header, v.watched); name != "" {
		return ambiguous(DetailAmbiguousHeader, "header "+name)
	}
	if (v.takesParts || v.goesByBody && d.kind() == kindJSON) && !d.labelled() {
		return ambiguous(DetailMislabelledBody, "header Content-Type")
	}
	return s.checkSameNames(d)
}

// headerAlias returns the name of a header that CGI, and what is built like it, takes
// for one of names without being it, such as X_Signature for X-Signature; empty if
// there is none.
func headerAlias(h http.Header, names []string) string {
	for name := range h {
		if plainHeader(name) || slices.Contains(names, name) {
			continue
		}
		if slices.ContainsFunc(names, func(read string) bool { return sameForCGI(read, name) }) {
			return name
		}
	}
	return ""
}

// plainHeader reports whether name is of letters, digits and hyphens, as nearly all are.
func plainHeader(name string) bool {
	for i := range len(name) {
		if c := name[i]; c == '_' || !plainNameByte(c) {
			return false
		}
	}
	return true
}
