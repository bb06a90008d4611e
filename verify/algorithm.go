package verify

import (
	"crypto"
	_ "crypto/sha1" // so that crypto.SHA1 can be made
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
	"strings"
)

// algorithmKind is what keys an algorithm needs.
type algorithmKind int

const (
	kindHMAC       algorithmKind = iota // a shared secret
	kindHash                            // a shared secret that is part of the content
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
	hash          crypto.Hash // 0 where the content itself is signed or nothing is
	defaultFormat string
}

// algorithms are in the order in which errors list them.
var algorithms = []algorithm{
	{"hmac-sha1", kindHMAC, crypto.SHA1, "{hex}"},
	{"hmac-sha256", kindHMAC, crypto.SHA256, "{hex}"},
	{"hmac-sha384", kindHMAC, crypto.SHA384, "{hex}"},
	{"hmac-sha512", kindHMAC, crypto.SHA512, "{hex}"},
	{"sha1", kindHash, crypto.SHA1, "{hex}"},
	{"sha256", kindHash, crypto.SHA256, "{hex}"},
	{"sha512", kindHash, crypto.SHA512, "{hex}"},
	{algorithmEd25519, kindPublicKey, 0, "{base64}"},
	{"rsa-sha1", kindPublicKey, crypto.SHA1, "{base64}"},
	{algorithmRSA, kindPublicKey, crypto.SHA256, "{base64}"},
	{"rsa-sha512", kindPublicKey, crypto.SHA512, "{base64}"},
	{algorithmRSAPSS, kindPublicKey, crypto.SHA256, "{base64}"},
	{"ecdsa-p256-sha1", kindPublicKey, crypto.SHA1, "{base64}"},
	{algorithmECDSA, kindPublicKey, crypto.SHA256, "{base64}"},
	{algorithmToken, kindCredential, 0, "{token}"},
	{algorithmBasic, kindCredential, 0, "Basic {base64}"},
}

// deterministic reports whether the same content always gets the same signature.
func (a *algorithm) deterministic() bool {
	return a.name != algorithmRSAPSS && !strings.HasPrefix(a.name, "ecdsa-")
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
