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
		if s.contents[0].signsURL() || s.special != nil && s.special.signsURL() {
			x.flipURL(t, v, s)
		}
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
	if x.BodyUnsigned {
		return
	}
	reasons := []Reason{InvalidSignature}
	if s.Timestamp.inBody() {
		reasons = append(reasons, InvalidTimestamp)
	}
	if s.Signature.inBody() {
		reasons = append(reasons, MissingSignature)
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
		case p.kind != partSource || x.Several:
		case p.source.From == FromHeader:
			x.flipHeader(t, v, p.source.Name, InvalidSignature, InvalidTimestamp)
			r := x.request(t)
			r.Header.Del(p.source.Name)
			refused(t, v, r, "no "+p.source.Name, InvalidSignature, InvalidTimestamp)
		case p.source.From == FromQuery:
			value, _ := p.source.Extract(x.request(t))
			for i, flipped := range flips(value) {
				r := x.request(t)
				r.setQuery(p.source.Name, flipped)
				refused(t, v, r, p.source.Name+" byte "+itoa(i)+" flipped", InvalidSignature, InvalidTimestamp)
			}
		}
	}
}

func (x *vector) flipURL(t *testing.T, v *Verifier, s *scheme) {
	uri := x.request(t).URI
	if s.contents[0].uses(partURLWithoutQuery, partPath) {
		uri = x.request(t).path()
	}
	for i, uri := range flips(uri) {
		r := x.request(t)
		r.URI = uri
		refused(t, v, r, "URI byte "+itoa(i)+" flipped", InvalidSignature, MissingSignature)
	}
	if s.contents[0].uses(partPath, partPathQuery) {
		return
	}
	for i, host := range flips((&Request{Host: x.request(t).Host}).hostWithoutPort()) {
		r := x.request(t)
		r.Host = strings.Replace(r.Host, r.hostWithoutPort(), host, 1)
		refused(t, v, r, "host byte "+itoa(i)+" flipped", InvalidSignature)
	}
	r := x.request(t)
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
