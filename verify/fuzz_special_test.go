package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// FuzzToken offers anything as a token. What is read must be what encoding/json
// reads, and nothing is accepted, because the fuzzer does not know the secret.
func FuzzToken(f *testing.F) {
	f.Add(`{"alg":"HS256","typ":"JWT"}`, `{"iss":"netlify","sha256":"x"}`, []byte("x"), ".")
	f.Add(`{"alg":"none"}`, `{}`, []byte{}, ".")
	f.Add(`{"alg":"HS256","alg":"none"}`, `{"a":1,"a":2}`, bytes.Repeat([]byte{0}, 32), "..")
	f.Add(`{"alg":"HS256","crit":[]}`, `[]`, []byte("\n"), "\n.")
	p, _ := Lookup("netlify")
	v := newTestVerifier(f, p)
	j := v.schemes[0].special.(*jwt)
	f.Fuzz(func(t *testing.T, header, payload string, signature []byte, dot string) {
		encode := base64.RawURLEncoding.EncodeToString
		text := encode([]byte(header)) + dot + encode([]byte(payload)) + "." + encode(signature)
		in := newInput(&Request{})
		defer in.release()
		in.signatures = [][]byte{[]byte(text)}
		parsed, ok := j.parseToken(in)
		if read, named := decodePart(parsed.payload); ok && named {
			var h struct{ Alg, Crit any }
			var claims map[string]any
			valid := utf8.ValidString(header+payload) && json.Unmarshal([]byte(header), &h) == nil && json.Unmarshal([]byte(payload), &claims) == nil
			if utf8.ValidString(header+payload) && !valid || valid && claims["iss"] != nil && fmt.Sprint(claims["iss"]) != child(read, "iss").String() && !strings.ContainsAny(payload, "[{\\") {
				t.Errorf("%s.%s was read, with iss %s", header, payload, child(read, "iss"))
			}
			if !bytes.Equal(in.signatures[0], signature) || dot != "." {
				t.Errorf("signature %x became %x", signature, in.signatures[0])
			}
		}
		r := &Request{Header: http.Header{"X-Webhook-Signature": {text}}, Body: signature}
		if _, err := v.Verify(r); err == nil {
			t.Errorf("accepted %q", text)
		}
	})
}

// FuzzJWKS: whatever a key server sends, what is taken from it can be used.
func FuzzJWKS(f *testing.F) {
	f.Add([]byte(jwksOf(f, "a", "b")))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"AQAB","kid":"x","use":"sig"}]}`))
	f.Add([]byte(`{"keys":{"kty":"EC"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseJWKS(text, testTime)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for id, key := range keys {
			switch k := key.(type) {
			case *rsa.PublicKey:
				if k.N.BitLen() < minRSABits || k.E < 3 {
					t.Errorf("%s: RSA of %d bits, e %d", id, k.N.BitLen(), k.E)
				}
			case *ecdsa.PublicKey:
				if _, err := k.ECDH(); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			default:
				t.Errorf("%s: %T", id, key)
			}
		}
		for _, parse := range []func([]byte) (keySet, error){pemAt("/key", ""), func(b []byte) (keySet, error) { return certificateOf("paypal.com")(b, testTime) }} {
			if keys, err := parse(text); err == nil && keys[""] == nil {
				t.Error("no key, no error")
			}
		}
	})
}

// FuzzKeyAddress: for every parser an accepted address leads to the provider.
func FuzzKeyAddress(f *testing.F) {
	f.Add("https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem")
	f.Add("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem")
	f.Add("https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77")
	f.Add("https://api.paypal.com@example.com/v1/notifications/certs/CERT-1")
	f.Fuzz(func(t *testing.T, address string) {
		region := strings.TrimPrefix(strings.Split(address, ".amazonaws")[0], "https://sns.")
		arn := "arn:aws:sns:" + region + ":123456789012:x"
		if strings.HasPrefix(region, "cn-") {
			arn = strings.Replace(arn, "aws", "aws-cn", 1)
		}
		body, err := json.Marshal(map[string]string{"SigningCertURL": address, "TopicArn": arn, "SignatureVersion": "2"})
		if err != nil {
			return
		}
		in := newInput(&Request{Header: http.Header{"Paypal-Cert-Url": {address}}, Body: body})
		defer in.release()
		for _, locate := range []keyLocation{locateSNS("2"), locatePayPal} {
			found, _, refused := locate(in, nil)
			if refused != nil {
				continue
			}
			rest, ok := strings.CutPrefix(found.url, "https://")
			host, path, _ := strings.Cut(rest, "/")
			u, err := url.Parse(found.url)
			known := strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") || strings.HasSuffix(host, ".paypal.com")
			if !ok || !known || err != nil || u.Host != host || strings.ContainsFunc(found.url, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("@#\\?%", c) }) || strings.Contains(path, "..") {
				t.Errorf("%q is fetched", address)
			}
		}
	})
}

