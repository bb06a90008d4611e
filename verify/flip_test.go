package verify

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// refused checks that r is refused for one of reasons.
func refused(t *testing.T, v *Verifier, r *Request, what string, reasons ...Reason) {
	t.Helper()
	_, err := v.Verify(r)
	var e *Error
	switch {
	case err == nil:
		t.Errorf("accepted with %s", what)
	case !errors.As(err, &e) || !slices.Contains(reasons, e.Reason):
		t.Errorf("with %s: %v, want %v", what, err, reasons)
	}
}

// flips yields text with one bit of each byte changed, of some bytes if it is long.
func flips(text string) func(yield func(int, string) bool) {
	step := max(1, len(text)/300)
	return func(yield func(int, string) bool) {
		for i := 0; i < len(text); i += step {
			flipped := []byte(text)
			flipped[i] ^= 1
			if !yield(i, string(flipped)) {
				return
			}
		}
	}
}

func TestVectorsWithOneBitFlipped(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		s := v.usedScheme(x.request(t))
		x.flipBody(t, v, s)
		x.flipKey(t)
		x.flipParts(t, v, s)
		if s.Timestamp.From == FromHeader {
			x.flipHeader(t, v, s.Timestamp.Name, InvalidSignature, InvalidTimestamp)
		}
		if s.signsID {
			x.flipHeader(t, v, s.ID.Name, InvalidSignature)
		}
		if s.Signature.From == FromHeader && !x.Several {
			reasons := []Reason{InvalidSignature}
			if s.format.hasTimestamp() {
				reasons = append(reasons, InvalidTimestamp)
			}
			x.flipHeader(t, v, s.Signature.Name, reasons...)
		}
		x.flipURL(t, v, s)
	})
}

// usedScheme is the first scheme that is present.
func (v *Verifier) usedScheme(r *Request) *scheme {
	for _, s := range v.schemes {
		if s.present(r) {
			return s
		}
	}
	return nil
}

func (x *vector) flipBody(t *testing.T, v *Verifier, s *scheme) {
	if x.BodyUnsigned || x.Several && s.Signature.inBody() {
		return
	}
	reasons := []Reason{InvalidSignature}
	if s.Timestamp.inBody() {
		reasons = append(reasons, InvalidTimestamp)
	}
	if s.Signature.inBody() {
		reasons = append(reasons, MissingSignature)
	}
	if x.Fetched != nil {
		reasons = append(reasons, KeyUnavailable) // the id of the key is in the body
	}
	for i, body := range flips(string(x.request(t).Body)) {
		r := x.request(t)
		r.Body = []byte(body)
		refused(t, v, r, "body byte "+itoa(i)+" flipped", reasons...)
	}
	r := x.request(t)
	r.Body = append(r.Body, 'x')
	refused(t, v, r, "a longer body", reasons...)
	if len(r.Body) > 1 {
		r.Body = r.Body[:len(r.Body)-2]
		refused(t, v, r, "a shorter body", reasons...)
		r.Body = nil
		refused(t, v, r, "no body", reasons...)
	}
}

func (x *vector) flipHeader(t *testing.T, v *Verifier, name string, reasons ...Reason) {
	if x.Fetched != nil {
		reasons = append(reasons, KeyUnavailable) // after so many unknown keys
	}
	for i, value := range flips(x.request(t).Header.Get(name)) {
		r := x.request(t)
		r.Header.Set(name, value)
		refused(t, v, r, name+" byte "+itoa(i)+" flipped", reasons...)
	}
}

// flipParts changes and removes what is signed by name.
func (x *vector) flipParts(t *testing.T, v *Verifier, s *scheme) {
	for _, p := range s.contents[0].parts {
		switch {
		case x.Several:
		case p.kind == partCanonical:
			for _, source := range p.canonical.reads {
				x.flipSource(t, v, source)
			}
		case p.kind == partSource:
			x.flipSource(t, v, p.source)
		}
	}
}

