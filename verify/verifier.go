package verify

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultTolerance is how far a signed timestamp may be from now.
const DefaultTolerance = 5 * time.Minute

// maxIdentity bounds an event's id and type, in bytes.
const maxIdentity = 512

// Options are what a provider's webhooks are checked with.
type Options struct {
	// Secrets are the shared secrets, as the provider shows them. Any may have
	// signed; the first one signs. Where the provider has a scheme with key pairs, a
	// private key (PEM, or whsk_… for Standard Webhooks) may be among them: it is for
	// Sign, and its public key is accepted like those of PublicKeys. There may be none
	// where the provider makes the secret up and hands it over in a handshake; until it
	// is here, every webhook is refused.
	Secrets []string

	// PublicKeys are the provider's public keys, where it signs with a private
	// one. Any may match.
	PublicKeys []string

	// Settings are the values of Provider.Settings, by name.
	Settings map[string][]string

	// Keys is where fetched public keys are, for providers that publish them; nil: the
	// Verifier has a pool of its own, which fetches with Transport.
	Keys *KeyPool

	// Transport fetches public keys where Keys is nil. It must verify
	// certificates. nil means http.DefaultTransport.
	Transport http.RoundTripper

	// Tolerance is how far a signed timestamp may be from Now, in both
	// directions. 0 means DefaultTolerance; negative is an error.
	Tolerance time.Duration

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// NewID makes the id of a webhook that has none, for Sign; nil means "msg_"
	// and 26 random characters.
	NewID func() string
}

// Verifier checks and signs the webhooks of one provider with one set of keys.
// It is safe for concurrent use.
type Verifier struct {
	provider   *Provider
	schemes    []*scheme // those that have a key
	possible   []*scheme // all
	handshakes []handshake
	headers    []string
	parameters []string // of the query
	tolerance  time.Duration
	now        func() time.Time
	newID      func() string
	keys       *KeyPool
	fetched    *keySource // nil: nothing is fetched
	closing    sync.Once

	watched    []string // headers that it reads, also for the event's id and type
	takesParts bool     // a scheme goes by single fields or members of the body
	goesByBody bool     // so does it for the event's id or type, in a body that is not signed

	batch batch // where the event's type is one of several

	credentials []Source // of all schemes, armed or not
}

// Result is what is known of a webhook after its signature was found right.
type Result struct {
	// SecretIndex is the position of the secret that matched, in Options.Secrets;
	// or of the public key, in Options.PublicKeys followed by the private keys
	// among Options.Secrets.
	SecretIndex int

	// Timestamp is the signed time; zero where the scheme signs none.
	Timestamp time.Time

	// ID is the signed id; empty where the scheme signs none, or it is not fit to
	// identify (see Identify). Use it rather than the id of Identify: a provider with
	// several sets of headers signs the id of one set, and any sender may add another set.
	ID string
}

