package verify

import "slices"

// Traits are what can be said of a provider's webhooks without its keys, for people.
type Traits struct {
	SharedSecret   bool // it has a scheme with a shared secret
	KeyPair        bool // it has a scheme with a public key that the operator configures
	FetchedKeys    bool // it publishes its public keys, and they are fetched
	SignsTimestamp bool // a time is signed, so that old webhooks are refused
	Ways           []Way
}

// Way is one way of signing.
type Way struct {
	Algorithm string // as in Scheme.Algorithm, or the form of a token, such as "JWT (HS256)"
	Content   string // a template, or what stands for it; empty where nothing is signed
	Place     string // where the signature is, as the configuration spells it
}

// Traits looks at the schemes.
func (p *Provider) Traits() Traits {
	set := p.anySettings()
	var t Traits
	for i := range p.Schemes {
		s, err := p.Schemes[i].compile(set)
		if err != nil {
			continue // the tests of the table do not let this happen
		}
		signsTimestamp := s.signsTimestamp || s.special != nil && s.special.signsTimestamp()
		fetched := s.locate != nil
		pair := usesKeyPair(s)
		t.FetchedKeys = t.FetchedKeys || fetched
		t.KeyPair = t.KeyPair || pair && !fetched
		t.SharedSecret = t.SharedSecret || !pair
		t.SignsTimestamp = t.SignsTimestamp || signsTimestamp
		if w := s.way(); !slices.Contains(t.Ways, w) {
			t.Ways = append(t.Ways, w)
		}
	}
	return t
}

func (s *scheme) way() Way {
	w := Way{Algorithm: s.Algorithm, Content: s.Content, Place: s.Signature.String()}
	if s.Signature.From == fromBody {
		w.Place = "the body"
	}
	switch kind := s.special.(type) {
	case nil:
		switch {
		case len(s.Scheme.canonical) > 0:
			w.Content = "a canonical form of the request"
		case s.algorithm.kind == kindCredential:
			w.Content = ""
		case w.Content == "":
			w.Content = "{body}"
		}
	case *jwt:
		w.Algorithm, w.Content = "JWT ("+kind.alg+")", "its claims"
	case *detachedJWS:
		w.Algorithm, w.Content = "JWS ("+kind.alg+")", "{body}"
	case *items:
		w.Content = "each item of the body"
	default:
		w.Content = "{body}"
	}
	return w
}
