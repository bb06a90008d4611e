package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var testTime = time.Unix(1767323045, 0)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// newTestVerifier returns a verifier for p with keys of the kind that it takes.
func newTestVerifier(t testing.TB, p *Provider) *Verifier {
	t.Helper()
	v, err := p.NewVerifier(testOptions(t, p))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func customVerifier(t testing.TB, s Scheme) *Verifier {
	t.Helper()
	p, err := Custom(s)
	if err != nil {
		t.Fatal(err)
	}
	return newTestVerifier(t, p)
}

func providerVerifier(t testing.TB, name string) *Verifier {
	t.Helper()
	p, ok := Lookup(name)
	if !ok {
		t.Fatalf("no provider %s", name)
	}
	return newTestVerifier(t, p)
}

func hexHMAC(content string) string {
	h := hmac.New(sha256.New, []byte(testSecret))
	h.Write([]byte(content))
	return hex.EncodeToString(h.Sum(nil))
}

// verdict checks the reason and the detail that r is refused with; "" means accepted.
func verdict(t *testing.T, v *Verifier, r *Request, reason Reason, detail string) {
	t.Helper()
	_, err := v.Verify(r)
	if reason == "" {
		if err != nil {
			t.Errorf("%v: %v", r.Header, err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.Reason != reason || e.Detail != detail {
		t.Errorf("%.200v: %v, want %s: %s", r.Header, err, reason, detail)
	}
}

func TestStripeHeader(t *testing.T) {
	v := providerVerifier(t, "stripe")
	good, zeros := hexHMAC("1767323045.{}"), strings.Repeat("0", 64)
	old, future := hexHMAC("1767322744.{}"), hexHMAC("1767323346.{}")
	list := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for _, c := range []struct {
		header string
		reason Reason
		detail string
	}{
		{"t=1767323045,v1=" + good, "", ""},
		{"v1=" + good + ",t=1767323045", "", ""},
		{" t=1767323045 ,\tv1=" + strings.ToUpper(good) + " ,,", "", ""},
		{"t=1767323045,v1=zz,v1=,v1=" + zeros + ",v1=" + good, "", ""},
		{"t=1767323045,v0=" + good, InvalidSignature, DetailMalformedSignature},
		{"t=1767323045,V1=" + good, InvalidSignature, DetailMalformedSignature},
		{"t=1767323045", InvalidSignature, DetailMalformedSignature},
		{"v1", InvalidSignature, DetailMalformedSignature},
		{",", InvalidSignature, DetailMalformedSignature},
		{"", MissingSignature, DetailNoSignature},
		{"t=1767323045,v1=" + zeros, InvalidSignature, DetailNoMatchingSignature},
		{"t=1767323045,v1=" + good[:32], InvalidSignature, DetailNoMatchingSignature},
		{"t=1767323045,v1=" + good + "00", InvalidSignature, DetailNoMatchingSignature},
		{"t=1767323045,v1=" + good[:63], InvalidSignature, DetailMalformedSignature},
		{"t=1767323045,t=1767323045,v1=" + good, InvalidSignature, DetailMalformedSignature},
		{"t=1767323045,v1=" + good + ",t=1", InvalidSignature, DetailMalformedSignature},
		{"v1=" + good, InvalidTimestamp, DetailMissingTimestamp},
		{"t=,v1=" + good, InvalidTimestamp, DetailMissingTimestamp},
		{"t=1767323045x,v1=" + good, InvalidTimestamp, DetailMalformedTimestamp},
		{"t=-1767323045,v1=" + good, InvalidTimestamp, DetailMalformedTimestamp},
		{"t=17673230450000000000000000000000,v1=" + good, InvalidTimestamp, DetailMalformedTimestamp},
		{"t=1767322744,v1=" + zeros, InvalidSignature, DetailNoMatchingSignature},
		{"t=1767322744,v1=" + old, TimestampExpired, DetailStaleTimestamp},
		{"t=1767323346,v1=" + future, InvalidTimestamp, DetailFutureTimestamp},
		{"t=99999999999,v1=" + hexHMAC("99999999999.{}"), InvalidTimestamp, DetailFutureTimestamp},
		{"t=0,v1=" + hexHMAC("0.{}"), TimestampExpired, DetailStaleTimestamp},

		// the bounds, and one beyond
		{"t=1767323045," + list(15, "v1="+zeros) + ",v1=" + good, "", ""},
		{"t=1767323045," + list(16, "v1="+zeros) + ",v1=" + good, InvalidSignature, DetailMalformedSignature},
		{"t=1767323045," + list(30, "x") + ",v1=" + good, "", ""},
		{"t=1767323045," + list(31, "x") + ",v1=" + good, InvalidSignature, DetailMalformedSignature},
		{"t=1767323045,v1=" + good + "," + strings.Repeat("x", maxSignatureLength-83), "", ""},
		{"t=1767323045,v1=" + good + "," + strings.Repeat("x", maxSignatureLength), InvalidSignature, DetailMalformedSignature},
	} {
		r := &Request{Header: http.Header{"Stripe-Signature": {c.header}}, Body: []byte("{}")}
		verdict(t, v, r, c.reason, c.detail)
	}

	lines := &Request{Header: http.Header{"Stripe-Signature": {"t=1767323045,v1=" + zeros, "v1=" + good}}, Body: []byte("{}")}
	verdict(t, v, lines, "", "")
	lines.Header["Stripe-Signature"] = []string{"t=1767323045,v1=" + good, "t=1767323045"}
	verdict(t, v, lines, InvalidSignature, DetailMalformedSignature)
	verdict(t, v, &Request{}, MissingSignature, DetailNoSignature)
}

func TestWholeValues(t *testing.T) {
	good := hexHMAC("{}")
	for _, c := range []struct {
		format, value string
		reason        Reason
		detail        string
	}{
		{"sha256={hex}", "sha256=" + good, "", ""},
		{"sha256={hex}", good, InvalidSignature, DetailMalformedSignature},
		{"sha256={hex}", "SHA256=" + good, InvalidSignature, DetailMalformedSignature},
		{"sha256={hex}", "sha256= " + good, InvalidSignature, DetailMalformedSignature},
		{"sha256={hex}", "sha256=" + good + ",x", InvalidSignature, DetailMalformedSignature},
		{"sha256={hex}", "sha256=", InvalidSignature, DetailMalformedSignature},
		{"sha256={hex}", "sha1=" + good, InvalidSignature, DetailMalformedSignature},
		{"{hex}", "0x" + good, InvalidSignature, DetailMalformedSignature},
		{"{hex}", strings.Repeat("0", maxSignatureLength+2), InvalidSignature, DetailMalformedSignature},
		{"{base64}", base64Of(t, good, encodedBase64), "", ""},
		{"{base64}", strings.TrimRight(base64Of(t, good, encodedBase64), "="), InvalidSignature, DetailMalformedSignature},
		{"{base64}", base64Of(t, good, encodedBase64)[:20] + "\r\n" + base64Of(t, good, encodedBase64)[20:], InvalidSignature, DetailMalformedSignature},
		{"{base64}", base64Of(t, good, encodedBase64) + "=", InvalidSignature, DetailMalformedSignature},
		{"{base64url}", base64Of(t, good, encodedBase64URL), "", ""},
		{"{base64url}", base64Of(t, good, encodedBase64URL) + "=", "", ""},
		{"{base64url}", "====", InvalidSignature, DetailNoMatchingSignature},
	} {
		v := customVerifier(t, hmacScheme(func(s *Scheme) { s.Format = c.format }))
		r := &Request{Header: http.Header{"X-Signature": {c.value}}, Body: []byte("{}")}
		verdict(t, v, r, c.reason, c.detail)
		if c.reason == "" {
			r.Header.Add("X-Signature", c.value)
			verdict(t, v, r, InvalidSignature, DetailMalformedSignature)
		}
	}
}

// base64Of is the digest, given in hex, as e writes it.
func base64Of(t *testing.T, digest string, e encoding) string {
	t.Helper()
	raw, err := hex.DecodeString(digest)
	if err != nil {
		t.Fatal(err)
	}
	return e.encode(raw)
}

func TestCredentials(t *testing.T) {
	token := customVerifier(t, Scheme{Algorithm: "token", Signature: header("Authorization"), Format: "Bearer {token}"})
	for value, detail := range map[string]string{
		"Bearer " + testSecret:       "",
		"bearer " + testSecret:       "",
		"Bearer " + testSecret[:20]:  DetailNoMatchingSignature,
		"Bearer " + testSecret + "x": DetailNoMatchingSignature,
		"Bearer ":                    DetailMalformedSignature,
		testSecret:                   DetailMalformedSignature,
		"Basic " + testSecret:        DetailMalformedSignature,
	} {
		reason := InvalidSignature
		if detail == "" {
			reason = ""
		}
		verdict(t, token, &Request{Header: http.Header{"Authorization": {value}}}, reason, detail)
	}
}

func TestSignedPartsMustBeThere(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) { s.Content = "{header.X-A}|{query.q}|{body}" }))
	r := func(uri string, values ...string) *Request {
		return &Request{URI: uri, Header: http.Header{"X-A": values, "X-Signature": {hexHMAC("||b")}}, Body: []byte("b")}
	}
	verdict(t, v, r("/?q="), InvalidSignature, DetailMissingPart)
	verdict(t, v, r("/?q=", ""), InvalidSignature, DetailMissingPart)
	verdict(t, v, r("/", "a"), InvalidSignature, DetailMissingPart)
	verdict(t, v, r("/?q=1", "a", "a"), InvalidSignature, DetailMissingPart)
	full := r("/?q=1", "a")
	verdict(t, v, full, InvalidSignature, DetailNoMatchingSignature)
	full.Header.Set("X-Signature", hexHMAC("a|1|b"))
	verdict(t, v, full, "", "")
}

// TestPartsCannotMove takes a webhook with a right signature and moves the border
// between its id and its timestamp.
func TestPartsCannotMove(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) {
		s.Content, s.ID, s.Timestamp = "{id}.{timestamp}.{body}", header("X-Id"), Timestamp{Source: header("X-Time")}
	}))
	r := &Request{Header: http.Header{"X-Id": {"a"}, "X-Time": {"1767323045"}}, Body: []byte("1767323046.{}")}
	r.Header.Set("X-Signature", hexHMAC("a.1767323045.1767323046.{}"))
	verdict(t, v, r, "", "")
	r.Header.Set("X-Id", "a.1767323045")
	r.Header.Set("X-Time", "1767323046")
	r.Body = []byte("{}")
	verdict(t, v, r, AmbiguousRequest, DetailAmbiguousContent)
}

