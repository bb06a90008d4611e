package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

var errCannotSign = errors.New("cannot sign: the private key of the pair is needed, given as a secret")

// CanSign reports whether webhooks can be signed: with shared secrets, or with
// key pairs if one of the secrets is a private key; but not where the signature is
// inside the body, which we do not write.
func (v *Verifier) CanSign() bool { return slices.ContainsFunc(v.schemes, (*scheme).canSign) }

func (s *scheme) canSign() bool { return s.signer != nil && !s.Signature.inBody() }

// CanResign reports whether a webhook that came in can be signed again with a
// new time by changing nothing but its headers: there is a key, what Sign writes
// goes into headers, and the URL, of which a proxy may know another form than
// the provider, is not signed.
func (v *Verifier) CanResign() bool {
	return v.CanSign() && !slices.ContainsFunc(v.schemes, func(s *scheme) bool {
		return s.canSign() && !s.resignable()
	})
}

func (s *scheme) resignable() bool {
	for _, written := range []Source{s.Signature, s.Timestamp.Source, s.BodyDigest} {
		if !written.IsZero() && written.From != FromHeader {
			return false
		}
	}
	return !slices.ContainsFunc(s.contents, template.signsURL)
}

// Sign signs r as the provider would at that time, with the first secret. It
// sets or overwrites what belongs to the scheme: signature, timestamp, and an
// id where one is signed and r has none. Of several sets of headers that the
// provider may use, those that r has already are signed; if it has none, the first
// is. Only r.Header and r.URI change. On an error they may be partly set.
func (v *Verifier) Sign(r *Request, at time.Time) error {
	if !slices.ContainsFunc(v.schemes, func(s *scheme) bool { return s.signer != nil }) {
		return errCannotSign
	}
	if r.Header == nil {
		r.Header = make(map[string][]string)
	}
	if v.signPresent(r, at) {
		return nil
	}
	var first error
	for _, s := range v.schemes {
		if s.signer == nil {
			continue
		}
		err := s.sign(r, at, v.newID)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("cannot sign: %w", first)
}

// signPresent renews the signatures that r has. Each place is written once, by
// the first scheme that can.
func (v *Verifier) signPresent(r *Request, at time.Time) bool {
	var written []Source
	for _, s := range v.schemes {
		if s.signer == nil || !s.present(r) || slices.Contains(written, s.Signature) {
			continue
		}
		if s.sign(r, at, v.newID) == nil {
			written = append(written, s.Signature)
		}
	}
	return len(written) > 0
}

// present reports whether r has a signature where s looks for it, right or wrong.
func (s *scheme) present(r *Request) bool {
	in := newInput(r)
	defer in.release()
	values := s.Signature.lookup(in.document)
	if s.special == nil || !slices.ContainsFunc(values, notEmpty) {
		return slices.ContainsFunc(values, notEmpty)
	}
	return s.format.parse(values, in) && s.special.recognizes(in)
}

// wantsDigest reports whether the provider would send the body's digest with r:
// always, unless the content covers the body by itself.
func (s *scheme) wantsDigest(r *Request) bool {
	switch {
	case s.BodyDigest.IsZero():
		return false
	case len(s.BodyDigest.lookup(new(document).open(r, asSent))) > 0:
		return true
	case s.contents[0].uses(partBody, partPlainBody):
		return false
	case s.contents[0].uses(partFormSorted):
		return len(r.Body) > 0 && !new(document).open(r, asSent).isForm()
	}
	return true
}

func (s *scheme) sign(r *Request, at time.Time, newID func() string) error {
	if s.special != nil {
		return s.special.sign(s, r, at, newID)
	}
	if len(s.canonical) > 0 && s.canonical[0].prepare != nil {
		s.canonical[0].prepare(r)
	}
	in := newInput(r)
	defer in.release()
	if in.digested = s.wantsDigest(r); in.digested {
		digest := sha256.Sum256(r.Body)
		if err := s.BodyDigest.set(r, hex.EncodeToString(digest[:])); err != nil {
			return err
		}
	}
	if s.signsTimestamp {
		if err := s.setTimestamp(in, at); err != nil {
			return err
		}
	}
	if s.signsID {
		var ok bool
		if in.id, ok = s.ID.extract(in.document); !ok {
			in.id = newID()
			if err := s.ID.set(r, in.id); err != nil {
				return err
			}
		}
	}
	signature, err := s.signer.sign(s.contents[0], in)
	if err != nil {
		return err
	}
	if err := s.contents[0].checkJoints(in); err != nil {
		return err
	}
	value := s.format.render(signature, in.timestamp)
	if s.second != nil { // the provider would sign with one of them, and nobody but it knows with which
		if signature, err = s.second.sign(s.contents[0], in); err != nil {
			return err
		}
		value += s.format.joiner + s.format.render(signature, in.timestamp)
	}
	return s.Signature.set(r, value)
}

// setTimestamp writes the time to where the scheme has it. One that is in the
// body stays as it is.
func (s *scheme) setTimestamp(in *input, at time.Time) error {
	if s.Timestamp.inBody() {
		var ok bool
		if in.timestamp, ok = s.Timestamp.extract(in.document); !ok {
			return fmt.Errorf("%s: the body must have the time that is signed", s.Timestamp.Source)
		}
		return nil
	}
	in.timestamp = s.Timestamp.Format(at)
	if s.format.hasTimestamp() {
		return nil
	}
	return s.Timestamp.set(in.request, in.timestamp)
}

// set writes a value to where s is. Bodies are signed, not written.
func (s Source) set(r *Request, value string) error {
	switch s.From {
	case FromHeader:
		r.Header.Set(s.Name, value)
	case FromQuery:
		r.setQuery(s.Name, value)
	default:
		return fmt.Errorf("%s is inside the body, which is delivered as it came", s)
	}
	return nil
}
