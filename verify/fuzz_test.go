package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzVerify offers anything as the headers of some providers. What is accepted
// must contain the signature that this test computes by itself, over text that
// it puts together by itself.
func FuzzVerify(f *testing.F) {
	providers := []string{"github", "shopify", "slack", "standard-webhooks", "stripe", "svix", "twilio"}
	for i := range providers {
		f.Add(uint8(i), "t=1767323045,v1="+hexHMAC("1767323045.{}"), "", "1767323045", "id", "{}")
		f.Add(uint8(i), "v1,AAAA v1a,AAAA", "v1,", "9999999999999999999", "a.b", "a=1&b=%zz")
		f.Add(uint8(i), "sha256="+hexHMAC("{}"), "x", "", "", "{}")
		f.Add(uint8(i), "v0="+hexHMAC("v0:1767323045:{}"), "", "1767323045", "", "{}")
	}
	var verifiers []*Verifier
	for _, name := range providers {
		verifiers = append(verifiers, providerVerifier(f, name))
	}
	f.Fuzz(func(t *testing.T, which uint8, signature, second, timestamp, id, body string) {
		v := verifiers[int(which)%len(verifiers)]
		r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: "/?" + id, Header: http.Header{}, Body: []byte(body)}
		r.Header.Set("Content-Type", mediaForm)
		for _, name := range v.Headers() {
			switch {
			case strings.HasSuffix(name, "Timestamp"):
				r.Header.Set(name, timestamp)
			case strings.HasSuffix(name, "Id"):
				r.Header.Set(name, id)
			default:
				r.Header.Set(name, signature)
				if second != "" {
					r.Header.Add(name, second)
				}
			}
		}
		if _, err := v.Verify(r); err != nil {
			return
		}
		sent := strings.Join(slices.Concat(slices.Collect(maps.Values(r.Header))...), " ")
		for _, stamp := range append(regexp.MustCompile(`[0-9]{1,11}`).FindAllString(signature+" "+second, -1), timestamp) {
			for _, content := range []string{body, stamp + "." + body, "v0:" + stamp + ":" + body} {
				if digest := hexHMAC(content); strings.Contains(strings.ToLower(sent), digest) || strings.Contains(sent, base64Of(t, digest, encodedBase64)) {
					return
				}
			}
			if strings.Contains(sent, standardSignature(id+"."+stamp+"."+body)) {
				return
			}
		}
		t.Errorf("%s accepts %v, %q", v.provider.Name, r.Header, body)
	})
}

// standardSignature is what Standard Webhooks has after "v1,".
func standardSignature(content string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(testSecret, "whsec_"))
	if err != nil {
		panic(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(content))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// FuzzFormat: a format that is accepted reads back what it writes, and stays
// within its bounds on anything else.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"{hex}", "sha256={hex}", "t={timestamp},v1={hex}", "v1,{base64} ...", "{base64url};...", "sha256={hex}, t={timestamp},...", "Bearer {token}", "{", "a}{hex}", ",{hex},"} {
		f.Add(pattern, []byte{1, 2, 3}, "1767323045", "v1=00,v1=zz, ,t=1")
	}
	f.Fuzz(func(t *testing.T, pattern string, signature []byte, timestamp, other string) {
		format, err := parseFormat(pattern)
		if err != nil {
			return
		}
		in := newInput(&Request{})
		defer in.release()
		format.parse([]string{other, other}, in)
		if len(in.signatures) > maxSignatures+1 || len(in.decoded) > 2*maxSignatureLength {
			t.Errorf("%d signatures of %d bytes", len(in.signatures), len(in.decoded))
		}

		written := format.render(signature, timestamp)
		simple := regexp.MustCompile(`^[0-9]+$`).MatchString(timestamp) && !strings.ContainsAny(pattern, "\t\n\v\f\r\u0085\u00a0 ")
		if format.encoding == encodedPlain || len(signature) == 0 || len(written) > maxSignatureLength || !simple {
			return
		}
		in.reset(&Request{})
		if !format.parse([]string{written}, in) {
			t.Fatalf("format %q does not read its own %q", pattern, written)
		}
		if !bytes.Equal(in.signatures[0], signature) || format.hasTimestamp() && in.timestamp != timestamp {
			t.Errorf("format %q: %q became %x, %s", pattern, written, in.signatures, in.timestamp)
		}
	})
}