// NewVerifier returns a Verifier for p's webhooks. Errors name the setting that
// is wrong and what to do about it, but contain no part of a secret.
func (p *Provider) NewVerifier(o Options) (*Verifier, error) {
	v := &Verifier{provider: p, tolerance: o.Tolerance, now: o.Now, newID: o.NewID, batch: batchOf(p.EventType)}
	switch {
	case o.Tolerance < 0:
		return nil, fmt.Errorf("tolerance %s is negative", o.Tolerance)
	case o.Tolerance == 0:
		v.tolerance = DefaultTolerance
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.newID == nil {
		v.newID = func() string { return "msg_" + rand.Text() }
	}
	set, err := p.checkSettings(o.Settings)
	if err != nil {
		return nil, err
	}
	schemes, err := p.compile(set)
	if err != nil {
		return nil, err
	}
	if v.handshakes, err = p.compileHandshakes(set); err != nil {
		return nil, err
	}
	v.headers, v.parameters = names(schemes)
	keepApart(schemes, v.handshakes)
	v.watchHeaders()
	v.takeSources(schemes)
	v.credentials = credentials(schemes)
	published := slices.ContainsFunc(schemes, func(s *scheme) bool { return s.locate != nil })
	waiting := (published || p.offersSecret()) && len(o.Secrets)+len(o.PublicKeys) == 0
	if !waiting {
		if err := arm(schemes, o); err != nil {
			return nil, err
		}
	}
	if err := v.armFetched(schemes, o); err != nil {
		return nil, err
	}
	v.possible = slices.Clone(schemes)
	v.schemes = slices.DeleteFunc(schemes, func(s *scheme) bool { return len(s.keys) == 0 })
	return v, nil
}

// armFetched gives the schemes whose keys are published, and not configured, a
// source of them.
func (v *Verifier) armFetched(schemes []*scheme, o Options) error {
	for _, s := range schemes {
		if s.locate == nil {
			continue
		}
		for _, name := range s.needs {
			if len(s.keys) == 0 && len(s.settings[name]) == 0 {
				return fmt.Errorf("option %s is missing: the provider's keys are fetched with it (or give them as public_key)", name)
			}
		}
	}
	if !slices.ContainsFunc(schemes, func(s *scheme) bool { return s.locate != nil }) {
		return nil
	}
	if v.keys = o.Keys; v.keys == nil {
		v.keys = NewKeyPool(KeyPoolOptions{Transport: o.Transport, Now: v.now})
	}
	v.fetched = v.keys.acquire(v.provider.sourceID(schemes))
	for _, s := range schemes {
		if s.locate != nil && len(s.keys) == 0 {
			s.keys = append(s.keys, armedKey{&fetchedKey{v, s, v.fetched}, 0})
		}
	}
	return nil
}

// Close releases the Verifier's part of Options.Keys. If no other Verifier uses the same keys,
// Close ends the fetches that are under way, and waits for them. A closed Verifier still
// verifies with the keys that it has. Closing twice does no harm.
func (v *Verifier) Close() {
	if v.fetched != nil {
		v.closing.Do(func() { v.keys.release(v.fetched) })
	}
}

func (p *Provider) compile(set settings) ([]*scheme, error) {
	var schemes []*scheme
	for i := range p.Schemes {
		s, err := p.Schemes[i].compile(set)
		if err != nil {
			return nil, err
		}
		schemes = append(schemes, s)
	}
	return schemes, nil
}

// looksAt lists where the scheme looks to verify a webhook, besides URL and body.
func (s *scheme) looksAt() []Source {
	sources := append([]Source{s.Signature, s.Timestamp.Source, s.BodyDigest}, s.reads...)
	if s.signsID {
		sources = append(sources, s.ID)
	}
	for _, t := range s.contents {
		for _, p := range t.parts {
			switch p.kind {
			case partSource:
				sources = append(sources, p.source)
			case partCanonical:
				sources = append(sources, p.canonical.reads...)
			}
		}
	}
	return sources
}

// SignedTimestamp reports whether a timestamp is signed, so that a webhook
// that is sent on later needs a new signature.
func (v *Verifier) SignedTimestamp() bool {
	return slices.ContainsFunc(v.schemes, func(s *scheme) bool { return s.signsTimestamp })
}

// Verify checks that r comes from the provider and is fresh. The error is an
// *Error. It may be called before anything else is known of r: time and memory
// are bounded by the size of r.
func (v *Verifier) Verify(r *Request) (Result, error) {
	if len(v.schemes) == 0 {
		return Result{}, invalidSignature(DetailNoSecretYet, "configure what the provider handed over")
	}
	in := newInput(r)
	defer in.release()
	var furthest *Error
	for _, s := range v.schemes {
		in.reset(r)
		signatures := s.Signature.lookup(in.document)
		uncertain := len(signatures) > 1 && s.Signature.From != FromHeader // it is there, at least
		if !slices.ContainsFunc(signatures, notEmpty) && !uncertain {
			continue
		}
		result, err := v.verify(s, in, signatures)
		if err == nil {
			err = v.checkLabels(s, in.document)
		}
		if err == nil {
			err = v.checkText(s, in.document)
		}
		if err == nil {
			if in.trustee != nil {
				in.trustee.trust(r.Client)
			}
			return result, nil
		}
		if furthest == nil || err.rank() > furthest.rank() {
			furthest = err
		}
	}
	if furthest == nil {
		furthest = &Error{MissingSignature, DetailNoSignature, v.wantedSignatures()}
	}
	return Result{}, furthest
}

func (v *Verifier) wantedSignatures() string {
	var wanted []string
	for _, s := range v.schemes {
		if name := s.Signature.String(); !slices.Contains(wanted, name) {
			wanted = append(wanted, name)
		}
	}
	return strings.Join(wanted, " or ")
}

func notEmpty(value string) bool { return value != "" }

// verify checks a webhook with one scheme: first what the signature needs, then
// the signature, then what it vouches for.
func (v *Verifier) verify(s *scheme, in *input, signatures []string) (Result, *Error) {
	d := in.document
	if err := s.checkLoose(d); err != nil {
		return Result{}, err
	}
	if !s.format.parse(signatures, in) {
		return Result{}, invalidSignature(DetailMalformedSignature, s.Signature.String())
	}
	if s.special != nil {
		result, err := s.special.verify(v, s, in)
		if err == nil {
			err = s.checkBindings(d)
		}
		return result, err
	}
	at, err := s.readTimestamp(in, d)
	if err != nil {
		return Result{}, err
	}
	in.at = at
	if s.signsID {
		in.id, _ = s.ID.extract(d)
	}
	in.digested = len(s.BodyDigest.lookup(d)) > 0
	index, err := s.match(s.contents, in)
	if err != nil && s.respells {
		index, err = s.matchRespelt(in, err)
	}
	if err != nil {
		return Result{}, err
	}
	if err := s.checkBodyDigest(in, d); err != nil {
		return Result{}, err
	}
	if err := s.checkBindings(d); err != nil {
		return Result{}, err
	}
	if s.signsTimestamp {
		if err := checkWindow(at, v.now(), v.tolerance); err != nil {
			return Result{}, err
		}
	}
	result := Result{SecretIndex: index, Timestamp: at}
	if identifies(in.id) {
		result.ID = in.id
	}
	return result, nil
}

func (s *scheme) readTimestamp(in *input, d *document) (time.Time, *Error) {
	if !s.signsTimestamp {
		return time.Time{}, nil
	}
	source := s.Signature
	if !s.format.hasTimestamp() {
		source = s.Timestamp.Source
		in.timestamp, _ = source.extract(d)
	}
	if in.timestamp == "" {
		return time.Time{}, invalidTimestamp(DetailMissingTimestamp, source.String())
	}
	at, ok := s.Timestamp.parse(in.timestamp)
	if !ok || s.strictTime && !s.Timestamp.exact(in.timestamp, at) {
		return time.Time{}, invalidTimestamp(DetailMalformedTimestamp, source.String())
	}
	return at, nil
}

// match returns the index of the key that made one of the signatures, over one
// of the contents.
func (s *scheme) match(contents []template, in *input) (int, *Error) {
	var incomplete *Error
	built := false
	for _, content := range contents {
		for _, k := range s.keys {
			matches, err := k.matches(content, in)
			if err != nil {
				incomplete = err // for every key: what the content needs is not there
				break
			}
			if built = true; !matches {
				continue
			}
			if s.isGreeting(content, in) {
				return 0, invalidSignature(DetailHandshakeContent, s.Signature.String())
			}
			if err := content.checkJoints(in); err != nil {
				return 0, err
			}
			return k.index, nil
		}
	}
	if !built && incomplete != nil {
		return 0, incomplete
	}
	return 0, invalidSignature(DetailNoMatchingSignature,
		fmt.Sprintf("%s, tried %d keys", s.Signature, len(s.keys)))
}

// checkBodyDigest is for content that has the body's digest, or should have.
func (s *scheme) checkBodyDigest(in *input, d *document) *Error {
	switch {
	case s.BodyDigest.IsZero():
		return nil
	case !in.digested && s.contents[0].uses(partFormSorted, partBody, partPlainBody):
		return nil
	}
	text, _ := s.BodyDigest.extract(d)
	got, err := hex.DecodeString(text)
	want := sha256.Sum256(d.request.Body)
	if err != nil || subtle.ConstantTimeCompare(got, want[:]) != 1 {
		return invalidSignature(DetailBodyDigestMismatch, s.BodyDigest.String())
	}
	return nil
}

// Identify returns the event's id and type, or "" for what the webhook does not
// say. Values that are longer than 512 bytes or contain control characters
// count as not there. The body may be compressed, or in UTF-16 or UTF-32, whatever the
// headers say, up to Request.MaxText. Call it after Verify only: before, any
// sender may have written it. Of several events in a webhook the type is the first one's: see FurtherTypes.
func (v *Verifier) Identify(r *Request) (eventID, eventType string) {
	d := new(document).open(r, asText)
	defer d.end()
	return firstOf(v.provider.EventID, d), firstOf(v.provider.EventType, d)
}