func TestTwilioForms(t *testing.T) {
	v := providerVerifier(t, "twilio")
	sign := func(contentType, uri, body string) *Request {
		r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: uri, Body: []byte(body),
			Header: http.Header{"Content-Type": {contentType}}}
		if body == "" {
			r.Method = http.MethodGet // as one with no form is
		}
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(err)
		}
		verdict(t, v, r, "", "")
		return r
	}
	get := sign("", "/in?x=1", "")
	get.Body, get.Header["Content-Type"] = []byte(`{"a":1}`), []string{mediaJSON}
	verdict(t, v, get, InvalidSignature, DetailUnsignedBody)
	get.Header["Content-Type"] = []string{mediaForm}
	verdict(t, v, get, InvalidSignature, DetailUnsignedBody)
	get.Body = []byte("a=1")
	verdict(t, v, get, InvalidSignature, DetailNoMatchingSignature)
	get.Body = []byte("a=%zz")
	verdict(t, v, get, InvalidSignature, DetailMalformedPart)
	get.Body = []byte(strings.Repeat("a=1&", maxFormFields+1))
	verdict(t, v, get, InvalidSignature, DetailMalformedPart)

	js := sign(mediaJSON, "/in?x=1", `{"a":1}`)
	if !strings.HasPrefix(js.URI, "/in?x=1&bodySHA256=") {
		t.Errorf("URI = %s", js.URI)
	}
	js.Body = []byte(`{"a":2}`)
	verdict(t, v, js, InvalidSignature, DetailBodyDigestMismatch)
	js.Body = nil
	verdict(t, v, js, InvalidSignature, DetailBodyDigestMismatch)
	js.Header["Content-Type"], js.Body = []string{mediaForm}, []byte("a=1")
	verdict(t, v, js, InvalidSignature, DetailBodyDigestMismatch)

	form := sign(mediaForm, "/in?x=1", "a=1&b=2")
	if form.URI != "/in?x=1" {
		t.Errorf("URI = %s", form.URI)
	}
	form.Header["Content-Type"] = []string{mediaJSON}
	verdict(t, v, form, InvalidSignature, DetailUnsignedBody)

	if p, _ := Lookup("twilio"); p.Accepted != (Answer{Status: 200, ContentType: "text/xml", Body: "<Response/>"}) {
		t.Errorf("Accepted = %+v", p.Accepted)
	}
}