// FuzzTemplate compares a content template with a replacement by regular expression.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"{body}", "{timestamp}.{body}", "v0:{timestamp}:{body}", "{id}.{timestamp}.{body}", "{method}\n{url}{path}", "}{body}{{", "{header.X-A}{query.a}", "{header.}", "{id}{id}1"} {
		f.Add(text, "body", "1", "id")
	}
	variable := regexp.MustCompile(`(?s)\{([^}]*)\}`)
	f.Fuzz(func(t *testing.T, text, body, timestamp, id string) {
		parsed, err := parseTemplate(text, nil)
		if err != nil {
			return
		}
		r := &Request{Method: "PUT", Scheme: "https", Host: "h:1", URI: "/p?a=q", Header: http.Header{"X-A": {"header"}}, Body: []byte(body)}
		in := newInput(r)
		defer in.release()
		in.timestamp, in.id = timestamp, id
		var got messageBuffer
		refused := parsed.writeTo(&got, in) != nil
		values := map[string]string{
			"body": body, "timestamp": timestamp, "id": id, "method": "PUT", "path": "/p", "header.X-A": "header", "query.a": "q",
			"url": "https://h:1/p?a=q", "url_with_port": "https://h:1/p?a=q", "url_without_port": "https://h/p?a=q",
		}
		known := true
		want := variable.ReplaceAllStringFunc(text, func(v string) string {
			value, ok := values[v[1:len(v)-1]]
			known = known && ok
			return value
		})
		if !refused && known && string(got) != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
		if refused && known && id != "" && !strings.Contains(text, "{id}") {
			t.Errorf("%q is refused", text)
		}
	})
}

// FuzzJSONSource compares our reading of JSON with encoding/json's.
func FuzzJSONSource(f *testing.F) {
	f.Add([]byte(`{"a":{"b":["x",{"c":1.50}]},"a":2}`), "/a/b/1/c")
	f.Add([]byte(`{"\u0061":"\ud83c\udf89","":1,"a/b":"~"}`), "/a~1b")
	f.Add([]byte(`[[[[1e999]]]]`), "/0/0/0/0")
	f.Add([]byte(strings.Repeat("[", 2000)), "/0")
	f.Add([]byte(`{"a":"\x00"}`), "/a")
	f.Fuzz(func(t *testing.T, body []byte, pointer string) {
		s := jsonAt(pointer)
		if s.Validate() != nil {
			return
		}
		got, ok := s.Extract(&Request{Body: body})
		if !ok && got != "" {
			t.Fatalf("not ok, but %q", got)
		}
		want, valid := referenceJSON(body, pointer)
		if !utf8.Valid(body) || deeperThan(body, maxJSONDepth) {
			return // encoding/json replaces what is not UTF-8
		}
		if ok != (valid && want != "") || ok && got != want {
			t.Errorf("%s of %q = %q, %t; encoding/json says %q, %t", pointer, body, got, ok, want, valid)
		}
	})
}

