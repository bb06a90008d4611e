package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"math/big"
	"sync"
)

// algorithmKind is what keys an algorithm needs.
type algorithmKind int

const (
	kindHMAC       algorithmKind = iota // a shared secret
	kindPublicKey                       // the provider's public key
	kindCredential                      // the shared secret itself is sent
)

// Names that the rest of the package has to tell apart.
const (
	algorithmEd25519 = "ed25519"
	algorithmRSA     = "rsa-sha256"
	algorithmRSAPSS  = "rsa-pss-sha256"
	algorithmECDSA   = "ecdsa-p256-sha256"
	algorithmToken   = "token"
	algorithmBasic   = "basic"
)

type algorithm struct {
	name          string
	kind          algorithmKind
	hash          func() hash.Hash // kindHMAC only
	defaultFormat string
}

var algorithms = []algorithm{
	{"hmac-sha1", kindHMAC, sha1.New, "{hex}"},
	{"hmac-sha256", kindHMAC, sha256.New, "{hex}"},
	{"hmac-sha384", kindHMAC, sha512.New384, "{hex}"},
	{"hmac-sha512", kindHMAC, sha512.New, "{hex}"},
	{algorithmEd25519, kindPublicKey, nil, "{base64}"},
	{algorithmRSA, kindPublicKey, nil, "{base64}"},
	{algorithmRSAPSS, kindPublicKey, nil, "{base64}"},
	{algorithmECDSA, kindPublicKey, nil, "{base64}"},
	{algorithmToken, kindCredential, nil, "{token}"},
	{algorithmBasic, kindCredential, nil, "Basic {base64}"},
}

func algorithmNamed(name string) (*algorithm, error) {
	want := ""
	for i := range algorithms {
		if algorithms[i].name == name {
			return &algorithms[i], nil
		}
		want += " " + algorithms[i].name
	}
	if name == "" {
		return nil, fmt.Errorf("algorithm is missing: want one of%s", want)
	}
	return nil, fmt.Errorf("unknown algorithm %q: want one of%s", name, want)
}

// key checks signatures. Keys are safe for concurrent use.
type key interface {
	// matches reports whether one of in's signatures is right for content. An
	// error means that the content could not be put together.
	matches(content template, in *input) (bool, *Error)
}

// signer makes signatures. Signers are safe for concurrent use.
type signer interface {
	sign(content template, in *input) ([]byte, error)
}

// hmacKey keeps hash states that have absorbed the key already, since that is
// half the work for a short webhook (RFC 2104, section 4).
type hmacKey struct{ states sync.Pool }

type hmacState struct {
	hash hash.Hash
	sum  [sha512.Size]byte
}

func newHMACKey(newHash func() hash.Hash, secret []byte) *hmacKey {
	return &hmacKey{sync.Pool{New: func() any { return &hmacState{hash: hmac.New(newHash, secret)} }}}
}

func (k *hmacKey) matches(content template, in *input) (bool, *Error) {
	state := k.states.Get().(*hmacState)
	defer k.states.Put(state)
	state.hash.Reset()
	if err := content.writeTo(state.hash, in); err != nil {
		return false, err
	}
	want := state.hash.Sum(state.sum[:0])
	for _, signature := range in.signatures {
		if hmac.Equal(signature, want) {
			return true, nil
		}
	}
	return false, nil
}

func (k *hmacKey) sign(content template, in *input) ([]byte, error) {
	state := k.states.Get().(*hmacState)
	defer k.states.Put(state)
	state.hash.Reset()
	if err := content.writeTo(state.hash, in); err != nil {
		return nil, err
	}
	return state.hash.Sum(nil), nil
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

// publicKey checks signatures that were made with the private key of the pair.
type publicKey struct {
	algorithm string
	key       crypto.PublicKey // of the type that the algorithm needs
}

func (k *publicKey) matches(content template, in *input) (bool, *Error) {
	message, err := signedMessage(k.algorithm, content, in)
	if err != nil {
		return false, err
	}
	for _, signature := range in.signatures {
		if k.verify(message, signature) {
			return true, nil
		}
	}
	return false, nil
}

// verify checks one signature over a message (Ed25519) or a SHA-256 digest (the others).
func (k *publicKey) verify(message, signature []byte) bool {
	switch k.algorithm {
	case algorithmEd25519:
		return ed25519.Verify(k.key.(ed25519.PublicKey), message, signature)
	case algorithmRSA:
		return rsa.VerifyPKCS1v15(k.key.(*rsa.PublicKey), crypto.SHA256, message, signature) == nil
	case algorithmRSAPSS:
		return rsa.VerifyPSS(k.key.(*rsa.PublicKey), crypto.SHA256, message, signature, nil) == nil
	default: // algorithmECDSA
		return verifyECDSA(k.key.(*ecdsa.PublicKey), message, signature)
	}
}

// verifyECDSA takes both forms in use: ASN.1 DER, and r and s side by side.
func verifyECDSA(k *ecdsa.PublicKey, digest, signature []byte) bool {
	if ecdsa.VerifyASN1(k, digest, signature) {
		return true
	}
	const n = 32 // bytes of r, and of s, on P-256
	if len(signature) != 2*n {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
	return ecdsa.Verify(k, digest, r, s)
}

// signedMessage is what a private key signs: Ed25519 the content itself, the
// others its SHA-256.
func signedMessage(algorithm string, content template, in *input) ([]byte, *Error) {
	if algorithm == algorithmEd25519 {
		var message messageBuffer
		err := content.writeTo(&message, in)
		return message, err
	}
	h := sha256.New()
	err := content.writeTo(h, in)
	return h.Sum(nil), err
}

type messageBuffer []byte

func (b *messageBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// privateKey signs; for an application that verifies re-signed webhooks, and for
// trying things out.
type privateKey struct {
	algorithm string
	key       crypto.Signer
}

func (k *privateKey) sign(content template, in *input) ([]byte, error) {
	message, err := signedMessage(k.algorithm, content, in)
	if err != nil {
		return nil, err
	}
	var options crypto.SignerOpts = crypto.SHA256
	switch k.algorithm {
	case algorithmEd25519:
		options = crypto.Hash(0)
	case algorithmRSAPSS:
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	}
	return k.key.Sign(rand.Reader, message, options)
}
