package verify

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tokenTest is a provider that signs with tokens, and a webhook of it that our
// side has signed, to be spoiled.
type tokenTest struct {
	*Verifier
	scheme *scheme
	jwt    *jwt
	header map[string]any
	claims map[string]any
}

// eachTokenProvider calls test for each scheme with a JWT in a header.
func eachTokenProvider(t *testing.T, test func(t *testing.T, x *tokenTest)) {
	found := 0
	for _, p := range Providers() {
		v := newTestVerifier(t, p)
		for _, s := range v.schemes {
			j, ok := s.special.(*jwt)
			if !ok || s.Signature.From == fromBody {
				continue
			}
			found++
			t.Run(p.Name+"/"+j.alg, func(t *testing.T) {
				x := &tokenTest{Verifier: v, scheme: s, jwt: j}
				r := x.request()
				if err := s.sign(r, testTime, v.newID); err != nil {
					t.Fatal(err)
				}
				if _, err := v.Verify(r); err != nil {
					t.Fatal(err)
				}
				in := newInput(r)
				defer in.release()
				s.format.parse(s.Signature.lookup(in.document), in)
				parts := strings.Split(string(in.signatures[0]), ".")
				for i, into := range []*map[string]any{&x.header, &x.claims} {
					text, err := base64.RawURLEncoding.DecodeString(parts[i])
					if err != nil {
						t.Fatal(err)
					}
					if err := json.Unmarshal(text, into); err != nil {
						t.Fatal(err)
					}
				}
				test(t, x)
			})
		}
	}
	if found < 10 {
		t.Errorf("only %d schemes with tokens", found)
	}
}

func (x *tokenTest) request() *Request {
	return &Request{
		Method: http.MethodPost, Scheme: "https", Host: "hooks.example.com", URI: "/in?a=1",
		Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(`{"id":"1"}`),
	}
}

// with returns a webhook whose token has other header members or claims, rightly
// signed; nil removes one.
func (x *tokenTest) with(t *testing.T, header, claims map[string]any) *Request {
	t.Helper()
	r := x.request()
	signed := encodePart(t, x.header, header) + "." + encodePart(t, x.claims, claims)
	in := newInput(r)
	defer in.release()
	signature, err := x.scheme.signer.sign(literal(signed), in)
	if err != nil {
		t.Fatal(err)
	}
	if x.jwt.alg == "ES256" {
		signature = sideBySide(signature)
	}
	x.put(r, signed+"."+base64.RawURLEncoding.EncodeToString(signature))
	return r
}

func (x *tokenTest) put(r *Request, token string) {
	r.Header.Set(x.scheme.Signature.Name, x.scheme.format.render([]byte(token), ""))
}

