package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

// hmacScheme is a valid scheme to be varied.
func hmacScheme(change func(*Scheme)) Scheme {
	s := Scheme{Algorithm: "hmac-sha256", Signature: header("X-Signature")}
	if change != nil {
		change(&s)
	}
	return s
}

func TestValidateNamesTheSetting(t *testing.T) {
	for _, c := range []struct {
		change func(*Scheme)
		want   string // part of the error
	}{
		{func(s *Scheme) { s.Algorithm = "" }, "algorithm is missing"},
		{func(s *Scheme) { s.Algorithm = "hmac-md5" }, `unknown algorithm "hmac-md5"`},
		{func(s *Scheme) { s.Signature = Source{} }, "signature is missing"},
		{func(s *Scheme) { s.Signature = Source{"cookie", "x"} }, `signature: source "cookie x": unknown place`},
		{func(s *Scheme) { s.Signature.Name = "" }, "the name is missing"},
		{func(s *Scheme) { s.Format = "sha256=" }, "no placeholder"},
		{func(s *Scheme) { s.Format = "{hex" }, "no placeholder"},
		{func(s *Scheme) { s.Format = "{base32}" }, "unknown placeholder {base32}"},
		{func(s *Scheme) { s.Format = "{hex}," }, "ends with a separator"},
		{func(s *Scheme) { s.Format = "{hex}." }, "comes a separator"},
		{func(s *Scheme) { s.Format = "a={hex},b={hex}" }, "more than one placeholder"},
		{func(s *Scheme) { s.Format = "t={timestamp},v1={hex};..." }, "two different separators"},
		{func(s *Scheme) { s.Format = "t={timestamp}" }, "no placeholder for the signature"},
		{func(s *Scheme) { s.Format = "..." }, "no placeholder for the signature"},
		{func(s *Scheme) { s.Format = "v={hex},v={timestamp}" }, "do not tell the items apart"},
		{func(s *Scheme) { s.Format = "{hex},t={timestamp}" }, "do not tell the items apart"},
		{func(s *Scheme) { s.Format = "a,{hex},..." }, "contains the separator"},
		{func(s *Scheme) { s.Format = "{token}" }, "for the algorithm token only"},
		{func(s *Scheme) { s.Algorithm, s.Format = "token", "{hex}" }, "a token is not encoded"},
		{func(s *Scheme) { s.Algorithm = "sha256" }, "without {secret} anybody"},
		{func(s *Scheme) {
			s.Algorithm, s.Content, s.Alternatives = "sha256", "{secret}{body}", []string{"{body}"}
		}, "without {secret} anybody"},
		{func(s *Scheme) { s.Content = "{secret}{body}" }, "{secret} is for plain hashes"},
		{func(s *Scheme) { s.Algorithm, s.Content, s.Key = "sha256", "{secret}", "hex" }, "takes no key setting"},
		{func(s *Scheme) { s.Content, s.Timestamp.Source = "{form.a}", form("t") }, "it is not signed"},
		{func(s *Scheme) { s.Timestamp.Source = header("T") }, "it is not signed"},
		{func(s *Scheme) { s.Algorithm, s.Content = "token", "{body}" }, "signs no content"},
		{func(s *Scheme) { s.Algorithm, s.Timestamp = "token", Timestamp{Source: header("T")} }, "it is not signed"},
		{func(s *Scheme) { s.Content = "{body" }, "a brace is not closed"},
		{func(s *Scheme) { s.Content = "{boddy}" }, "unknown variable {boddy}"},
		{func(s *Scheme) { s.Content = "{header.}" }, "unknown variable {header.}"},
		{func(s *Scheme) { s.Alternatives = []string{"{}"} }, "unknown variable {}"},
		{func(s *Scheme) { s.Signature, s.Content = query("s"), "{url}" }, "the URL cannot be signed"},
		{func(s *Scheme) { s.Content = "{timestamp}{body}" }, "timestamp is missing"},
		{func(s *Scheme) { s.Timestamp = Timestamp{Source: header("T")} }, "it is not signed"},
		{func(s *Scheme) { s.Format = "t={timestamp},v={hex}" }, "it is not signed"},
		{func(s *Scheme) {
			s.Content, s.Timestamp = "{timestamp}{body}", Timestamp{Source: header("T")}
			s.Alternatives = []string{"{body}"}
		}, "it is not signed"},
		{func(s *Scheme) {
			s.Format, s.Content, s.Timestamp = "t={timestamp},v={hex}", "{timestamp}{body}", Timestamp{Source: header("T")}
		}, "the format has {timestamp} already"},
		{func(s *Scheme) { s.Timestamp.Unit = "ms" }, "a unit without a place"},
		{func(s *Scheme) {
			s.Content, s.Timestamp = "{timestamp}{body}", Timestamp{header("T"), "ns"}
		}, `unknown unit "ns"`},
		{func(s *Scheme) { s.Content = "{id}{body}" }, "id is missing"},
		{func(s *Scheme) { s.ID = jsonAt("id") }, `id: source "json id": a JSON pointer begins with a slash`},
		{func(s *Scheme) { s.Type = jsonAt("/a~b") }, "write ~ as ~0"},
		{func(s *Scheme) { s.BodyDigest = Source{From: FromQuery} }, "body_digest: source query: the name is missing"},
		{func(s *Scheme) { s.Key = "utf8" }, "unknown key: want how"},
		{func(s *Scheme) { s.Algorithm, s.Key = "ed25519", "hex" }, "takes no key setting"},
	} {
		s := hmacScheme(c.change)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v:\n%v\nwant an error with %q", s, err, c.want)
		}
		if _, err := Custom(s); err == nil {
			t.Errorf("Custom accepts %+v", s)
		}
	}
	if s := hmacScheme(nil); s.Validate() != nil {
		t.Error(s.Validate())
	}
}

