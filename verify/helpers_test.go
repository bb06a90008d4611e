package verify

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func itoa(i int) string { return strconv.Itoa(i) }

// sameKey reports whether two texts can stand for one key: private keys in PEM
// (which repeat themselves), and base64 with other unused bits at the end.
func sameKey(a, b string) bool {
	if strings.Contains(a, "PRIVATE") && strings.Contains(b, "PRIVATE") {
		return true
	}
	for _, prefix := range []string{"whpk_", "whsec_", ""} {
		x, err1 := decodeBase64(strings.TrimPrefix(a, prefix))
		y, err2 := decodeBase64(strings.TrimPrefix(b, prefix))
		if err1 == nil && err2 == nil && len(x) > 0 && bytes.Equal(x, y) {
			return true
		}
	}
	read := publicKeyFromPEM // the line of dashes may be spelled differently
	if strings.HasPrefix(a, "{") {
		read = publicKeyFromText // a JWK may have other members
	}
	if x, err := read(a); err == nil {
		y, err := read(b)
		return err == nil && x.(interface{ Equal(crypto.PublicKey) bool }).Equal(y)
	}
	return false
}

// sharedTestKeys are made once: RSA takes its time.
var sharedTestKeys struct {
	sync.Once
	testKeys
}

// testOptions returns keys of the kind that p takes, so that it can sign where
// that is possible, and the clock of the tests.
func testOptions(t testing.TB, p *Provider) Options {
	t.Helper()
	sharedTestKeys.Do(func() { sharedTestKeys.testKeys = newTestKeys(t) })
	k := &sharedTestKeys.testKeys
	candidates := []string{
		testSecret, strings.TrimPrefix(testSecret, "whsec_"), "5ec4e700", "user:password",
		k.edPrivate, k.rsaPrivate, k.ecSEC1,
	}
	o := Options{Settings: testSettings(p), Now: func() time.Time { return testTime }}
	var accepted []string
	var why error
	for _, candidate := range candidates {
		o.Secrets = []string{candidate}
		v, err := p.NewVerifier(o)
		if err == nil && v.CanSign() {
			return o
		}
		if err == nil && accepted == nil {
			accepted = o.Secrets
		} else if why == nil {
			why = err
		}
	}
	if accepted == nil {
		t.Fatalf("%s: no key of the tests is of its kind: %v", p.Name, why)
	}
	o.Secrets = accepted
	return o
}

// testSettings returns a value for each of p's settings.
func testSettings(p *Provider) settings {
	set := settings{}
	for _, s := range p.Settings {
		set[s.Name] = []string{"value-of-" + s.Name}
		if value, formed := map[string]string{"domain": "example.kinde.com", "topic_arn": "arn:aws:sns:us-west-2:123456789012:MyTopic"}[s.Name]; formed {
			set[s.Name] = []string{value}
		}
		if len(s.Values) > 0 {
			set[s.Name] = s.Values[:1]
		}
	}
	return set
}

// signableRequest has what the schemes of v want to sign, besides their own
// headers. body stands somewhere in it.
func signableRequest(v *Verifier, body string) *Request {
	s := v.schemes[0]
	r := &Request{
		Method: v.provider.Methods[0], Scheme: "https", Host: "hooks.example.com", URI: "/in",
		Header: http.Header{"Content-Type": {mediaJSON}},
	}
	document, fields := map[string]any{"text": body}, url.Values{"text": {body}}
	put := func(source Source, value string) {
		switch source.From {
		case FromHeader:
			r.Header.Set(source.Name, value)
		case FromQuery:
			r.setQuery(source.Name, value)
		case FromJSON:
			putJSON(document, source.Name, value)
		case FromForm:
			r.Header.Set("Content-Type", mediaForm)
			fields.Set(source.Name, value)
		}
	}
	for _, part := range s.contents[0].parts {
		if part.kind == partSource {
			put(part.source, "value")
		}
	}
	if types := v.provider.ContentTypes; len(types) > 0 && types[0] == mediaForm || s.contents[0].uses(partFormSorted) {
		r.Header.Set("Content-Type", mediaForm)
	}
	if s.only != "" {
		fields = url.Values{s.only: {"[]"}}
	}
	for _, b := range s.binds {
		put(b.source, s.settings[b.setting][0])
	}
	if s.Timestamp.From == FromJSON || s.Timestamp.From == FromForm {
		put(s.Timestamp.Source, s.Timestamp.Format(testTime))
	}
	if r.Header.Get("Content-Type") == mediaForm {
		r.Body = []byte(fields.Encode())
	} else {
		r.Body, _ = json.Marshal(document)
	}
	return r
}

// putJSON writes a value at a pointer, making objects on the way.
func putJSON(document map[string]any, pointer, value string) {
	token, rest := nextToken(pointer)
	if rest == "" {
		document[token] = value
		return
	}
	inner, ok := document[token].(map[string]any)
	if !ok {
		inner = map[string]any{}
		document[token] = inner
	}
	putJSON(inner, rest, value)
}

func hexOfSHA256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