func encodePart(t *testing.T, members, changed map[string]any) string {
	t.Helper()
	members = maps.Clone(members)
	for name, value := range changed {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// TestTokenClaims spoils each claim that a row wants, signed with the right key.
func TestTokenClaims(t *testing.T) {
	eachTokenProvider(t, func(t *testing.T, x *tokenTest) {
		if _, err := x.Verify(x.with(t, nil, nil)); err != nil {
			t.Fatal(err)
		}
		for _, c := range x.jwt.claims {
			values := []any{"", "another", 1, true, false, []any{}, []any{1, "x"}, map[string]any{}}
			if c.kind == claimID {
				values = []any{"", 1, []any{"x"}}
			}
			if !c.optional || strings.HasPrefix(c.name, "payload") {
				values = append(values, nil)
			}
			if c.kind == claimTrue {
				values = []any{nil, false, "true", 1}
			}
			for _, value := range values {
				refused(t, x.Verifier, x.with(t, nil, map[string]any{c.name: value}), c.name+" changed", InvalidSignature)
			}
		}
	})
}

// TestTokenTimes moves the times of a token that is rightly signed.
func TestTokenTimes(t *testing.T) {
	seconds := func(d time.Duration) int64 { return testTime.Add(d).Unix() }
	hour := time.Hour
	eachTokenProvider(t, func(t *testing.T, x *tokenTest) {
		claims := func(pairs ...any) *Request {
			changed := map[string]any{}
			for i := 0; i < len(pairs); i += 2 {
				changed[pairs[i].(string)] = pairs[i+1]
			}
			return x.with(t, nil, changed)
		}
		refused(t, x.Verifier, claims("exp", seconds(-DefaultTolerance-time.Second)), "exp in the past", TimestampExpired)
		refused(t, x.Verifier, claims("nbf", seconds(hour), "iat", seconds(0)), "nbf in the future", InvalidTimestamp)
		for _, bad := range []any{"1767323045", true, 1e20, -1, []any{}, "x"} {
			refused(t, x.Verifier, claims("exp", bad), "a bad exp", InvalidTimestamp)
		}
		if _, err := x.Verify(claims("exp", float64(seconds(hour))+0.5)); err != nil {
			t.Errorf("a fraction of a second: %v", err)
		}
		if x.jwt.expires {
			refused(t, x.Verifier, claims("exp", nil), "no exp", InvalidTimestamp)
		}
		if x.jwt.issued == "" {
			return
		}
		issued := x.jwt.issued
		refused(t, x.Verifier, claims(issued, nil), "no "+issued, InvalidTimestamp)
		refused(t, x.Verifier, claims(issued, "x"), "bad "+issued, InvalidTimestamp)
		refused(t, x.Verifier, claims(issued, seconds(-hour), "exp", seconds(hour)), "old, not expired", TimestampExpired)
		refused(t, x.Verifier, claims(issued, seconds(hour), "exp", seconds(2*hour)), "of the future", InvalidTimestamp)
		if result, err := x.Verify(claims(issued, seconds(-time.Minute))); err != nil || !result.Timestamp.Equal(testTime.Add(-time.Minute)) {
			t.Errorf("%s: %s, %v", issued, result.Timestamp, err)
		}
	})
}

// TestTokenHeaders: which algorithm is right says the row, not the token.
func TestTokenHeaders(t *testing.T) {
	eachTokenProvider(t, func(t *testing.T, x *tokenTest) {
		for _, alg := range []any{"none", "None", "", nil, "HS256", "HS384", "HS512", "RS256", "RS512", "ES256", "PS256", "EdDSA", strings.ToLower(x.jwt.alg), []any{x.jwt.alg}} {
			if alg == x.jwt.alg || len(x.schemes) > 1 && alg != nil && strings.HasPrefix(x.jwt.alg, "HS") {
				continue // MessageBird may use any of three
			}
			refused(t, x.Verifier, x.with(t, map[string]any{"alg": alg}, nil), "another alg", InvalidSignature)
		}
		refused(t, x.Verifier, x.with(t, map[string]any{"crit": []any{"exp"}}, nil), "crit", InvalidSignature)
		if _, err := x.Verify(x.with(t, map[string]any{"typ": nil, "x5c": "ignored"}, nil)); err != nil {
			t.Errorf("other members: %v", err)
		}
	})
}

// TestTokensThatAreNotSigned is what is tried against careless libraries.
func TestTokensThatAreNotSigned(t *testing.T) {
	eachTokenProvider(t, func(t *testing.T, x *tokenTest) {
		whole := x.with(t, nil, nil).Header.Get(x.scheme.Signature.Name)
		prefix := whole[:len(whole)-len(strings.TrimPrefix(whole, "Bearer "))]
		parts := strings.Split(strings.TrimPrefix(whole, prefix), ".")
		none := encodePart(t, x.header, map[string]any{"alg": "none"})
		for what, token := range map[string]string{
			"alg none, no signature":   none + "." + parts[1] + ".",
			"alg none, the signature":  none + "." + parts[1] + "." + parts[2],
			"no signature":             parts[0] + "." + parts[1] + ".",
			"two parts":                parts[0] + "." + parts[1],
			"four parts":               whole + ".AAAA",
			"five parts":               strings.Repeat("AAAA.", 4) + "AAAA",
			"padded":                   parts[0] + "." + parts[1] + "." + parts[2] + "==",
			"empty":                    "..",
			"spaces":                   parts[0] + ". " + parts[1] + "." + parts[2],
			"a signature of zero":      parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
			"half of the signature":    parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])/2],
			"claims that are an array": parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + "." + parts[2],
			"claims that are no JSON":  parts[0] + ".AAAA." + parts[2],
			"header that is no JSON":   "AAAA." + parts[1] + "." + parts[2],
			"too long":                 parts[0] + "." + parts[1] + "." + parts[2] + strings.Repeat("A", maxSignatureLength),
		} {
			r := x.request()
			x.put(r, strings.TrimPrefix(token, prefix))
			refused(t, x.Verifier, r, what, InvalidSignature)
		}
		r := x.with(t, nil, nil)
		r.Header.Add(x.scheme.Signature.Name, whole)
		refused(t, x.Verifier, r, "the token twice", InvalidSignature)
		if x.scheme.algorithm.kind != kindPublicKey {
			return
		}
		// The public key must not work as a secret.
		k := &sharedTestKeys
		for _, secret := range []string{k.rsa, k.ec, strings.TrimSpace(k.rsa), ""} {
			signed := encodePart(t, x.header, map[string]any{"alg": "HS256"}) + "." + parts[1]
			in := newInput(r)
			signature, err := newHMACKey(x.scheme.algorithm.hash.New, []byte(secret)).sign(literal(signed), in)
			in.release()
			if err != nil {
				t.Fatal(err)
			}
			forged := x.request()
			x.put(forged, signed+"."+base64.RawURLEncoding.EncodeToString(signature))
			refused(t, x.Verifier, forged, "HMAC with the public key", InvalidSignature)
		}
	})
}

