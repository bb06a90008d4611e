package verify

import "iter"

// HeaderNames returns the headers that s reads, each as it is spelled there, after the setting that
// names it: "signature", "timestamp", "id", "type", "body_digest" or "content". A content that is
// not valid has none; see Validate.
func (s *Scheme) HeaderNames() iter.Seq2[string, string] {
	return func(yield func(setting, name string) bool) {
		for _, place := range []struct {
			setting string
			source  Source
		}{
			{"signature", s.Signature}, {"timestamp", s.Timestamp.Source}, {"id", s.ID}, {"type", s.Type}, {"body_digest", s.BodyDigest},
		} {
			if place.source.From == FromHeader && !yield(place.setting, place.source.Name) {
				return
			}
		}
		for _, text := range append([]string{s.Content}, s.Alternatives...) {
			t, err := parseTemplate(text, nil)
			if err != nil {
				continue
			}
			for _, p := range t.parts {
				if p.kind == partSource && p.source.From == FromHeader && !yield("content", p.source.Name) {
					return
				}
			}
		}
	}
}
