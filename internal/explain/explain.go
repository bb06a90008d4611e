// Package explain says why a webhook's signature does not match: it tries what
// people get wrong, one mistake after the other, until one of them would match.
package explain

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Explanation is what is known of a webhook's signature. It contains no secret
// and no signature.
type Explanation struct {
	// OK says that the signature is right and fresh.
	OK bool `json:"ok"`
	// Result is what Verify found, if OK.
	Result verify.Result `json:"-"`
	// Reason and Detail are verify's words for a failure.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Findings are what was found out about it, the most likely first: whole sentences.
	Findings []string `json:"findings,omitempty"`
}

// Explain verifies r and, if that fails, looks for the mistake. An error means
// that the options themselves are wrong.
func Explain(p *verify.Provider, o verify.Options, r *verify.Request) (Explanation, error) {
	c := &check{provider: p, options: o, request: r, now: time.Now()}
	if o.Now != nil {
		c.now = o.Now()
	}
	v, err := p.NewVerifier(o)
	if err != nil {
		if hint := c.shapeOfSecrets(); hint != "" {
			err = fmt.Errorf("%w; %s", err, hint)
		}
		return Explanation{}, err
	}
	result, err := v.Verify(r)
	if err == nil {
		return Explanation{OK: true, Result: result}, nil
	}
	failure, ok := errors.AsType[*verify.Error](err)
	if !ok {
		return Explanation{}, err
	}
	e := Explanation{Reason: string(failure.Reason), Detail: failure.Error()}
	secretInPlay := true // it may be at fault
	switch failure.Detail {
	case verify.DetailStaleTimestamp, verify.DetailFutureTimestamp:
		c.explainTime(v)
	case verify.DetailNoSignature, verify.DetailMissingPart, verify.DetailMissingTimestamp:
		c.explainMissing(v)
		c.otherProviders()
	case verify.DetailKeyNotFetched, verify.DetailKeyNotYet, verify.DetailKeyFetchLimited, verify.DetailUnknownKey, verify.DetailForeignKeyAddress:
		secretInPlay = false
		c.explainKey(failure.Detail)
	case verify.DetailMalformedSignature, verify.DetailMalformedPart, verify.DetailMalformedTimestamp:
		secretInPlay = false
		c.explainMalformed(v)
		c.otherProviders()
	case verify.DetailUndecodedBody:
		secretInPlay = false
		c.find("What %s signs is the body before compression, and this one cannot be decompressed (%s): is it whole, and is max_body enough for what it becomes?", c.provider.Title, failure.About)
	case verify.DetailMislabelledBody:
		secretInPlay = false
		c.find("The signature is right, but the Content-Type says another kind of body (or charset, or boundary) than it is: the application could read other values than those that are signed.")
	case verify.DetailAmbiguousField, verify.DetailAmbiguousMember, verify.DetailAmbiguousHeader:
		secretInPlay = false
		c.find("It has something twice (%s), or under a name that some applications take for the same: they could read another value than the one that is signed. %s sends it once.", failure.About, c.provider.Title)
	case verify.DetailAmbiguousContent:
		secretInPlay = false
		c.find("The signature is right, but as good for another webhook, in which the same characters stand at other places: %s.", failure.About)
	case verify.DetailNoSecretYet:
		c.find("No --secret was given.")
	default:
		c.explainMismatch()
	}
	if !secretInPlay {
		e.Findings = c.findings
		return e, nil
	}
	if hint := c.shapeOfSecrets(); hint != "" {
		c.find("%s.", upperFirst(hint))
	}
	switch {
	case len(c.findings) > 0:
	case len(c.request.Body) == 0:
		c.find("There is no body: give the one that was sent, byte for byte, with --body.")
	default:
		c.find("None of the usual mistakes explains it: most likely the secret is another endpoint's, or the body is not the one that was signed, byte for byte.")
	}
	e.Findings = c.findings
	return e, nil
}

// check is one search for a mistake.
type check struct {
	provider *verify.Provider
	options  verify.Options
	request  *verify.Request
	now      time.Time
	findings []string
}

func (c *check) find(format string, args ...any) {
	c.findings = append(c.findings, fmt.Sprintf(format, args...))
}

// matches reports whether the signature would be right, at whatever time, for
// this provider, these options and this request.
func (c *check) matches(p *verify.Provider, o verify.Options, r *verify.Request) bool {
	o.Now = func() time.Time { return c.now }
	v, err := p.NewVerifier(o)
	if err != nil {
		return false
	}
	_, err = v.Verify(r)
	failure, ok := errors.AsType[*verify.Error](err)
	return err == nil || ok && (failure.Detail == verify.DetailStaleTimestamp || failure.Detail == verify.DetailFutureTimestamp)
}

