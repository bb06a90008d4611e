package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// armedKey is a key and where it stands in the options.
type armedKey struct {
	key
	index int
}

// arm gives each scheme the keys that are meant for it.
func arm(schemes []*scheme, o Options) error {
	pairs := slices.ContainsFunc(schemes, usesKeyPair)
	shared := slices.ContainsFunc(schemes, func(s *scheme) bool { return !usesKeyPair(s) })
	switch {
	case len(o.PublicKeys) > 0 && !pairs:
		return errors.New("public_key: this scheme uses a shared secret, not a key pair: remove it, use secret")
	case len(o.Secrets)+len(o.PublicKeys) == 0 && !shared:
		return errors.New("public_key is missing: copy it from the provider's settings")
	case len(o.Secrets)+len(o.PublicKeys) == 0:
		return errors.New("secret is missing: copy it from the provider's settings")
	}
	for i, text := range o.PublicKeys {
		if err := armPublicKey(schemes, text, i); err != nil {
			return fmt.Errorf("public_key %d %w", i+1, err)
		}
	}
	published := slices.ContainsFunc(schemes, func(s *scheme) bool { return s.locate != nil })
	privateKeys := 0
	for i, secret := range o.Secrets {
		if err := checkText(secret); err != nil {
			return fmt.Errorf("secret %d %w", i+1, err)
		}
		var err error
		if isPair := func(s *scheme) bool { return usesKeyPair(s) && s.isPrivateKey(secret) }; slices.ContainsFunc(schemes, isPair) {
			err = armPrivateKey(schemes, secret, len(o.PublicKeys)+privateKeys)
			privateKeys++
		} else if shared {
			err = armSecret(schemes, secret, i)
		} else {
			err = noSecretOf(secret, published)
		}
		if err != nil {
			return fmt.Errorf("secret %d %w", i+1, err)
		}
	}
	return nil
}

// noSecretOf is the error for a secret where the provider signs with a private key. Only that key
// itself may be there, for signing again what is delivered late.
func noSecretOf(secret string, published bool) error {
	switch {
	case strings.HasPrefix(secret, "-----BEGIN") || strings.HasPrefix(secret, "whsk_"):
		return errNoPrivate
	case published:
		return errors.New("is not needed: this provider has no shared secret, and its public keys are fetched: remove it")
	}
	return errors.New("is not what this provider signs with: it has a key pair, so give its public key: `public_key <key>`; here is place for a private key of yours only")
}

func usesKeyPair(s *scheme) bool { return s.algorithm.kind == kindPublicKey }

func armPublicKey(schemes []*scheme, text string, index int) error {
	if err := checkText(text); err != nil {
		return err
	}
	for _, s := range schemes {
		if !usesKeyPair(s) {
			continue
		}
		k, err := s.parsePublicKey(text)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, armedKey{k, index})
	}
	return nil
}

func armPrivateKey(schemes []*scheme, text string, index int) error {
	for _, s := range schemes {
		if !usesKeyPair(s) {
			continue
		}
		private, public, err := s.parsePrivateKey(text)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, armedKey{public, index})
		if s.signer == nil {
			s.signer = private
		}
	}
	return nil
}

func armSecret(schemes []*scheme, secret string, index int) error {
	for _, s := range schemes {
		if usesKeyPair(s) {
			continue
		}
		k, err := s.secretKey(secret)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, armedKey{k, index})
		first := s.signer == nil
		if first {
			s.signer = k
		}
		if other := s.otherKey(secret); other != nil {
			s.keys = append(s.keys, armedKey{other, index})
			if first {
				s.second = other
			}
		}
	}
	return nil
}

// otherKey is the key that the provider may have made of the secret instead; nil if there is none.
func (s *scheme) otherKey(secret string) *hashKey {
	if s.orKey == (keyForm{}) {
		return nil
	}
	decoded, err := decodeSecret(s.orKey.key, strings.TrimPrefix(secret, s.orKey.prefix))
	if err != nil {
		return nil // a secret of the first form
	}
	return newHMACKey(s.algorithm.hash.New, decoded)
}
