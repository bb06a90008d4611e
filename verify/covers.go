package verify

import "slices"

// coversBody reports whether a signature of s is good for one body only, to the byte.
// Where it is not, somebody who has seen a webhook can add to its body, or change parts.
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
		return !t.uses(partURL, partURLWithPort, partURLWithoutPort, partPathQuery) &&
			!slices.ContainsFunc(t.parts, func(p part) bool {
				return p.kind == partCanonical && (p.canonical.url == partURL || p.canonical.url == partPathQuery || p.canonical.url == partQuery)
			})
	})
}
