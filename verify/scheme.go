package verify

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

// Scheme is one way of signing webhooks, as data. The rows of the provider table
// are made of them, and so is the `verify` block of the provider "custom".
type Scheme struct {
	// How the content is signed: "hmac-sha1", "hmac-sha256", "hmac-sha384" or
	// "hmac-sha512" with a shared secret; "ed25519", "rsa-sha1", "rsa-sha256",
	// "rsa-sha512" (PKCS #1 v1.5), "rsa-pss-sha256", "ecdsa-p256-sha1" or
	// "ecdsa-p256-sha256" (signatures as ASN.1 DER, or as the 64 bytes r and s) with a
	// public key. "sha1", "sha256" and "sha512" are plain hashes of content that has
	// {secret} in it: where that stands at the front, an attacker who has seen one webhook can
	// make another one that begins in the same way. Or nothing is signed and the secret
	// itself is sent: "token", or "basic" with a secret of the form
	// "user:password". What can choose takes HMAC-SHA256 or a key pair, and never SHA-1
	// with a key pair. Required.
	Algorithm string `json:"algorithm,omitempty"`

	// Where the signature (or token) is. Required, except for "basic": there it is
	// the Authorization header.
	Signature Source `json:"signature,omitzero"`

	// How the signature is written there: text around one of {hex} (either case),
	// {base64} (padding required), {base64url} (padding optional) and {token} (as it
	// is). "sha256={hex}" is a whole value. A separator (one of , ; & | or a space) after a
	// placeholder makes it a list: in "t={timestamp},v1={hex}" items may stand in
	// any order, unknown items are ignored, {hex} may occur several times and any of them
	// may match. "..." at the end says that of a list with one kind of item, as in "v1,{base64} ...".
	// In "{timestamp},{hex},..." the first item is the timestamp, the others are signatures.
	// A list is limited to 32 items, 16 signatures and 8 KiB. Default: "{hex}" for HMAC,
	// "{token}" for token, "Basic {base64}" for basic, else "{base64}".
	Format string `json:"format,omitempty"`

	// What is signed: text with the variables {body} (the raw bytes), {plain_body} (the same, but
	// without gzip where the Content-Encoding is gzip, of up to Request.MaxText), {timestamp} and {id}
	// (as received), {method}, {url} (scheme, host, path and query), {url_with_port} and
	// {url_without_port} (the same with the default port added, or any port removed),
	// {url_without_query}, {path} (without the query), {path_query} (with it),
	// {form_sorted} (names and values of a form, sorted by name, nothing
	// between), {header.<name>}, {query.<name>}, {form.<name>}, {json.<pointer>},
	// digests of the body: {body_sha256_hex}, {body_sha256_base64}, {body_sha256} (32 bytes),
	// {body_md5_hex}, {body_md5_base64} and {body_crc32} (decimal; the last three can
	// be kept while the body is changed), and for plain hashes {secret}. A webhook that lacks one of
	// them is refused. The content must have something that tells one webhook from another: the body, a
	// digest of it, or a part of the body or query; and never the signature itself. Two parts that can be any
	// text must have text between them, or it could not be told where one ends. A value that contains the
	// text behind it is refused when it comes. Default: "{body}".
	Content string `json:"content,omitempty"`

	// Further contents that may have been signed instead, where a provider is
	// not consistent. Any may match, of those whose parts are all there. Default: none.
	Alternatives []string `json:"alternatives,omitempty"`

	// Where the provider puts the SHA-256 of the raw body in hex, if the content has
	// that instead of the body, as in "{header.X-Digest}". Where it is present it must be right, and {form_sorted}
	// stands for nothing. Where it is absent, {form_sorted} must cover the body. Default: none.
	BodyDigest Source `json:"body_digest,omitzero"`

	// How a shared secret becomes the key: "raw" (its bytes as they are, the default),
	// "base64" (standard alphabet, padding optional), "hex", or "sha1" (the SHA-1 of its bytes). Public keys need no
	// setting: PEM (public key or certificate), JWK, and hex or base64 of DER or of a raw Ed25519 key are told apart.
	Key string `json:"key,omitempty"`

	// Text in front of a secret (or public key) that is not part of it, such as "whsec_".
	// It may be missing. Default: none.
	KeyPrefix string `json:"key_prefix,omitempty"`

	// The same for a private key. Default: none.
	PrivateKeyPrefix string `json:"private_key_prefix,omitempty"`

	// Where the signed time is, if it is signed: then webhooks that are
	// older or newer than the tolerance are refused. It is signed if the content has
	// {timestamp}, or has it as a part of something else, such as a field of the body. (Such
	// a time cannot be renewed: a webhook with it is not signed again.) An unsigned
	// time protects from nothing and is not allowed here. Nor does a time belong here that stays
	// the same when the provider sends the webhook again: its retries would be
	// refused. Default: none.
	Timestamp Timestamp `json:"timestamp,omitzero"`

	// Where the event's id is: for {id} in the content, and for telling
	// duplicates. Default: none.
	ID Source `json:"id,omitzero"`

	// Where the event's type is. Default: none.
	Type Source `json:"type,omitzero"`

	// What only rows of the table have.
	special   special                   // instead of a signature over the content
	canonical []canonical               // instead of Content and Alternatives
	locate    keyLocation               // public keys are fetched, unless they are configured
	locatedBy []string                  // settings that locate looks at
	shape     keyShape                  // of webhooks for which a key is fetched
	needs     []string                  // settings without which they cannot be fetched
	reads     []Source                  // what locate looks at
	binds     []binding                 // what must be ours
	forms     map[Source]*regexp.Regexp // the forms that values always have
	only      string                    // {form_sorted} has this field, always, and no other
	known     bool                      // that the form touches the URL is the provider's doing, and told in Notes
	opens     bool                      // the body is empty or begins as JSON or XML does
	orKey     keyForm                   // how the provider makes the key of other secrets, in the same form
	respells  bool                      // the URL may have been signed in another spelling than it was called by
}

