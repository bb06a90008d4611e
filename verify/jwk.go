package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// keySet are public keys by their id. A source that has but one key, and names
// none, has it under "".
type keySet map[string]crypto.PublicKey

var errNoKeys = errors.New("it has no key that can be used")

// parseJWKS reads a JSON Web Key Set (RFC 7517, section 5). Keys of a kind that
// we do not know, or that are not for signatures, are passed over.
func parseJWKS(text []byte, _ time.Time) (keySet, error) {
	set := keySet{}
	for _, member := range parseJSON(text).Get("keys").Array() {
		if key, err := parseJWK(member); err == nil {
			set[member.Get("kid").Str] = key
		}
	}
	if len(set) == 0 {
		return nil, errNoKeys
	}
	return set, nil
}

// parseJWK reads one RSA key or one EC key on P-256 (RFC 7518, section 6).
func parseJWK(jwk gjson.Result) (crypto.PublicKey, error) {
	if use := jwk.Get("use").Str; use != "" && use != "sig" {
		return nil, errNoKeys
	}
	switch kind := jwk.Get("kty").Str; {
	case kind == "RSA":
		n, err1 := jwkNumber(jwk.Get("n"))
		e, err2 := jwkNumber(jwk.Get("e"))
		if err1 != nil || err2 != nil || e.BitLen() > 31 || e.Int64() < 3 || n.BitLen() < minRSABits {
			return nil, errNoKeys
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case kind == "EC" && jwk.Get("crv").Str == "P-256":
		x, err1 := jwkNumber(jwk.Get("x"))
		y, err2 := jwkNumber(jwk.Get("y"))
		if err1 != nil || err2 != nil || x.BitLen() > 8*p256Size || y.BitLen() > 8*p256Size {
			return nil, errNoKeys
		}
		point := append([]byte{4}, make([]byte, 2*p256Size)...) // uncompressed, SEC 1, section 2.3.3
		x.FillBytes(point[1 : 1+p256Size])
		y.FillBytes(point[1+p256Size:])
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil, errNoKeys
		}
		return key, nil
	}
	return nil, errNoKeys
}

func jwkNumber(value gjson.Result) (*big.Int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(value.Str)
	if err != nil || len(raw) == 0 {
		return nil, errNoKeys
	}
	return new(big.Int).SetBytes(raw), nil
}

// certificateOf returns a parser of a PEM certificate, valid now, of a name that
// is domain or ends with it.
func certificateOf(domain string) func([]byte, time.Time) (keySet, error) {
	return func(text []byte, now time.Time) (keySet, error) {
		block, _ := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("it is no PEM certificate")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("it is no certificate")
		}
		if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
			return nil, errors.New("its certificate is not valid now")
		}
		for _, name := range append(certificate.DNSNames, certificate.Subject.CommonName) {
			if name = strings.ToLower(name); name == domain || strings.HasSuffix(name, "."+domain) {
				return keySet{"": certificate.PublicKey}, nil
			}
		}
		return nil, errors.New("its certificate is of another name")
	}
}

// pemAt returns a parser of a PEM public key inside JSON, which has that id.
func pemAt(pointer, id string) func([]byte) (keySet, error) {
	return func(text []byte) (keySet, error) {
		values := jsonValues(parseJSON(text), pointer)
		if len(values) != 1 {
			return nil, errNoKeys
		}
		key, err := publicKeyFromPEM(unfoldPEM(values[0]))
		if err != nil {
			return nil, err
		}
		return keySet{id: key}, nil
	}
}