// flipSource changes and removes one value that is signed.
func (x *vector) flipSource(t *testing.T, v *Verifier, source Source) {
	value, found := source.Extract(x.request(t))
	if !found {
		return
	}
	switch source.From {
	case FromHeader:
		x.flipHeader(t, v, source.Name, InvalidSignature, InvalidTimestamp)
		r := x.request(t)
		r.Header.Del(source.Name)
		refused(t, v, r, "no "+source.Name, InvalidSignature, InvalidTimestamp)
	case FromQuery:
		for i, flipped := range flips(value) {
			r := x.request(t)
			r.setQuery(source.Name, flipped)
			refused(t, v, r, source.Name+" byte "+itoa(i)+" flipped", InvalidSignature, InvalidTimestamp)
		}
	}
}

// signedPart is the part of the URL that a webhook cannot be changed in.
func (s *scheme) signedPart() partKind {
	if s.special != nil && s.special.signsURL() {
		return partURL
	}
	for _, p := range s.contents[0].parts {
		switch {
		case p.kind == partCanonical:
			return p.canonical.url
		case slices.Contains([]partKind{partURL, partURLWithoutQuery, partPath, partPathQuery}, p.kind):
			return p.kind
		}
	}
	return partLiteral
}

func (x *vector) flipURL(t *testing.T, v *Verifier, s *scheme) {
	signed, r := s.signedPart(), x.request(t)
	var uris []string
	path, query, _ := strings.Cut(r.URI, "?")
	for _, flipped := range flips(path) {
		uris = append(uris, strings.TrimSuffix(flipped+"?"+query, "?"))
	}
	if x.URLUnsigned {
		return
	}
	switch signed {
	case partLiteral:
		return
	case partQuery:
		uris = nil
		fallthrough
	case partURL, partPathQuery:
		for _, flipped := range flips(query) {
			uris = append(uris, path+"?"+flipped)
		}
	}
	for i, uri := range uris {
		r := x.request(t)
		r.URI = uri
		refused(t, v, r, "URI "+itoa(i)+" flipped", InvalidSignature, MissingSignature)
	}
	if signed != partURL && signed != partURLWithoutQuery {
		return
	}
	for i, host := range flips((&Request{Host: r.Host}).hostWithoutPort()) {
		r := x.request(t)
		r.Host = strings.Replace(r.Host, r.hostWithoutPort(), host, 1)
		refused(t, v, r, "host byte "+itoa(i)+" flipped", InvalidSignature)
	}
	r.Scheme = map[string]string{"http": "https", "https": "http"}[r.Scheme]
	refused(t, v, r, "the other scheme", InvalidSignature)
}

func (x *vector) flipKey(t *testing.T) {
	if x.Several && len(x.PublicKeys) > 0 {
		return // any of two is enough
	}
	for _, list := range []string{"secret", "public key"} {
		keys := x.Secrets
		if list == "public key" {
			keys = x.PublicKeys
		}
		if x.SecretIndex >= len(keys) {
			continue
		}
		for i, flipped := range flips(keys[x.SecretIndex]) {
			o := x.options()
			if list == "secret" {
				o.Secrets[x.SecretIndex] = flipped
			} else {
				o.PublicKeys[x.SecretIndex] = flipped
			}
			v, err := x.provider.NewVerifier(o)
			if err != nil || sameKey(flipped, keys[x.SecretIndex]) {
				continue // refused at once, or spelled differently only
			}
			refused(t, v, x.request(t), list+" byte "+itoa(i)+" flipped", InvalidSignature)
		}
	}
}

// TestVectorsWithoutAPart removes each header of the scheme in turn.
func TestVectorsWithoutAPart(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		s := v.usedScheme(x.request(t))
		for source, reason := range map[Source]Reason{
			s.Signature:        MissingSignature,
			s.Timestamp.Source: InvalidTimestamp,
			s.ID:               InvalidSignature,
		} {
			if source.From != FromHeader || source == s.ID && !s.signsID {
				continue
			}
			for _, values := range [][]string{nil, {""}} {
				r := x.request(t)
				r.Header[source.Name] = values
				refused(t, v, r, source.Name+" empty", reason)
			}
			if source == s.Signature && s.format.separator != "" {
				continue // several values are one list
			}
			r := x.request(t)
			r.Header.Add(source.Name, "x")
			if source == s.Signature {
				reason = InvalidSignature
			}
			refused(t, v, r, source.Name+" twice", reason)
		}
	})
}
