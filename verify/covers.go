package verify

import (
	"slices"
	"strings"
)

// coversBody reports whether a signature of s is good for one body only, to the byte.
// If it is not, an attacker who has seen a webhook can add to its body, or change parts.
func (s *scheme) coversBody() bool {
	switch kind := s.special.(type) {
	case nil:
	case *jwt:
		return s.Signature.From == fromBody || slices.ContainsFunc(kind.claims, func(c claim) bool { return c.detail() == DetailBodyDigestMismatch })
	case *items:
		return false
	default:
		return true
	}
	return s.algorithm.kind != kindCredential && !slices.ContainsFunc(s.contents, func(t template) bool { return !t.coversBody() })
}

// coversBody is about one content. CRC-32 is no digest in this sense: another body of
// the same checksum is quickly found. The fields of a sorted form are all covered.
func (t template) coversBody() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool {
		switch p.kind {
		case partBody, partPlainBody, partFormSorted:
			return true
		case partBodyDigest:
			return p.text != "body_crc32"
		case partCanonical:
			return p.canonical.body
		}
		return false
	})
}

// coversQuery is the same for the query of the URL.
func (s *scheme) coversQuery() bool {
	if s.special != nil {
		return s.special.signsURL()
	}
	return s.algorithm.kind != kindCredential && !slices.ContainsFunc(s.contents, func(t template) bool {
		return !t.uses(withQuery...) &&
			!slices.ContainsFunc(t.parts, func(p part) bool {
				return p.kind == partCanonical && (p.canonical.url == partURL || p.canonical.url == partPathQuery || p.canonical.url == partQuery)
			})
	})
}

// vouchesFor reports whether the value at source is safe from an attacker who has seen the
// webhook. A token vouches for all values: with the token an attacker can send anything.
func (s *scheme) vouchesFor(source Source) bool {
	if s.algorithm.kind == kindCredential || holds(source, s.Signature) {
		return true
	}
	switch s.special.(type) {
	case nil:
	case *items: // whose signed members are all read strictly
		return source.inBody()
	case *jwt: // one that does not cover the body is as good as a token, while it lasts
		return !s.coversBody() || source.inBody() || source.From == FromQuery && s.coversQuery()
	default:
		return source.inBody() && s.coversBody() || source.From == FromQuery && s.coversQuery()
	}
	return !slices.ContainsFunc(s.contents, func(t template) bool {
		return !t.covers(source) && !(t.uses(partID) && source == s.ID)
	})
}

// holds reports whether the signature is a part of the value at source, with all that it signs.
// Nobody can make such a value for a webhook that is still to come.
func holds(source, signature Source) bool {
	return source.From == FromForm && signature.From == FromFormJSON && strings.HasPrefix(signature.Name, source.Name+" ")
}

// vouchesForURL is the same of path and query.
func (s *scheme) vouchesForURL() bool {
	return s.algorithm.kind == kindCredential || s.coversQuery()
}

// Vouches reports whether a signature of the provider proves the values at all of these sources, so
// that they can identify an event by themselves. If it does not, an attacker who has seen a webhook
// could send it with the id of a later event.
func (v *Verifier) Vouches(sources []Source) bool {
	return !slices.ContainsFunc(sources, func(source Source) bool {
		return slices.ContainsFunc(v.possible, func(s *scheme) bool { return !s.vouchesFor(source) })
	})
}

// VouchesForURL is Vouches for path and query of the URL.
func (v *Verifier) VouchesForURL() bool {
	return !slices.ContainsFunc(v.possible, func(s *scheme) bool { return !s.vouchesForURL() })
}
