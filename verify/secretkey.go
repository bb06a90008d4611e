package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"sync"
)

// hashKey is a shared secret that goes into a hash: as the key of an HMAC, or
// as a part of the content. Hash states are pooled. Those of an HMAC have absorbed the
// key already, since that is half the work for a short webhook (RFC 2104, section 4).
type hashKey struct {
	states sync.Pool
	secret string // for {secret}; empty for HMAC
}

type hashState struct {
	hash hash.Hash
	sum  [sha512.Size]byte
}

func newHMACKey(newHash func() hash.Hash, secret []byte) *hashKey {
	return &hashKey{states: sync.Pool{New: func() any { return &hashState{hash: hmac.New(newHash, secret)} }}}
}

func newPlainHashKey(newHash func() hash.Hash, secret string) *hashKey {
	return &hashKey{states: sync.Pool{New: func() any { return &hashState{hash: newHash()} }}, secret: secret}
}

// sum appends the digest of content to the state's space.
func (k *hashKey) sum(state *hashState, content template, in *input) ([]byte, *Error) {
	state.hash.Reset()
	in.secret = k.secret
	err := content.writeTo(state.hash, in)
	in.secret = ""
	return state.hash.Sum(state.sum[:0]), err
}

func (k *hashKey) matches(content template, in *input) (bool, *Error) {
	state := k.states.Get().(*hashState)
	defer k.states.Put(state)
	want, err := k.sum(state, content, in)
	if err != nil {
		return false, err
	}
	for _, signature := range in.signatures {
		if hmac.Equal(signature, want) {
			return true, nil
		}
	}
	return false, nil
}

func (k *hashKey) sign(content template, in *input) ([]byte, error) {
	state := k.states.Get().(*hashState)
	defer k.states.Put(state)
	sum, err := k.sum(state, content, in)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), sum...), nil
}

// credentialKey is a secret that is sent as it is. Digests are compared, so that
// the time taken tells nothing of the secret's length either.
type credentialKey struct {
	secret string
	digest [sha256.Size]byte
}

func newCredentialKey(secret string) *credentialKey {
	return &credentialKey{secret, sha256.Sum256([]byte(secret))}
}

func (k *credentialKey) matches(_ template, in *input) (bool, *Error) {
	for _, sent := range in.signatures {
		digest := sha256.Sum256(sent)
		if subtle.ConstantTimeCompare(digest[:], k.digest[:]) == 1 {
			return true, nil
		}
	}
	return false, nil
}

func (k *credentialKey) sign(template, *input) ([]byte, error) { return []byte(k.secret), nil }