// explainTime is for a signature that is right but for its time.
func (c *check) explainTime(v *verify.Verifier) {
	signedAt, ok := c.signedAt()
	tolerance := c.options.Tolerance
	if tolerance == 0 {
		tolerance = verify.DefaultTolerance
	}
	if !ok {
		c.find("The signature itself is right; the time that it was made at is not within %s of now.", tolerance)
		return
	}
	age := c.now.Sub(signedAt).Round(time.Second)
	if age > 0 {
		c.find("The signature itself is right. It was made at %s, %s ago, and the tolerance is %s: a webhook that was captured earlier can be checked with --at %s.",
			signedAt.UTC().Format(time.RFC3339), age, tolerance, signedAt.UTC().Format(time.RFC3339))
		return
	}
	c.find("The signature itself is right, but it was made %s in the future, at %s: the clock of this machine (%s) is behind, or the sender's is ahead.",
		-age, signedAt.UTC().Format(time.RFC3339), c.now.UTC().Format(time.RFC3339))
}

// signedAt asks the verifier for the signed time, which it tells of what it accepts.
func (c *check) signedAt() (time.Time, bool) {
	o := c.options
	o.Tolerance = 200 * 365 * 24 * time.Hour
	v, err := c.provider.NewVerifier(o)
	if err != nil {
		return time.Time{}, false
	}
	result, err := v.Verify(c.request)
	return result.Timestamp, err == nil && !result.Timestamp.IsZero()
}

// explainMissing compares the headers that the scheme reads with those that came.
func (c *check) explainMissing(v *verify.Verifier) {
	for _, name := range v.Headers() {
		if len(c.request.Header[name]) > 0 {
			continue
		}
		if near := nearest(name, c.request.Header); near != "" {
			c.find("The header %s is missing; %s is there: was it renamed on the way?", name, near)
			continue
		}
		c.find("The header %s is missing: %s sends it with every webhook, and proxies must pass it on.", name, c.provider.Title)
	}
	for _, name := range v.Parameters() {
		if !strings.Contains(c.request.URI, name+"=") {
			c.find("The query parameter %s is missing from the URL: give it with --url.", name)
		}
	}
}

// explainKey is for a public key of the provider's that is not at hand.
func (c *check) explainKey(detail string) {
	switch detail {
	case verify.DetailKeyNotFetched, verify.DetailKeyNotYet, verify.DetailKeyFetchLimited:
		c.find("Nothing is known of the signature: the public key of %s could not be fetched from this machine. See that it may reach the Internet, or give the key with --public-key.", c.provider.Title)
	case verify.DetailUnknownKey:
		c.find("It names a key that %s does not publish: it is another sender's, another environment's (a sandbox's, say), or older than the key.", c.provider.Title)
	default:
		c.find("It wants its key fetched from where %s publishes none: it is not from %s.", c.provider.Title, c.provider.Title)
	}
}

// explainMalformed is for a signature or a signed value that could not be read:
// whatever the secret is, it was not compared.
func (c *check) explainMalformed(v *verify.Verifier) {
	var names []string
	for _, name := range v.Headers() {
		if len(c.request.Header[name]) > 0 {
			names = append(names, name)
		}
	}
	where := "What is signed"
	if len(names) > 0 {
		where = "Of " + strings.Join(names, ", ") + " one"
	}
	c.find("%s is not as %s writes it: cut off, quoted, or changed while it was copied? Give each header whole, as it came.", where, c.provider.Title)
}

// nearest finds a header whose name differs by a prefix, an underscore or the like.
func nearest(name string, header http.Header) string {
	plain := func(name string) string {
		return strings.NewReplacer("-", "", "_", "").Replace(strings.TrimPrefix(strings.ToLower(name), "x-"))
	}
	names := make([]string, 0, len(header))
	for other := range header {
		names = append(names, other)
	}
	slices.Sort(names)
	for _, other := range names {
		if plain(other) == plain(name) {
			return other
		}
	}
	return ""
}

// explainMismatch is for a signature that is there and does not match.
func (c *check) explainMismatch() {
	for _, try := range []func() bool{c.otherSecrets, c.otherBodies, c.otherURLs, c.otherSchemes} {
		if try() {
			return
		}
	}
	c.otherProviders()
}

// otherProviders looks for a provider whose scheme the webhook satisfies.
func (c *check) otherProviders() {
	for _, p := range verify.Providers() {
		if p.Name != c.provider.Name && c.proves(p) {
			c.find("It is a webhook of %s: with this secret it verifies as `webhooks %s`.", p.Title, p.Name)
			return
		}
	}
}

// proves leaves out what would match anything that has the secret in it.
func (c *check) proves(p *verify.Provider) bool {
	return c.matches(p, c.options, c.request)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