// referenceJSON returns the string or number at pointer.
func referenceJSON(body []byte, pointer string) (string, bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var node any
	if !json.Valid(body) || decoder.Decode(&node) != nil {
		return "", false
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch n := node.(type) {
		case map[string]any:
			node = n[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(n) || strconv.Itoa(i) != token {
				return "", false
			}
			node = n[i]
		default:
			return "", false
		}
	}
	switch n := node.(type) {
	case string:
		return n, true
	case json.Number:
		return n.String(), true
	}
	return "", false
}

// FuzzForm compares our reading of forms with net/url's.
func FuzzForm(f *testing.F) {
	f.Add("a=1&b=2&a=3", "a")
	f.Add("a+b=%20&%61=x&=&&c", "a")
	f.Add("payload=%7B%22id%22%3A1%7D&a=%zz", "payload")
	f.Fuzz(func(t *testing.T, body, name string) {
		r := &Request{Header: http.Header{"Content-Type": {mediaForm}}, Body: []byte(body)}
		got, ok := form(name).Extract(r)
		inQuery, okQuery := query(name).Extract(&Request{URI: "/?" + body})
		if got != inQuery || ok != okQuery {
			t.Errorf("form %q, %t; query %q, %t", got, ok, inQuery, okQuery)
		}
		Source{FromFormJSON, name + " /id"}.Extract(r)
		sorted, refused := appendFormSorted(nil, new(document).open(r, asSent))

		want, err := url.ParseQuery(body)
		if err != nil || strings.Contains(body, ";") {
			return
		}
		if refused != nil && strings.Count(body, "&") < maxFormFields {
			t.Errorf("%q is refused: %v", body, refused)
		}
		single := len(want[name]) == 1 && want[name][0] != ""
		if name != "" && (ok && !single || single && !ok && len(want) == 1 || ok && got != want[name][0]) {
			t.Errorf("%q in %q = %q, %t, want %q", name, body, got, ok, want[name])
		}
		var expected strings.Builder
		for _, name := range slices.Sorted(maps.Keys(want)) {
			values := want[name]
			slices.Sort(values)
			for _, value := range slices.Compact(values) {
				expected.WriteString(name + value)
			}
		}
		if refused == nil && string(sorted) != expected.String() {
			t.Errorf("%q sorted: %q, want %q", body, sorted, expected.String())
		}
	})
}

// FuzzTimestamp: what is accepted is what it says, and is judged without overflow.
func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"1767323045", "99999999999", "-1", "1767323045000", "2026-01-02T03:04:05Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59"} {
		f.Add(text, uint8(0))
		f.Add(text, uint8(1))
		f.Add(text, uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, unit uint8) {
		stamp := Timestamp{Unit: units[int(unit)%len(units)]}
		at, ok := stamp.parse(text)
		if !ok {
			return
		}
		if again, ok := stamp.parse(stamp.Format(at)); stamp.Unit != UnitRFC3339 && (!ok || !again.Equal(at)) {
			t.Errorf("%q became %s, then %s", text, at, again)
		}
		if stamp.Unit == UnitSeconds && strings.TrimLeft(text, "0") != strings.TrimLeft(strconv.FormatInt(at.Unix(), 10), "0") {
			t.Errorf("%q became %d", text, at.Unix())
		}
		off := at.Unix() - testTime.Unix()
		err := checkWindow(at, testTime, 5*time.Minute)
		if inside := off > -299 && off < 299; inside && err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if outside := off < -301 || off > 301; outside && err == nil {
			t.Errorf("%q, %d seconds off, is accepted", text, off)
		}
	})
}

// FuzzKeys: no text makes NewVerifier panic, errors do not repeat it, and a secret
// that is accepted signs what it verifies.
func FuzzKeys(f *testing.F) {
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")
	f.Add("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==", hex.EncodeToString(make([]byte, 32)))
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
	p, _ := Lookup("standard-webhooks")
	f.Fuzz(func(t *testing.T, secret, public string) {
		if _, err := p.NewVerifier(Options{PublicKeys: []string{public}}); err != nil && len(public) > 8 && strings.Contains(err.Error(), public) {
			t.Errorf("the error repeats the key: %v", err)
		}
		v, err := p.NewVerifier(Options{Secrets: []string{secret}})
		if err != nil {
			if len(secret) > 8 && strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the secret: %v", err)
			}
			return
		}
		r := &Request{}
		if err := v.Sign(r, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(r); err != nil {
			t.Error(err)
		}
	})
}
