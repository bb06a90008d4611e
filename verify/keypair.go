package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// publicKey checks signatures that were made with the private key of the pair.
type publicKey struct {
	algorithm *algorithm
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

// verify checks one signature over a message (Ed25519) or its digest (the others).
func (k *publicKey) verify(message, signature []byte) bool {
	switch public := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, message, signature)
	case *rsa.PublicKey:
		if k.algorithm.name == algorithmRSAPSS {
			return rsa.VerifyPSS(public, k.algorithm.hash, message, signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(public, k.algorithm.hash, message, signature) == nil
	case *ecdsa.PublicKey:
		return verifyECDSA(public, message, signature)
	}
	return false
}

const p256Size = 32 // bytes of r, and of s, on P-256

// verifyECDSA takes both forms in use: ASN.1 DER, and r and s side by side.
func verifyECDSA(k *ecdsa.PublicKey, digest, signature []byte) bool {
	if ecdsa.VerifyASN1(k, digest, signature) {
		return true
	}
	if len(signature) != 2*p256Size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:p256Size]), new(big.Int).SetBytes(signature[p256Size:])
	return ecdsa.Verify(k, digest, r, s)
}

// signedMessage is what a private key signs: Ed25519 the content itself, the
// others its digest.
func signedMessage(a *algorithm, content template, in *input) ([]byte, *Error) {
	if a.hash == 0 {
		var message messageBuffer
		err := content.writeTo(&message, in)
		return message, err
	}
	h := a.hash.New()
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
	algorithm *algorithm
	key       crypto.Signer
}

func (k *privateKey) sign(content template, in *input) ([]byte, error) {
	message, err := signedMessage(k.algorithm, content, in)
	if err != nil {
		return nil, err
	}
	var options crypto.SignerOpts = k.algorithm.hash
	if k.algorithm.name == algorithmRSAPSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.algorithm.hash}
	}
	return k.key.Sign(rand.Reader, message, options)
}
