package verify

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
)

// If a handshake is answered with a signature, any sender can get a text signed with the
// provider's key. Such a text must never be the content of a webhook. So a content can
// either be signed by a handshake or belong to a webhook, never both. Handshake.Pattern
// separates the two, for all schemes of the provider.

// maxChallenge bounds what a handshake signs, in bytes.
const maxChallenge = 1024

// prove returns the signature or digest of the handshake's content.
func (v *Verifier) prove(h *handshake, d *document) ([]byte, bool) {
	in := newInput(d.request)
	defer in.release()
	d.body() // here, where it is given back
	in.ownDocument = *d
	in.document = &in.ownDocument
	var content shortBuffer
	if err := h.sign.writeTo(&content, in); err != nil || !h.Digest && !h.signs(content) {
		return nil, false
	}
	if h.Digest {
		digest := sha256.Sum256(content.text)
		return digest[:], !content.long
	}
	for _, s := range v.schemes {
		if s.signer != nil {
			proof, err := s.signer.sign(literal(string(content.text)), in)
			return proof, err == nil
		}
	}
	return nil, false
}

// signs reports whether the handshake's answer may have a signature of content.
func (h *handshake) signs(content shortBuffer) bool {
	return h.pattern != nil && !content.long && h.pattern.Match(content.text) && !json.Valid(content.text)
}

// keepApart tells schemes of what the handshakes sign.
func keepApart(schemes []*scheme, handshakes []handshake) {
	for _, s := range schemes {
		for i := range handshakes {
			if handshakes[i].pattern != nil {
				s.greetings = append(s.greetings, &handshakes[i])
			}
		}
	}
}

// isGreeting reports whether content, whose signature was found right, is one that a
// handshake signs.
func (s *scheme) isGreeting(content template, in *input) bool {
	if len(s.greetings) == 0 {
		return false
	}
	var text shortBuffer
	if err := content.writeTo(&text, in); err != nil {
		return true // it was written a moment ago
	}
	return slices.ContainsFunc(s.greetings, func(h *handshake) bool { return h.signs(text) })
}

// shortBuffer is a writer that keeps what is no longer than maxChallenge.
type shortBuffer struct {
	text []byte
	long bool
}

func (b *shortBuffer) Write(text []byte) (int, error) {
	if b.long = b.long || len(b.text)+len(text) > maxChallenge; !b.long {
		b.text = append(b.text, text...)
	}
	return len(text), nil
}
