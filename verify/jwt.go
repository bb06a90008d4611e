package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// jwt is a JSON Web Token in compact form (RFC 7519, RFC 7515) whose claims say
// what it is good for. Which algorithm it is signed with says the scheme, never
// the token: one whose header names another is refused.
type jwt struct {
	alg     string  // as the token's header names the scheme's algorithm
	claims  []claim // that must be right
	issued  string  // the claim that tells the age: "iat" or "nbf"; empty: none does
	expires bool    // it must have exp

	lifetime time.Duration // of those that we make; 0: usualLifetime
}

// claimKind is what a claim must be.
type claimKind int

const (
	claimIs            claimKind = iota // one of the values
	claimSetting                        // one of the values of the setting
	claimTrue                           // true
	claimBodyHex                        // SHA-256 of the body, in hex
	claimBodyBase64                     // in base64, of either alphabet, padded or not
	claimBodyBase64URL                  // the same; we make it in base64url
	claimURL                            // the URL
	claimURLHex                         // SHA-256 of the URL, in hex
	claimID                             // an id of the webhook, of any value
)

type claim struct {
	name   string
	kind   claimKind
	values []string // claimIs: any of them. claimSetting: the setting's name

	// optional: nothing is wrong if it is not there; but a body that is not empty
	// needs its digest.
	optional bool
}

// token is a JWT taken apart. Its signature is in input.signatures.
type token struct {
	signed  string // header and payload as sent, which is what is signed
	payload string
}

// jwtNames are the names of algorithms in tokens (RFC 7518, section 3.1).
var jwtNames = map[string]string{
	"hmac-sha256": "HS256", "hmac-sha384": "HS384", "hmac-sha512": "HS512",
	"rsa-sha256": "RS256", "rsa-sha512": "RS512", "ecdsa-p256-sha256": "ES256",
}

// parseToken splits the one token in in.signatures, and leaves its signature there.
func (j *jwt) parseToken(in *input) (token, bool) {
	text := view(in.signatures[0])
	header, rest, ok1 := strings.Cut(text, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || len(in.signatures) != 1 || max(len(header), len(signature)) > maxSignatureLength {
		return token{}, false
	}
	t := token{text[:len(header)+1+len(payload)], payload}
	head, ok := decodePart(header)
	if !ok || child(head, "alg").Str != j.alg || child(head, "crit").Exists() {
		return token{}, false
	}
	in.keyID = child(head, "kid").Str
	in.signatures = in.signatureSpace[:0]
	if !in.addSignature(encodedBase64URL, signature) || strings.HasSuffix(signature, "=") {
		return token{}, false
	}
	// RFC 7518, section 3.4: r and s side by side, never ASN.1.
	return t, j.alg != "ES256" || len(in.signatures[0]) == 2*p256Size
}

// decodePart reads a JSON object in base64url without padding.
func decodePart(text string) (gjson.Result, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return gjson.Result{}, false
	}
	raw, err := strictBase64URL.AppendDecode(nil, bytesOf(text))
	if err != nil {
		return gjson.Result{}, false
	}
	object := parseJSON(raw)
	return object, object.IsObject() && namedOnce(object)
}

// maxClaims bounds the members of a token's header, and its claims.
const maxClaims = 1000

// namedOnce reports whether no name of the object is there twice (RFC 7515 and 7519,
// section 4, forbid it), also not in another case, and there are not too many.
func namedOnce(object gjson.Result) bool {
	names := map[string]struct{}{}
	for members := walkOf(object); len(names) <= maxClaims; {
		key, _, more := members.next()
		if !more {
			return true
		}
		name := foldName(gjson.Parse(`"` + key + `"`).Str)
		if _, found := names[name]; found {
			return false
		}
		names[name] = struct{}{}
	}
	return false
}

func (j *jwt) verify(v *Verifier, s *scheme, in *input) (Result, *Error) {
	t, ok := j.parseToken(in)
	if !ok {
		return Result{}, invalidSignature(DetailMalformedSignature, fmt.Sprintf("%s: want a JWT with alg %s", s.Signature, j.alg))
	}
	in.payload = t.payload
	index, err := s.match([]template{literal(t.signed)}, in)
	if err != nil {
		return Result{}, err
	}
	result := Result{SecretIndex: index}
	if err := j.readClaims(s, in); err != nil {
		return Result{}, err
	}
	if err := j.checkClaims(s, in); err != nil {
		return Result{}, err
	}
	for _, c := range j.claims {
		if id := child(in.claims, c.name).Str; c.kind == claimID && identifies(id) {
			result.ID = id
		}
	}
	result.Timestamp, err = j.checkTimes(in.claims, v.now(), v.tolerance)
	return result, err
}

// readClaims decodes the claims, which may be as many as a body has room for: after the signature
// was found right, or before a key is fetched for it.
func (j *jwt) readClaims(s *scheme, in *input) *Error {
	var ok bool
	if in.claims, ok = decodePart(in.payload); !ok {
		return invalidSignature(DetailMalformedSignature, s.Signature.String()+": the claims are no JSON object, or too many, or one is there twice")
	}
	return nil
}

func (j *jwt) checkClaims(s *scheme, in *input) *Error {
	for _, c := range j.claims {
		if !c.holds(in.claims, s.settings, in.request) {
			return invalidSignature(c.detail(), "claim "+c.name)
		}
	}
	return nil
}