// TestBodyDigestWithoutForm: where the content has only the digest, a webhook
// without it has an unsigned body.
func TestBodyDigestWithoutForm(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) { s.Content, s.BodyDigest = "{url}", query("digest") }))
	r := &Request{Scheme: "https", Host: "h", URI: "/", Header: http.Header{"X-Signature": {hexHMAC("https://h/")}}}
	verdict(t, v, r, InvalidSignature, DetailBodyDigestMismatch)
	if err := v.Sign(r, testTime); err != nil || !strings.Contains(r.URI, "?digest=") {
		t.Errorf("signed %s: %v", r.URI, err)
	}
	verdict(t, v, r, "", "")
}

// TestFurthestErrorWins: with two sets of headers, the operator hears of the one
// that came further.
func TestFurthestErrorWins(t *testing.T) {
	v := providerVerifier(t, "svix")
	r := &Request{Header: http.Header{}, Body: []byte("{}")}
	if err := v.Sign(r, testTime.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.Header["Webhook-Signature"] = []string{"v1,AAAA"}
	verdict(t, v, r, TimestampExpired, DetailStaleTimestamp)
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	r.Header["Svix-Signature"] = []string{"garbage"}
	verdict(t, v, r, "", "") // the other set is right
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		r.Header["Svix-"+name] = nil
	}
	if err := v.Sign(r, testTime.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.Header["Svix-Signature"] = []string{"garbage"}
	verdict(t, v, r, TimestampExpired, DetailStaleTimestamp) // tried after the garbage
	delete(r.Header, "Webhook-Id")
	verdict(t, v, r, InvalidSignature, DetailMalformedSignature)
}

func TestErrorsKeepSecrets(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		s := v.usedScheme(x.request(t))
		spoil := map[string]func(*Request){
			"body":      func(r *Request) { r.Body = append([]byte("x"), r.Body...) },
			"signature": func(r *Request) { r.Header.Set(s.Signature.Name, r.Header.Get(s.Signature.Name)+"!") },
			"time":      func(r *Request) { r.Header.Set(s.Timestamp.Name, "tomorrow") },
		}
		for name, change := range spoil {
			r := x.request(t)
			change(r)
			_, err := v.Verify(r)
			if err == nil {
				continue
			}
			var e *Error
			if !errors.As(err, &e) || e.Status() != e.Reason.Status() || e.Detail == "" {
				t.Fatalf("%s: %v", name, err)
			}
			for _, hidden := range append(slices.Concat(x.Secrets, x.PublicKeys), r.Header.Get(s.Signature.Name)) {
				if len(hidden) > 5 && strings.Contains(err.Error(), hidden) {
					t.Errorf("%s: the error tells %q: %v", name, hidden, err)
				}
			}
		}
	})
}

func TestReasonStatus(t *testing.T) {
	for reason, want := range map[Reason]int{MissingSignature: 401, InvalidSignature: 401, TimestampExpired: 400, InvalidTimestamp: 400} {
		if got := reason.Status(); got != want {
			t.Errorf("%s: %d, want %d", reason, got, want)
		}
	}
	if text := (&Error{InvalidSignature, DetailNoSignature, ""}).Error(); text != "invalid_signature: no_signature" {
		t.Error(text)
	}
}

func TestIdentifyLeavesOutWhatCannotBeStored(t *testing.T) {
	v := providerVerifier(t, "stripe")
	for id, want := range map[string]string{
		`"evt_1"`:      "evt_1",
		`"evt_\u0000"`: "",
		`"a\nb"`:       "",
		"\"\xff\"":     "",
		`"` + strings.Repeat("x", maxIdentity) + `"`:   strings.Repeat("x", maxIdentity),
		`"` + strings.Repeat("x", maxIdentity+1) + `"`: "",
	} {
		r := &Request{Body: fmt.Appendf(nil, `{"id":%s,"type":"t"}`, id)}
		if got, typ := v.Identify(r); got != want || typ != "t" {
			t.Errorf("%q: %q, %q", id, got, typ)
		}
	}
}