// FuzzMultipart compares our reading of multipart forms with net/http's.
func FuzzMultipart(f *testing.F) {
	f.Add("b", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--b--\r\n", "a")
	f.Add("b", "--b\nContent-Disposition: form-data; name=a; filename=x\n\nfile\n--b\nContent-Disposition: form-data; name=a\n\nv\n--b--", "a")
	f.Add("b", "--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n=41\r\n--b--\r\n", "a")
	f.Fuzz(func(t *testing.T, boundary, body, name string) {
		got := partValues(parseMultipart([]byte(body)), name)
		if len(got) > 2 {
			t.Errorf("%d values", len(got))
		}
		if len(got) == 2 && got[0] == "" && got[1] == "" || strings.Contains(strings.ToLower(body), "quoted-printable") || boundaryOf([]byte(body)) != boundary {
			return // not certain, or we leave the bytes as they are
		}
		want, err := multipart.NewReader(strings.NewReader(body), boundary).ReadForm(1 << 20)
		if err == nil && name != "" && len(got) > 0 && !slices.Equal(got, want.Value[name][:min(2, len(want.Value[name]))]) {
			t.Errorf("%q in %q: %q, want %q", name, body, got, want.Value[name])
		}
	})
}

// FuzzSNSContent: from the content that is signed follow the values of all fields.
func FuzzSNSContent(f *testing.F) {
	f.Add("Hello", "id", "subject", "2012-05-02T00:54:06.655Z", "arn:aws:sns:us-west-2:1:T", true)
	f.Add("a\nMessageId\nb", "c\nSubject\nd", "", "", "", false)
	f.Add("Message\n", "MessageId", "Subject", "Timestamp\n", "Type", true)
	f.Fuzz(func(t *testing.T, message, id, subject, at, arn string, withSubject bool) {
		fields := map[string]string{"Type": "Notification", "Message": message, "MessageId": id, "Timestamp": at, "TopicArn": arn}
		if withSubject {
			fields["Subject"] = subject
		}
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		in := newInput(&Request{Body: body})
		defer in.release()
		content, refused := writeSNS(nil, in)
		if refused != nil || !utf8.ValidString(strings.Join([]string{message, id, subject, at, arn}, "\n")) {
			return
		}
		lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
		for _, name := range []string{"Type", "TopicArn", "Timestamp", "Subject", "MessageId"} {
			if name == "Subject" && lines[len(lines)-2] != "Subject" {
				if withSubject {
					t.Fatalf("the subject is lost: %q", content)
				}
				continue
			}
			if lines[len(lines)-2] != name || lines[len(lines)-1] != fields[name] {
				t.Fatalf("%s of %q is %q", name, content, lines[len(lines)-2:])
			}
			lines = lines[:len(lines)-2]
		}
		if got := strings.Join(lines, "\n"); got != "Message\n"+message {
			t.Errorf("message %q, want %q", got, message)
		}
	})
}

// FuzzPaddle: PHP's unserialize, as far as it is needed, gives back the fields.
func FuzzPaddle(f *testing.F) {
	f.Add("alert_id=1&p_signature=x&b=%22%3B")
	f.Add("a=s%3A1%3A%22&b=&c")
	f.Fuzz(func(t *testing.T, body string) {
		in := newInput(&Request{Header: http.Header{"Content-Type": {mediaForm}}, Body: []byte(body)})
		defer in.release()
		content, refused := writePaddle(nil, in)
		if refused != nil {
			return
		}
		want, err := parseFields(body)
		if err != nil {
			t.Fatal(err)
		}
		rest, read := string(content), map[string]string{}
		count, rest, _ := strings.Cut(strings.TrimPrefix(rest, "a:"), ":{")
		next := func() string {
			var length string
			length, rest, _ = strings.Cut(strings.TrimPrefix(rest, "s:"), ":\"")
			n, err := strconv.Atoi(length)
			if err != nil || n > len(rest)-2 || rest[n:n+2] != `";` {
				t.Fatalf("%q is not PHP", content)
			}
			value := rest[:n]
			rest = rest[n+2:]
			return value
		}
		for rest != "}" {
			name := next()
			read[name] = next()
		}
		if strconv.Itoa(len(read)) != count {
			t.Errorf("%d fields, says %s", len(read), count)
		}
		for _, f := range want {
			if value, ok := read[f.name]; f.name != paddleSignature && (!ok || value != f.value) {
				t.Errorf("field %q is %q, want %q", f.name, value, f.value)
			}
		}
	})
}

// FuzzEscapes: what is escaped as JavaScript does can be undone.
func FuzzEscapes(f *testing.F) {
	f.Add("/a b?x=ä&y=%20+~!'()*")
	f.Fuzz(func(t *testing.T, text string) {
		for _, escaped := range []string{escapeComponent(text), escapeURI(text)} {
			if undone, err := url.PathUnescape(escaped); err != nil || undone != text {
				t.Errorf("%q became %q, then %q, %v", text, escaped, undone, err)
			}
		}
		if path, ok := contentfulPath(text); ok && strings.Count(path, "?") > 1 {
			t.Errorf("%q became %q", text, path)
		}
	})
}

// FuzzHandshake: an answer to a stranger is no page, has no header that the stranger chose,
// and is no signature of a webhook.
func FuzzHandshake(f *testing.F) {
	f.Add("GET", "/?crc_token=abc&hub.mode=subscribe&hub.challenge=1&hub.verify_token=t&challenge=x&bt_challenge=20f9f8ed05f77439fe955c977e4c8a53", "", "secret")
	f.Add("POST", "/?validationToken=a%0d%0ab", `{"challenge":"<b>","type":"url_verification","verification_token":"x"}`, "a\r\nb")
	var verifiers []*Verifier
	for _, p := range Providers() {
		verifiers = append(verifiers, newTestVerifier(f, p))
	}
	f.Fuzz(func(t *testing.T, method, uri, body, header string) {
		for _, v := range verifiers {
			if len(v.handshakes) == 0 {
				continue
			}
			r := &Request{Method: method, Scheme: "https", Host: "h", URI: uri, Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(body)}
			for _, h := range v.handshakes {
				if h.When.From == FromHeader {
					r.Header.Set(h.When.Name, header)
				}
			}
			answer, ok := v.Handshake(r, false)
			if !ok {
				continue
			}
			odd := func(c rune) bool { return unicode.IsControl(c) || c > unicode.MaxASCII || c == '<' || c == '>' }
			if answer.Status == 0 || strings.ContainsFunc(strings.TrimSuffix(answer.Body, "\n"), odd) || strings.ContainsFunc(answer.HeaderValue, odd) || len(answer.Body) > 6*maxEcho {
				t.Errorf("%s: %+v", v.provider.Name, answer)
			}
			if answer.ContentType == mediaJSON && answer.Body != "" && !json.Valid([]byte(answer.Body)) {
				t.Errorf("%s: %s is no JSON", v.provider.Name, answer.Body)
			}
		}
	})
}

// FuzzVerifyAll offers anything to every provider of the table. Without its
// secret nothing is accepted.
func FuzzVerifyAll(f *testing.F) {
	for i := range Providers() {
		f.Add(uint8(i), "t=1767323045,v1=00", "/?a=1", mediaJSON, `{"id":"1","signature":{"signature":"00","timestamp":"1767323045","token":"x"}}`)
		f.Add(uint8(i), "AAAA.AAAA.AAAA", "/", mediaForm, "p_signature=AAAA&payload=%7B%7D&signature=00&timestamp=1767323045&token=1")
	}
	var verifiers []*Verifier
	for _, p := range Providers() {
		verifiers = append(verifiers, newTestVerifier(f, p))
	}
	f.Fuzz(func(t *testing.T, which uint8, header, uri, contentType, body string) {
		v := verifiers[int(which)%len(verifiers)]
		r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: uri, Header: http.Header{}, Body: []byte(body)}
		for _, name := range v.Headers() {
			r.Header.Set(name, header)
			if strings.Contains(name, "Time") {
				r.Header.Set(name, v.schemes[0].Timestamp.Format(testTime))
			}
		}
		r.Header.Set("Content-Type", contentType)
		start := time.Now()
		if _, err := v.Verify(r); err == nil {
			t.Errorf("%s accepts %v, %q", v.provider.Name, r.Header, body)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %s", v.provider.Name, took)
		}
	})
}