// doubt checks the token's claims before the signature is checked.
func (j *jwt) doubt(v *Verifier, s *scheme, in *input) *Error {
	if err := j.readClaims(s, in); err != nil {
		return err
	}
	if err := j.checkClaims(s, in); err != nil {
		return err
	}
	_, err := j.checkTimes(in.claims, v.now(), v.tolerance)
	return err
}

// literal is a content that is known already.
func literal(text string) template { return template{parts: []part{{kind: partLiteral, text: text}}} }

// checkTimes judges exp and nbf wherever they are (RFC 7519, sections 4.1.4 and
// 4.1.5; clocks may differ by the tolerance), and the age where the token tells it.
func (j *jwt) checkTimes(claims gjson.Result, now time.Time, tolerance time.Duration) (time.Time, *Error) {
	times := map[string]time.Time{}
	for _, name := range []string{"exp", "nbf", j.issued} {
		value := child(claims, name)
		if name == "" || !value.Exists() && name != j.issued && !(name == "exp" && j.expires) {
			continue
		}
		at, ok := numericDate(value)
		switch {
		case !value.Exists():
			return at, invalidTimestamp(DetailMissingTimestamp, "claim "+name)
		case !ok:
			return at, invalidTimestamp(DetailMalformedTimestamp, "claim "+name)
		}
		times[name] = at
	}
	issued := times[j.issued]
	if !issued.IsZero() {
		if err := checkWindow(issued, now, tolerance); err != nil {
			return time.Time{}, err
		}
	}
	if exp, ok := times["exp"]; ok && now.Sub(exp) > tolerance {
		return time.Time{}, &Error{TimestampExpired, DetailStaleTimestamp, "claim exp"}
	}
	if nbf, ok := times["nbf"]; ok && nbf.Sub(now) > tolerance {
		return time.Time{}, invalidTimestamp(DetailFutureTimestamp, "claim nbf")
	}
	return issued, nil
}

// numericDate reads seconds, with or without fractions (RFC 7519, section 2).
func numericDate(value gjson.Result) (time.Time, bool) {
	whole, _, _ := strings.Cut(value.Raw, ".")
	seconds, ok := parseDigits(whole, maxSecondsDigits)
	return time.Unix(seconds, 0), ok && value.Type == gjson.Number && !strings.ContainsAny(value.Raw, "eE")
}

// holds reports whether the claim is what it must be.
func (c claim) holds(claims gjson.Result, set settings, r *Request) bool {
	value := child(claims, c.name)
	if !value.Exists() {
		return c.optional && (len(r.Body) == 0 || c.detail() != DetailBodyDigestMismatch)
	}
	switch c.kind {
	case claimIs:
		return value.Type == gjson.String && slices.Contains(c.values, value.Str)
	case claimSetting:
		return anyString(value, func(s string) bool { return set.has(c.values[0], s) })
	case claimTrue:
		return value.Type == gjson.True
	case claimBodyHex:
		return equalHex(value.Str, r.Body)
	case claimBodyBase64, claimBodyBase64URL:
		return equalBase64(value.Str, r.Body)
	case claimURL:
		return slices.Contains(r.urls(), value.Str)
	case claimURLHex:
		return slices.ContainsFunc(r.urls(), func(url string) bool { return equalHex(value.Str, []byte(url)) })
	default: // claimID
		return value.Type == gjson.String && value.Str != ""
	}
}

// detail distinguishes a webhook for another recipient from a changed one.
func (c claim) detail() string {
	switch c.kind {
	case claimBodyHex, claimBodyBase64, claimBodyBase64URL:
		return DetailBodyDigestMismatch
	case claimIs, claimSetting, claimTrue, claimURL, claimURLHex:
		return DetailOtherRecipient
	}
	return DetailMissingPart
}

// anyString is for claims that are a string or an array of strings (RFC 7519, section 4.1.3).
func anyString(value gjson.Result, is func(string) bool) bool {
	if value.IsArray() {
		return slices.ContainsFunc(value.Array(), func(v gjson.Result) bool { return v.Type == gjson.String && is(v.Str) })
	}
	return value.Type == gjson.String && is(value.Str)
}

func equalHex(text string, content []byte) bool {
	got, err := hex.DecodeString(text)
	want := sha256.Sum256(content)
	return err == nil && subtle.ConstantTimeCompare(got, want[:]) == 1
}

func equalBase64(text string, content []byte) bool {
	got, err := strictBase64URL.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "=")))
	want := sha256.Sum256(content)
	return err == nil && subtle.ConstantTimeCompare(got, want[:]) == 1
}

// urls are the forms in which a provider may know the URL: of ports it and we may differ.
func (r *Request) urls() []string {
	return []string{
		r.URL(), r.Scheme + "://" + r.hostWithoutPort() + r.target(), r.Scheme + "://" + r.hostWithPort() + r.target(),
	}
}

func (j *jwt) signsTimestamp() bool { return j.issued != "" }

func (j *jwt) recognizes(in *input) bool {
	_, ok := j.parseToken(in)
	return ok
}

func (j *jwt) signsURL() bool {
	return slices.ContainsFunc(j.claims, func(c claim) bool { return c.kind == claimURL || c.kind == claimURLHex })
}

func seconds(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