// keyForm is how a secret becomes a key: Scheme.Key and Scheme.KeyPrefix.
type keyForm struct{ key, prefix string }

// scheme is a Scheme made ready for requests. It is not changed after compile
// and arm, so any number of goroutines may use it.
type scheme struct {
	Scheme
	settings  settings
	algorithm *algorithm
	format    *format
	contents  []template // the first one is what Sign signs; one that is empty for token and basic

	unguarded  error // joints of a content are not guarded: its parts cannot be told apart
	strictTime bool  // the time meets what could be digits

	signsTimestamp bool // the contents have {timestamp}, or what it is a part of
	signsID        bool // one of them has {id}

	looseBody  bool     // the body is not signed as a whole: somebody could add to it
	looseQuery bool     // the same of the query
	loose      []Source // what is read there to prove a webhook

	crossed       []Source   // fields and parameters that somebody could add elsewhere: in the query, or in the body
	looseIdentity [][]Source // the row's sources of ids and types, where some of them look there
	takesMembers  bool       // members of a JSON body that is not signed as a whole prove it
	takesFields   bool       // the same of fields of a form

	greetings []*handshake // what they sign is no webhook's content

	keys   []armedKey // any may have signed
	signer signer     // nil: cannot sign
	second signer     // signs, too, with the same secret in its other form; nil: it has one only
}

// Validate reports the first setting that is wrong, and what to write instead.
func (s *Scheme) Validate() error {
	c, err := s.compile(nil)
	if err != nil {
		return err
	}
	if c.unguarded != nil {
		return c.unguarded
	}
	return c.checkTells()
}

// compile checks s and parses its templates. Keys come later, with arm.
func (s *Scheme) compile(set settings) (*scheme, error) {
	c := &scheme{Scheme: *s, settings: set}
	var err error
	if c.algorithm, err = algorithmNamed(s.Algorithm); err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		c.checkSources, c.compileSignature, c.compileFormat, c.compileContents, c.checkTimestamp, c.checkID, c.checkKey, c.checkContents, c.checkJoints,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *scheme) compileSignature() error {
	if c.Signature.IsZero() && c.Algorithm == algorithmBasic {
		c.Signature = Source{FromHeader, "Authorization"}
	}
	if c.Signature.IsZero() {
		return errors.New("signature is missing: say where it is, as in: signature header X-Signature")
	}
	if c.special != nil && c.Signature.From == fromBody {
		return nil
	}
	if err := c.Signature.Validate(); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if c.Signature.From == FromHeader {
		c.Signature.Name = http.CanonicalHeaderKey(c.Signature.Name)
	}
	return nil
}

func (c *scheme) compileFormat() error {
	pattern := c.Format
	if pattern == "" {
		pattern = c.algorithm.defaultFormat
		if c.special != nil {
			pattern = "{token}"
		}
	}
	pattern, err := c.settings.expand(pattern)
	if err != nil {
		return err
	}
	if c.format, err = parseFormat(pattern); err != nil {
		return err
	}
	c.format.foldCase = c.algorithm.kind == kindCredential || c.Signature == header("Authorization") // RFC 9110, section 11.1
	c.format.unbounded = c.Signature.From == fromBody
	switch plain := c.format.encoding == encodedPlain; {
	case c.special != nil:
	case plain && c.Algorithm != algorithmToken:
		return fmt.Errorf("format %q: {token} is for the algorithm token only: want {hex}, {base64} or {base64url}", pattern)
	case !plain && c.Algorithm == algorithmToken:
		return fmt.Errorf("format %q: a token is not encoded: want {token}", pattern)
	}
	return nil
}