// TestTokensAreSignedAgain: a token that came in is renewed later. What it says
// stays, but for the times, and an application behind another URL takes it still.
func TestTokensAreSignedAgain(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		s := v.usedScheme(x.request(t))
		j, ok := s.special.(*jwt)
		if !ok || !v.CanResign() || j.issued == "" {
			return
		}
		r, later := x.request(t), x.Time().Add(20*time.Hour)
		r.Host, r.URI = "internal.example", "/rewritten"
		if err := v.Sign(r, later); err != nil {
			t.Fatal(err)
		}
		old, renewed := claimsOf(t, s, x.request(t)), claimsOf(t, s, r)
		for name, value := range old {
			moved := value
			if name == "iat" || name == "nbf" || name == "exp" {
				moved = value.(float64) + (20 * time.Hour).Seconds()
			}
			if now := renewed[name]; now != moved && j.claimKind(name) != claimBodyBase64URL {
				t.Errorf("claim %s was %v, is %v", name, value, now)
			}
		}
		r.Host, r.URI = x.request(t).Host, x.request(t).URI
		o := x.options()
		o.Now = func() time.Time { return later }
		o.Secrets = append(o.Secrets[x.SecretIndex:], o.Secrets[:x.SecretIndex]...)
		app, err := x.provider.NewVerifier(o)
		if err != nil {
			t.Fatal(err)
		}
		if x.SecretIndex > 0 {
			return // ours is signed with the first secret, not with the provider's
		}
		if _, err := app.Verify(r); err != nil {
			t.Error(err)
		}
	})
}

func (j *jwt) claimKind(name string) claimKind {
	for _, c := range j.claims {
		if c.name == name {
			return c.kind
		}
	}
	return claimIs
}

func claimsOf(t *testing.T, s *scheme, r *Request) (claims map[string]any) {
	t.Helper()
	in := newInput(r)
	defer in.release()
	if !s.format.parse(s.Signature.lookup(in.document), in) {
		t.Fatalf("no token in %v", r.Header)
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(string(in.signatures[0]), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
