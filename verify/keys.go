package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Values of Scheme.Key.
const (
	keyRaw    = "raw"
	keyBase64 = "base64"
	keyHex    = "hex"
	keySHA1   = "sha1"
)

// minRSABits is the least that is safe (NIST SP 800-131A).
const minRSABits = 2048

const pemStart = "-----BEGIN "

// The errors below never contain any part of what they are about.
var (
	errEmpty     = errors.New("is empty: check the placeholder or file that it comes from")
	errSpace     = errors.New("begins or ends with white space: remove it (a trailing line break, often)")
	errNotBase64 = errors.New("is not base64: copy it whole, as the provider shows it")
	errNotHex    = errors.New("is not hex: copy it whole, as the provider shows it")
	errNoColon   = errors.New(`has no colon: want "user:password"`)
	errKeyForm   = errors.New("has an unknown form: want PEM (public key or certificate), a JWK, or hex or base64 of DER or of a raw Ed25519 key")
	errPrivate   = errors.New("is a private key: give the provider's public key")
	errDamaged   = errors.New("is damaged: its public half is of another key")
	errNoPrivate = errors.New("is no private key: want PEM (PKCS #8, PKCS #1 or SEC 1)")
)

// checkText refuses what is surely a mistake.
func checkText(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errEmpty
	case strings.TrimSpace(text) != text && !strings.HasPrefix(text, pemStart):
		return errSpace
	}
	return nil
}

// secretKey makes the key of a scheme that uses shared secrets. It signs as well as it verifies.
func (s *scheme) secretKey(secret string) (interface {
	key
	signer
}, error) {
	secret = strings.TrimPrefix(secret, s.KeyPrefix)
	if secret == "" {
		return nil, errEmpty
	}
	switch {
	case s.Algorithm == algorithmBasic && !strings.Contains(secret, ":"):
		return nil, errNoColon
	case s.algorithm.kind == kindCredential:
		return newCredentialKey(secret), nil
	case s.algorithm.kind == kindHash:
		return newPlainHashKey(s.algorithm.hash.New, secret), nil
	}
	decoded, err := decodeSecret(s.Key, secret)
	if err != nil {
		return nil, err
	}
	return newHMACKey(s.algorithm.hash.New, decoded), nil
}

func decodeSecret(form, secret string) ([]byte, error) {
	var decoded []byte
	var err error
	switch form {
	case keyBase64:
		if decoded, err = decodeBase64(secret); err != nil {
			return nil, errNotBase64
		}
	case keyHex:
		if decoded, err = hex.DecodeString(secret); err != nil {
			return nil, errNotHex
		}
	case keySHA1:
		digest := sha1.Sum([]byte(secret))
		decoded = digest[:]
	default:
		decoded = []byte(secret)
	}
	if len(decoded) == 0 {
		return nil, errEmpty
	}
	return decoded, nil
}

// decodeBase64 reads the standard alphabet, with or without padding. Like the
// providers' libraries it does not mind unused bits at the end: people make
// secrets up.
func decodeBase64(text string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// isPrivateKey reports whether a secret is meant as the scheme's private key.
func (s *scheme) isPrivateKey(secret string) bool {
	return strings.HasPrefix(secret, pemStart) ||
		s.PrivateKeyPrefix != "" && strings.HasPrefix(secret, s.PrivateKeyPrefix)
}

// parsePublicKey reads a public key in any of the forms of errKeyForm.
func (s *scheme) parsePublicKey(text string) (*publicKey, error) {
	var k crypto.PublicKey
	var err error
	if strings.HasPrefix(text, pemStart) {
		k, err = publicKeyFromPEM(unfoldPEM(text))
	} else {
		k, err = publicKeyFromText(strings.TrimPrefix(text, s.KeyPrefix))
	}
	if err != nil {
		return nil, err
	}
	return newPublicKey(s.algorithm, k)
}

func publicKeyFromPEM(text string) (crypto.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errKeyForm
	}
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errPrivate
	case block.Type == "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errKeyForm
		}
		return certificate.PublicKey, nil
	}
	return publicKeyFromDER(block.Bytes)
}

func publicKeyFromDER(der []byte) (crypto.PublicKey, error) {
	if k, err := x509.ParsePKIXPublicKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return k, nil
	}
	return nil, errKeyForm
}

// publicKeyFromText tries hex first: 64 hex digits would be base64, too, but of
// 48 bytes, which are no key.
func publicKeyFromText(text string) (crypto.PublicKey, error) {
	if strings.HasPrefix(text, "{") {
		return parseJWK(parseJSON([]byte(text)))
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		if raw, err = decodeBase64(text); err != nil {
			return nil, errKeyForm
		}
	}
	if len(raw) == ed25519.PublicKeySize {
		return ed25519.PublicKey(raw), nil
	}
	return publicKeyFromDER(raw)
}

// newPublicKey checks that k is of the kind that the algorithm needs.
func newPublicKey(a *algorithm, k crypto.PublicKey) (*publicKey, error) {
	ok := false
	switch k := k.(type) {
	case ed25519.PublicKey:
		ok = a.name == algorithmEd25519
	case *rsa.PublicKey:
		ok = strings.HasPrefix(a.name, "rsa-")
		if ok && k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("is an RSA key of %d bits: want at least %d", k.N.BitLen(), minRSABits)
		}
	case *ecdsa.PublicKey:
		ok = strings.HasPrefix(a.name, "ecdsa-") && k.Curve == elliptic.P256()
	}
	if !ok {
		return nil, fmt.Errorf("is of another kind than algorithm %s needs", a.name)
	}
	return &publicKey{a, k}, nil
}

// parsePrivateKey reads PEM, or the scheme's prefix and base64 of an Ed25519
// key: the seed of 32 bytes, or the seed followed by the public key.
func (s *scheme) parsePrivateKey(text string) (*privateKey, *publicKey, error) {
	k, err := s.decodePrivateKey(text)
	if err != nil {
		return nil, nil, err
	}
	public, err := newPublicKey(s.algorithm, k.Public())
	if err != nil {
		return nil, nil, err
	}
	return &privateKey{s.algorithm, k}, public, nil
}

func (s *scheme) decodePrivateKey(text string) (crypto.Signer, error) {
	if !strings.HasPrefix(text, pemStart) {
		raw, err := decodeBase64(strings.TrimPrefix(text, s.PrivateKeyPrefix))
		switch {
		case err != nil:
			return nil, errNotBase64
		case len(raw) == ed25519.SeedSize:
			return ed25519.NewKeyFromSeed(raw), nil
		case len(raw) == ed25519.PrivateKeySize:
			k := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
			if !k.Equal(ed25519.PrivateKey(raw)) {
				return nil, errDamaged
			}
			return k, nil
		}
		return nil, errNoPrivate
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errNoPrivate
	}
	if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	return nil, errNoPrivate
}