func (c *scheme) compileContents() error {
	if c.algorithm.kind == kindCredential {
		if c.Content != "" || len(c.Alternatives) > 0 || !c.BodyDigest.IsZero() {
			return fmt.Errorf("content: algorithm %s signs no content: remove it", c.Algorithm)
		}
		c.contents = []template{{}}
		return nil
	}
	switch {
	case c.special != nil:
		c.contents = []template{{}}
		return nil
	case c.canonical != nil:
		for i := range c.canonical {
			c.contents = append(c.contents, template{parts: []part{{kind: partCanonical, canonical: &c.canonical[i]}}})
		}
		return nil
	}
	text := c.Content
	if text == "" {
		text = "{body}"
	}
	for _, text := range append([]string{text}, c.Alternatives...) {
		t, err := parseTemplate(text, c.settings)
		if err != nil {
			return err
		}
		switch secret := t.uses(partSecret); {
		case c.Signature.From == FromQuery && t.uses(withQuery...):
			return fmt.Errorf("content %q: the URL cannot be signed when the signature is part of it", text)
		case secret && c.algorithm.kind != kindHash:
			return fmt.Errorf("content %q: {secret} is for plain hashes: algorithm %s has it as its key", text, c.Algorithm)
		case !secret && c.algorithm.kind == kindHash:
			return fmt.Errorf("content %q: without {secret} anybody can compute %s: want something like \"{secret}{body}\"", text, c.Algorithm)
		}
		c.contents = append(c.contents, t)
	}
	return nil
}

func (c *scheme) checkTimestamp() error {
	if c.special != nil {
		c.signsTimestamp = c.special.signsTimestamp()
		return nil
	}
	direct, covered := true, true
	for _, t := range c.contents {
		direct = direct && t.signsTimestamp()
		covered = covered && (t.signsTimestamp() || t.covers(c.Timestamp.Source))
	}
	inFormat := c.format.hasTimestamp()
	located := !c.Timestamp.Source.IsZero()
	c.signsTimestamp = direct || located && covered
	switch {
	case located && inFormat:
		return errors.New("timestamp: the format has {timestamp} already: remove one of them")
	case located && !covered, inFormat && !direct:
		return errors.New("timestamp: it is not signed, so it protects from nothing: put {timestamp} into the content or remove it")
	case direct && !located && !inFormat:
		return errors.New("timestamp is missing: the content has {timestamp}: say where it is, as in: timestamp header X-Timestamp")
	case !located && !inFormat && c.Timestamp.Unit != "":
		return errors.New("timestamp: a unit without a place: say where it is, as in: timestamp header X-Timestamp ms")
	}
	if unit := c.Timestamp.Unit; unit == "" || slices.Contains(units, unit) {
		return nil
	}
	return fmt.Errorf("timestamp: unknown unit %q: %s", c.Timestamp.Unit, wantUnit)
}

func (c *scheme) checkID() error {
	c.signsID = slices.ContainsFunc(c.contents, func(t template) bool { return t.uses(partID) })
	if c.signsID && c.ID.IsZero() {
		return errors.New("id is missing: the content has {id}: say where it is, as in: id header X-Event-Id")
	}
	return nil
}

func (c *scheme) checkKey() error {
	switch c.Key {
	case "", keyRaw:
		return nil
	case keyBase64, keyHex, keySHA1:
		if c.algorithm.kind == kindHMAC {
			return nil
		}
		return fmt.Errorf("key %s: algorithm %s takes no key setting: remove it", c.Key, c.Algorithm)
	}
	// Not quoted: people put the key itself there.
	return errors.New("unknown key: want how the secret is written: raw, base64, hex or sha1; the secret itself is not part of the scheme")
}

func (c *scheme) checkSources() error {
	for _, s := range []struct {
		setting string
		source  *Source
	}{{"timestamp", &c.Timestamp.Source}, {"id", &c.ID}, {"type", &c.Type}, {"body_digest", &c.BodyDigest}} {
		if s.source.IsZero() {
			continue
		}
		if err := s.source.Validate(); err != nil {
			return fmt.Errorf("%s: %w", s.setting, err)
		}
		if s.source.From == FromHeader {
			s.source.Name = http.CanonicalHeaderKey(s.source.Name)
		}
	}
	return nil
}
