package verify

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// signingRow is a provider whose handshake answers with something made of the secret.
type signingRow struct {
	verifier  *Verifier
	handshake Handshake
}

func signingRows(t testing.TB) (rows []signingRow) {
	t.Helper()
	for _, p := range Providers() {
		for _, h := range p.Handshakes {
			if h.Sign == "" {
				continue
			}
			v, err := p.NewVerifier(testOptions(t, p))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(v.Close)
			rows = append(rows, signingRow{v, h})
		}
	}
	return rows
}

// ask has a challenge signed; it returns what the answer has of the secret.
func (row signingRow) ask(challenge string) (proofs [][]byte) {
	r := &Request{Method: row.handshake.Method, Scheme: "https", Host: "h", URI: "/", Header: http.Header{}}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	document, fields := map[string]any{}, url.Values{}
	put := func(s Source, value string) {
		switch s.From {
		case FromQuery:
			fields.Set(s.Name, value)
		case FromJSON:
			putJSON(document, s.Name, value)
		}
	}
	for _, variable := range regexp.MustCompile(`{[^}]*}`).FindAllString(row.handshake.Sign, -1) {
		from, name, _ := strings.Cut(strings.Trim(variable, "{}"), ".")
		put(Source{from, name}, challenge)
	}
	if put(row.handshake.Echo, challenge); row.handshake.Equals != "" {
		put(row.handshake.When, row.handshake.Equals)
	}
	r.URI += "?" + fields.Encode()
	r.Body, _ = json.Marshal(document)
	answer, ok := row.verifier.Handshake(r, row.handshake.Signed)
	if !ok {
		return nil
	}
	for _, text := range regexp.MustCompile(`[0-9A-Za-z+/]{20,}=*`).FindAllString(answer.Body, -1) {
		if proof, err := hex.DecodeString(text); err == nil {
			proofs = append(proofs, proof)
		}
		if proof, err := base64.StdEncoding.DecodeString(text); err == nil {
			proofs = append(proofs, proof)
		}
	}
	return proofs
}

// webhooks are the challenge wherever s could have it, with proof as its signature.
func (s *scheme) webhooks(v *Verifier, challenge string, proof []byte) (made []*Request) {
	stamp := s.Timestamp.Format(testTime)
	bodies := map[string]string{mediaJSON: challenge, "text/plain": challenge, "": challenge}
	put := func(r *Request, source Source, value string) {
		switch source.From {
		case FromHeader:
			r.Header.Set(source.Name, value)
		case FromQuery:
			r.setQuery(source.Name, value)
		case FromForm:
			fields, _ := url.ParseQuery(string(r.Body))
			fields.Set(source.Name, value)
			r.Body = []byte(fields.Encode())
		}
	}
	for _, inForm := range []bool{false, true} {
		for _, media := range slices.Sorted(maps.Keys(bodies)) {
			r := &Request{Method: v.provider.Methods[0], Scheme: "https", Host: "h", URI: "/", Header: http.Header{}}
			if media != "" {
				r.Header.Set("Content-Type", media)
			}
			if r.Body = []byte(bodies[media]); inForm {
				r.Body = nil
				r.Header.Set("Content-Type", mediaForm)
			}
			for _, source := range s.looksAt() {
				if inForm || source.From != FromForm {
					put(r, source, challenge)
				}
			}
			put(r, s.Timestamp.Source, stamp)
			put(r, s.Signature, s.format.render(proof, stamp))
			made = append(made, r)
		}
	}
	return made
}

// challenges are texts of which an attacker could want a signature, for any scheme.
func (v *Verifier) challenges() []string {
	texts := []string{
		"abcdef123", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123", strings.Repeat("a", 256), strings.Repeat("a", 257),
		"e30=", "qgg8vlvZRS6UYooatFL8Aw", "a-b_c.d~e", "{}", `{"a":1}`, "1", "null", "true", "[]", `""`, "a", "", "PD94bWw+", "<x/>",
		"a=1&b=2", "a\n", "0123456789abcdef0123456789abcdef\n", strings.Repeat("{}", 600),
	}
	for _, text := range slices.Clone(texts) {
		for _, s := range v.schemes {
			for _, t := range append(s.contents, template{text: "hmacsha256={body}"}) {
				made := strings.NewReplacer("{body}", text, "{timestamp}", s.Timestamp.Format(testTime)).Replace(t.text)
				if !strings.Contains(made, "{") || made != text {
					texts = append(texts, made)
				}
			}
		}
	}
	return texts
}

// TestHandshakesSignNoWebhook: what a handshake answers is no signature of a webhook,
// in any place where any scheme of its row looks.
func TestHandshakesSignNoWebhook(t *testing.T) {
	apart := map[string]bool{}
	for _, row := range signingRows(t) {
		name, signed := row.verifier.provider.Name, 0
		for _, challenge := range row.verifier.challenges() {
			for _, proof := range row.ask(challenge) {
				signed++
				for _, text := range append(row.verifier.challenges(), challenge) {
					for _, s := range row.verifier.schemes {
						for _, r := range s.webhooks(row.verifier, text, proof) {
							_, err := row.verifier.Verify(r)
							if err == nil {
								t.Errorf("%s: the answer to %q proves %s %q %v", name, challenge, r.URI, r.Body, r.Header)
							} else if strings.Contains(err.Error(), DetailHandshakeContent) {
								apart[name] = true
							}
						}
					}
				}
			}
		}
		if signed == 0 {
			t.Errorf("%s: nothing was signed, so this shows nothing", name)
		}
	}
	for _, name := range []string{"braintree", "x-twitter"} { // where the signature is right
		if !apart[name] {
			t.Errorf("%s: no webhook was made of a challenge", name)
		}
	}
}

// TestNoVectorIsAChallenge: no handshake signs the content of a genuine webhook.
func TestNoVectorIsAChallenge(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v, r := x.verifier(t), x.request(t)
		for _, h := range x.provider.Handshakes {
			if h.Sign == "" {
				continue
			}
			row := signingRow{v, h}
			texts := []string{form("bt_payload").valueIn(r)}
			for _, s := range v.schemes {
				texts = append(texts, strings.ReplaceAll(s.contents[0].text, "{body}", string(r.Body)))
			}
			for _, text := range texts {
				if proofs := row.ask(text); !h.Digest && len(proofs) > 0 {
					t.Errorf("%q is signed", text)
				}
			}
		}
	})
}

func (s Source) valueIn(r *Request) string {
	value, _ := s.Extract(r)
	return value
}

// FuzzHandshakesSignNoWebhook looks for a challenge whose answer proves any webhook.
func FuzzHandshakesSignNoWebhook(f *testing.F) {
	rows := signingRows(f)
	for i := range rows {
		f.Add(uint8(i), "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef")
		f.Add(uint8(i), "abc", "hmacsha256=abc")
		f.Add(uint8(i), "v0:1767323045:{}", "{}")
	}
	f.Fuzz(func(t *testing.T, which uint8, challenge, body string) {
		row := rows[int(which)%len(rows)]
		for _, proof := range row.ask(challenge) {
			for _, text := range []string{challenge, body} {
				for _, s := range row.verifier.schemes {
					for _, r := range s.webhooks(row.verifier, text, proof) {
						if _, err := row.verifier.Verify(r); err == nil {
							t.Errorf("%s: the answer to %q proves %s %q %v", row.verifier.provider.Name, challenge, r.URI, r.Body, r.Header)
						}
					}
				}
			}
		}
	})
}
