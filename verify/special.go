package verify

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// special is a way of proving webhooks that is no signature over a content that
// a template can describe: tokens with claims, signatures of each item in the body.
// The keys are those of its scheme.
type special interface {
	// verify checks a webhook whose signatures were read into in.
	verify(v *Verifier, s *scheme, in *input) (Result, *Error)
	// sign sets what verify wants, at that time.
	sign(s *scheme, r *Request, at time.Time, newID func() string) error
	// signsTimestamp reports whether verify checks how old a webhook is.
	signsTimestamp() bool
	// recognizes reports whether the signature that was read into in is of this kind,
	// right or wrong.
	recognizes(in *input) bool
	// signsURL reports whether a webhook is good for one URL only.
	signsURL() bool
}

// canonical is a content that is made from the request by rules that are the
// provider's own.
type canonical struct {
	write   func(buf []byte, in *input) ([]byte, *Error)
	prepare func(r *Request)       // sets what has to be there before r is signed; nil: nothing
	reads   []Source               // what it looks at besides URL and body
	time    bool                   // the timestamp is part of it
	url     partKind               // which part of the URL is part of it; partLiteral: none
	body    bool                   // the whole body is part of it
	fields  bool                   // the body is a form, of which the decoded fields are part of it, sorted
	check   func(in *input) string // what is wrong where its parts meet; nil: they can be told apart
}

// keyLocation says where the key of a webhook is fetched: the address, and the
// key's id there. It refuses addresses that are not the provider's.
type keyLocation func(in *input, set settings) (*fetch, string, *Error)

// fetchedKey is a public key that the provider publishes.
type fetchedKey struct {
	verifier *Verifier
	scheme   *scheme
	source   *keySource
}

// matches looks at a webhook's signature. Where it cannot tell, since the key is not
// there, the error is KeyUnavailable: the webhook may be genuine, and the provider is to
// send it again. It is InvalidSignature if the webhook is certainly forged: of a shape
// that the provider's do not have, or signed with a key that the provider was just
// asked for and does not have.
func (k *fetchedKey) matches(content template, in *input) (bool, *Error) {
	location, id, refused := k.scheme.locate(in, k.scheme.settings)
	if refused != nil {
		return false, refused
	}
	key, err := k.source.key(in.request.context(), location, id, in.request.Client, func() *Error { return k.doubt(content, in) })
	if err != nil {
		return false, keyError(err, location)
	}
	public, err := newPublicKey(k.scheme.algorithm, key)
	if err != nil {
		return false, keyError(fmt.Errorf("the key at %s %w", location.name, err), location)
	}
	if location.one {
		in.trustee = k.source
	}
	return public.matches(content, in)
}

// keyError says what it means for a webhook that its key is not there.
func keyError(err error, location *fetch) *Error {
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused
	}
	switch {
	case errors.Is(err, errUnknownKey):
		return invalidSignature(DetailUnknownKey, location.name)
	case errors.Is(err, errKeyNotYet):
		return &Error{KeyUnavailable, DetailKeyNotYet, location.name + ": " + err.Error()}
	case errors.Is(err, errTooManyFetches):
		return &Error{KeyUnavailable, DetailKeyFetchLimited, location.name + ": " + err.Error()}
	}
	return &Error{KeyUnavailable, DetailKeyNotFetched, err.Error()}
}

// context is what bounds a wait for a key.
func (r *Request) context() context.Context {
	if r.Context == nil {
		return context.Background()
	}
	return r.Context
}

// binding is a signed value that must be one of a setting's: it tells the
// provider's webhooks for us from those for its other customers.
type binding struct {
	source  Source
	setting string
}

// checkBindings is for webhooks whose signature was found right.
func (s *scheme) checkBindings(d *document) *Error {
	for _, b := range s.binds {
		if len(s.settings[b.setting]) == 0 {
			continue // it may be left out
		}
		value, _ := b.source.extract(d)
		if !s.settings.has(b.setting, value) {
			return invalidSignature(DetailOtherRecipient, fmt.Sprintf("%s is not option %s", b.source, b.setting))
		}
	}
	return nil
}

// has reports whether value is one of the setting's.
func (s settings) has(name, value string) bool {
	found := 0
	for _, ours := range s[name] {
		found |= subtle.ConstantTimeCompare([]byte(ours), []byte(value))
	}
	return found == 1
}
