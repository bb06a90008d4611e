package verify

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"time"

	"github.com/tidwall/gjson"
)

// usualLifetime is how long a token is good that we make, where the row does not say.
const usualLifetime = 5 * time.Minute

// members are those of a JSON object, in order.
type members []member

type member struct {
	name string
	raw  string // its value as JSON
}

func (m *members) set(name, raw string) {
	for i := range *m {
		if (*m)[i].name == name {
			(*m)[i].raw = raw
			return
		}
	}
	*m = append(*m, member{name, raw})
}

func (m members) encode() string {
	text := []byte{'{'}
	for i, one := range m {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, quote(one.name)...), ':'), one.raw...)
	}
	return base64.RawURLEncoding.EncodeToString(append(text, '}'))
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string: cannot fail
	return string(quoted)
}

// sign makes a token, or makes the one that is there anew: its claims stay, but
// for the times, which move as a whole, and the body's digest. What it says of the
// URL stays, too: the provider knows that better than a proxy.
func (j *jwt) sign(s *scheme, r *Request, at time.Time, newID func() string) error {
	in := newInput(r)
	defer in.release()
	var claims members
	if s.format.parse(s.Signature.lookup(in.document), in) {
		if t, ok := j.parseToken(in); ok {
			if old, ok := decodePart(t.payload); ok {
				claims = renewed(old, j.issued, at)
			}
		}
	}
	fresh := claims == nil
	for _, c := range j.claims {
		if raw, ok := c.make(s.settings, r, newID, fresh); ok {
			claims.set(c.name, raw)
		}
	}
	if fresh || j.issued == "" {
		j.addTimes(&claims, at)
	}
	header := members{{"alg", quote(j.alg)}, {"typ", `"JWT"`}}
	signed := header.encode() + "." + claims.encode()
	signature, err := s.signer.sign(literal(signed), in)
	if err != nil {
		return err
	}
	if j.alg == "ES256" {
		signature = sideBySide(signature)
	}
	text := signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	return s.Signature.set(r, s.format.render([]byte(text), ""))
}

func (j *jwt) addTimes(claims *members, at time.Time) {
	lifetime := j.lifetime
	if lifetime == 0 {
		lifetime = usualLifetime
	}
	if j.issued != "" {
		claims.set(j.issued, seconds(at))
	}
	if j.expires || j.issued != "" {
		claims.set("exp", seconds(at.Add(lifetime)))
	}
}

// renewed returns the claims with their times moved, so that issued is at.
func renewed(claims gjson.Result, issued string, at time.Time) (out members) {
	before, known := numericDate(child(claims, issued))
	claims.ForEach(func(name, value gjson.Result) bool {
		raw := value.Raw
		if n := name.Str; known && issued != "" && (n == "iat" || n == "nbf" || n == "exp") {
			if then, ok := numericDate(value); ok {
				raw = seconds(at.Add(then.Sub(before)))
			}
		}
		out.set(name.Str, raw)
		return true
	})
	return out
}

// make returns the value of a claim for r; false where the one that is there stays.
func (c claim) make(set settings, r *Request, newID func() string, fresh bool) (string, bool) {
	body := sha256.Sum256(r.Body)
	switch c.kind {
	case claimBodyHex:
		return quote(hex.EncodeToString(body[:])), !c.optional || len(r.Body) > 0
	case claimBodyBase64:
		return quote(base64.StdEncoding.EncodeToString(body[:])), true
	case claimBodyBase64URL:
		return quote(base64.URLEncoding.EncodeToString(body[:])), true
	}
	if !fresh {
		return "", false
	}
	switch c.kind {
	case claimIs:
		return quote(c.values[0]), true
	case claimSetting:
		if values := set[c.values[0]]; len(values) > 0 {
			return quote(values[0]), true
		}
	case claimTrue:
		return "true", true
	case claimURL:
		return quote(r.URL()), true
	case claimURLHex:
		url := sha256.Sum256([]byte(r.URL()))
		return quote(hex.EncodeToString(url[:])), true
	case claimID:
		return quote(newID()), true
	}
	return "", false
}

// sideBySide turns an ASN.1 signature into r and s of 32 bytes each.
func sideBySide(der []byte) []byte {
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return der
	}
	out := make([]byte, 2*p256Size)
	pair.R.FillBytes(out[:p256Size])
	pair.S.FillBytes(out[p256Size:])
	return out
}