func TestTableIsValid(t *testing.T) {
	for _, p := range Providers() {
		if got, ok := Lookup(p.Name); !ok || got != p {
			t.Errorf("Lookup(%q) = %v, %t", p.Name, got, ok)
		}
		if p.Title == "" || !strings.HasPrefix(p.Docs, "https://") || len(p.Methods) == 0 || len(p.Schemes) == 0 {
			t.Errorf("row %s is incomplete", p.Name)
		}
		set := testSettings(p)
		if _, err := p.compile(set); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if _, err := p.compileHandshakes(set); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		for _, s := range p.Settings {
			if !strings.HasSuffix(s.Doc, ".") || s.Name == "" {
				t.Errorf("%s: option %q is not explained", p.Name, s.Name)
			}
		}
		sources := append(append([]Source{}, p.EventID...), p.EventType...)
		for _, h := range p.Handshakes {
			for _, s := range []Source{h.When, h.Echo, h.Token, h.Secret} {
				if !s.IsZero() {
					sources = append(sources, s)
				}
			}
			if h.When.IsZero() && (h.Method == "" || slices.Contains(p.Methods, h.Method)) {
				t.Errorf("%s: a handshake takes every webhook", p.Name)
			}
			if h.TokenSetting != "" && len(set[h.TokenSetting]) == 0 {
				t.Errorf("%s: no option %s", p.Name, h.TokenSetting)
			}
			if h.Answer.Status == 0 {
				t.Errorf("%s: a handshake has no status", p.Name)
			}
		}
		for _, s := range sources {
			switch s.From {
			case fromHeaderFirst:
				s.From = FromHeader
			case fromToken:
				s.From = FromJSON
			}
			if err := s.Validate(); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
	if _, ok := Lookup("custom"); ok {
		t.Error("custom is in the table")
	}
	if _, ok := Lookup("strip"); ok {
		t.Error("Lookup finds a prefix")
	}
}

func TestSchemeIsJSON(t *testing.T) {
	text := `{"algorithm":"hmac-sha256","signature":{"from":"header","name":"X-S"},"format":"v1={hex}","content":"{id}{timestamp}{body}",` +
		`"timestamp":{"from":"header","name":"X-T","unit":"ms"},"id":{"from":"json","name":"/id"}}`
	var s Scheme
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != text {
		t.Errorf("got  %s\nwant %s (%v)", got, text, err)
	}
}

func encodePEM(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// testKeys are key pairs in all forms.
type testKeys struct {
	ed, edPrivate, edRaw string
	rsa, rsaPrivate      string
	rsaPKCS1Private      string
	rsaShort             string
	ec, ecSEC1           string
	ecP384               string
	certificate          string
}

func newTestKeys(t testing.TB) (k testKeys) {
	t.Helper()
	public := func(key any) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		return encodePEM(t, "PUBLIC KEY", der, err)
	}
	private := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return encodePEM(t, "PRIVATE KEY", der, err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k.ed, k.edPrivate, k.edRaw = public(edPublic), private(edPrivate), hex.EncodeToString(edPublic)

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k.rsa, k.rsaPrivate = public(&rsaKey.PublicKey), private(rsaKey)
	k.rsaPKCS1Private = encodePEM(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	k.rsaShort = public(&short.PublicKey)

	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k.ec = public(&ecKey.PublicKey)
	der, err := x509.MarshalECPrivateKey(ecKey)
	k.ecSEC1 = encodePEM(t, "EC PRIVATE KEY", der, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k.ecP384 = public(&p384.PublicKey)

	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{}, &x509.Certificate{}, &rsaKey.PublicKey, rsaKey)
	k.certificate = encodePEM(t, "CERTIFICATE", der, err)
	return k
}

func TestNewVerifierNamesTheSetting(t *testing.T) {
	k := newTestKeys(t)
	named := func(name string) *Provider {
		p, _ := Lookup(name)
		return p
	}
	custom := func(algorithm, key string) *Provider {
		p, err := Custom(Scheme{Algorithm: algorithm, Signature: header("X-Signature"), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	seed := base64.StdEncoding.EncodeToString(make([]byte, 64)) // its public half is not zero
	for _, c := range []struct {
		provider *Provider
		options  Options
		want     string // part of the error; empty: none
	}{
		{named("stripe"), Options{}, "secret is missing"},
		{named("stripe"), Options{Secrets: []string{""}}, "secret 1 is empty"},
		{named("stripe"), Options{Secrets: []string{"ok", " \t"}}, "secret 2 is empty"},
		{named("stripe"), Options{Secrets: []string{"ok\n"}}, "secret 1 begins or ends with white space"},
		{named("stripe"), Options{Secrets: []string{"ok"}, PublicKeys: []string{k.ed}}, "public_key: this scheme uses a shared secret"},
		{named("stripe"), Options{Secrets: []string{"ok"}, Tolerance: -1}, "tolerance -1ns is negative"},
		{named("svix"), Options{Secrets: []string{"whsec_"}}, "secret 1 is empty"},
		{named("svix"), Options{Secrets: []string{"whsec_not base64"}}, "secret 1 is not base64"},
		{named("svix"), Options{Secrets: []string{good, "whsec_===="}}, "secret 2 is empty"},
		{named("svix"), Options{Secrets: []string{good}, PublicKeys: []string{""}}, "public_key 1 is empty"},
		{named("svix"), Options{PublicKeys: []string{good}}, "public_key 1 has an unknown form"},
		{named("svix"), Options{PublicKeys: []string{k.rsa}}, "public_key 1 is of another kind"},
		{named("svix"), Options{Secrets: []string{"whsk_!"}}, "secret 1 is not base64"},
		{named("svix"), Options{Secrets: []string{"whsk_AAAA"}}, "secret 1 is no private key"},
		{named("svix"), Options{Secrets: []string{"whsk_" + seed}}, "secret 1 is damaged"},
		{named("svix"), Options{Secrets: []string{good, k.edPrivate}}, ""},
		{custom("hmac-sha512", "hex"), Options{Secrets: []string{"zz"}}, "secret 1 is not hex"},
		{custom("hmac-sha512", "hex"), Options{Secrets: []string{"C0ffee"}}, ""},
		{custom("basic", ""), Options{Secrets: []string{"user"}}, "secret 1 has no colon"},
		{custom("ed25519", ""), Options{}, "public_key is missing"},
		{custom("ed25519", ""), Options{Secrets: []string{"text"}}, "secret 1 is not what this provider signs with"},
		{custom("ed25519", ""), Options{PublicKeys: []string{k.edPrivate}}, "public_key 1 is a private key"},
		{custom("ed25519", ""), Options{PublicKeys: []string{k.edRaw, k.ed}}, ""},
		{custom("ed25519", ""), Options{PublicKeys: []string{"-----BEGIN nothing"}}, "public_key 1 has an unknown form"},
		{custom("ed25519", ""), Options{PublicKeys: []string{"abcd"}}, "public_key 1 has an unknown form"},
		{custom("ed25519", ""), Options{Secrets: []string{"-----BEGIN nothing"}}, "secret 1 is no private key"},
		{custom("ed25519", ""), Options{Secrets: []string{k.rsaPrivate}}, "secret 1 is of another kind"},
		{custom("rsa-sha256", ""), Options{PublicKeys: []string{k.rsaShort}}, "public_key 1 is an RSA key of 1024 bits"},
		{custom("rsa-sha256", ""), Options{PublicKeys: []string{k.certificate}}, ""},
		{custom("rsa-sha256", ""), Options{PublicKeys: []string{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}}, "public_key 1 has an unknown form"},
		{custom("rsa-pss-sha256", ""), Options{Secrets: []string{k.rsaPKCS1Private}}, ""},
		{custom("rsa-sha256", ""), Options{Secrets: []string{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}}, "secret 1 is no private key"},
		{custom("ecdsa-p256-sha256", ""), Options{PublicKeys: []string{k.ecP384}}, "public_key 1 is of another kind"},
		{custom("ecdsa-p256-sha256", ""), Options{PublicKeys: []string{k.ec}, Secrets: []string{k.ecSEC1}}, ""},
		{&Provider{Schemes: []Scheme{{}}}, Options{Secrets: []string{"x"}}, "algorithm is missing"},
	} {
		_, err := c.provider.NewVerifier(c.options)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.provider.Name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want an error with %q", c.provider.Name, err, c.want)
		}
		for _, secret := range append(c.options.Secrets, c.options.PublicKeys...) {
			if err != nil && len(secret) > 4 && strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the secret: %v", err)
			}
		}
	}
}

// TestEveryAlgorithmSignsAndVerifies also covers what node:crypto cannot vouch for:
// that our own signatures are accepted in every combination.
func TestEveryAlgorithmSignsAndVerifies(t *testing.T) {
	k := newTestKeys(t)
	at := time.Unix(1767323045, 0)
	secrets := map[string]string{
		algorithmEd25519: k.edPrivate, algorithmRSA: k.rsaPrivate, algorithmRSAPSS: k.rsaPKCS1Private,
		"rsa-sha1": k.rsaPrivate, "rsa-sha512": k.rsaPrivate, "ecdsa-p256-sha1": k.ecSEC1,
		algorithmECDSA: k.ecSEC1, algorithmBasic: "user:pass:word",
	}
	for _, a := range algorithms {
		s := Scheme{Algorithm: a.name, Signature: header("X-Signature")}
		formats := []string{"", "sig={hex}", "v1,{base64} ...", "{base64url}"}
		switch a.name {
		case "sha1", "sha256", "sha512":
			s.Content, s.Timestamp = "{secret}{timestamp}{body}", Timestamp{header("X-Time"), UnitHTTPDate}
		case algorithmToken:
			formats = []string{"", "Bearer {token}"}
		case algorithmBasic:
			formats = []string{"", "{hex}"}
		default:
			s.Content, s.Timestamp = "{method} {timestamp}\n{body}", Timestamp{header("X-Time"), UnitMilliseconds}
		}
		for _, s.Format = range formats {
			p, err := Custom(s)
			if err != nil {
				t.Fatal(err)
			}
			secret := secrets[a.name]
			if secret == "" {
				secret = "a secret"
			}
			v, err := p.NewVerifier(Options{Secrets: []string{secret}, Now: func() time.Time { return at }})
			if err != nil {
				t.Fatal(err)
			}
			r := requestFor("JSON", "the body")
			if err := v.Sign(r, at); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(r); err != nil {
				t.Errorf("%s %q: %v: %v", a.name, s.Format, err, r.Header)
			}
			if a.kind != kindCredential {
				r.Body = []byte("the bodY")
				refused(t, v, r, a.name+": another body", InvalidSignature)
			}
		}
	}
}
