package verify

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// handshakeProvider has a handshake of each kind.
func handshakeProvider() *Provider {
	ok := func(contentType, body string) Answer {
		return Answer{Status: 200, ContentType: contentType, Body: body}
	}
	get := http.MethodGet
	return &Provider{
		Name: "test", Methods: post,
		Schemes:  []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-Signature")}},
		Settings: []Setting{{Name: "token", Required: true, Several: true, Doc: "the token."}, {Name: "endpoint", Doc: "the URL."}},
		Handshakes: []Handshake{
			{Method: get, When: query("hub.mode"), Equals: "subscribe", Token: query("token"), TokenSetting: "token",
				Echo: query("hub.challenge"), Answer: ok("text/plain", "")},
			{Method: get, When: query("crc_token"), Echo: query("crc_token"), Sign: "{query.crc_token}",
				Answer: ok(mediaJSON, `{"token":{json},"response":"sha256={base64}"}`)},
			{Method: get, When: query("code"), Sign: "{query.code}{setting.endpoint}", Digest: true, Answer: ok(mediaJSON, `{"r":"{hex}"}`)},
			{Method: http.MethodHead, Answer: Answer{Status: 200}},
			{Method: http.MethodPost, When: header("X-Hook-Secret"), Echo: header("X-Hook-Secret"), Secret: header("X-Hook-Secret"),
				Answer: Answer{Status: 204, HeaderName: "X-Hook-Secret", HeaderValue: "{text}"}},
			{Signed: true, When: jsonAt("/plain"), Echo: jsonAt("/plain"), Sign: "{json./plain}", Pattern: "[a-z<ü>]+", Answer: ok(mediaJSON, `{"p":{json},"e":"{hex}"}`)},
		},
	}
}

func TestHandshakeKinds(t *testing.T) {
	set := map[string][]string{"token": {"old", "tök€n"}, "endpoint": {"https://h/in"}}
	v, err := handshakeProvider().NewVerifier(Options{Secrets: []string{testSecret}, Settings: set})
	if err != nil {
		t.Fatal(err)
	}
	plain := func(body string) Answer { return Answer{Status: 200, ContentType: "text/plain", Body: body} }
	js := func(body string) Answer { return Answer{Status: 200, ContentType: mediaJSON, Body: body} }
	long := strings.Repeat("x", maxEcho)
	for _, c := range []struct {
		method, uri, body, secret string
		verified                  bool
		want                      Answer // zero: no handshake
	}{
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=115", "", "", false, plain("115")},
		{"GET", "/?hub.mode=subscribe&token=t%C3%B6k%E2%82%ACn&hub.challenge=a%20b+c:d", "", "", false, plain("a b c:d")},
		{"GET", "/?hub.mode=subscribe&token=&hub.challenge=1", "", "", false, forbidden},
		{"GET", "/?hub.mode=subscribe&token=new&hub.challenge=1", "", "", false, forbidden},
		{"GET", "/?hub.mode=subscribe&token=old&token=old&hub.challenge=1", "", "", false, forbidden},
		{"GET", "/?hub.mode=subscribe&hub.challenge=1", "", "", false, forbidden},
		{"GET", "/?hub.mode=unsubscribe&token=old&hub.challenge=1", "", "", false, Answer{}},
		{"POST", "/?hub.mode=subscribe&token=old&hub.challenge=1", "", "", false, Answer{}},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=%3Cscript%3E", "", "", false, Answer{}},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=a%0D%0Ab", "", "", false, Answer{}},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=%C3%A9", "", "", false, Answer{}},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=%FF", "", "", false, Answer{}},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=" + long, "", "", false, plain(long)},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge=" + long + "x", "", "", false, Answer{}},
		{"GET", "/?hub.mode=subscribe&token=old&hub.challenge={hex}{setting.token}", "", "", false, plain("{hex}{setting.token}")},
		{"GET", "/?crc_token=a-Z0_.~%2B/==", "", "", false, js(`{"token":"a-Z0_.~+/==","response":"sha256=` + base64Of(t, hexHMAC(`a-Z0_.~+/==`), encodedBase64) + `"}`)},
		{"GET", "/?crc_token=%7B%7D", "", "", false, Answer{}}, // would be a webhook's signature
		{"GET", "/?crc_token=v0:1:%7B%7D", "", "", false, Answer{}},
		{"GET", "/?crc_token=a%22%26", "", "", false, Answer{}},
		{"GET", "/?crc_token=" + long, "", "", false, Answer{}},
		{"GET", "/?code=abc", "", "", false, js("")},
		{"HEAD", "/anything", "", "", false, Answer{Status: 200}},
		{"POST", "/", "", "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81", false,
			Answer{Status: 204, HeaderName: "X-Hook-Secret", HeaderValue: "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"}},
		{"POST", "/", "", "a\r\nSet-Cookie: b", false, Answer{}},
		{"POST", "/", `{"plain":"<ü>"}`, "", true, js(`{"p":"\u003cü\u003e","e":"` + hexHMAC("<ü>") + `"}`)},
		{"POST", "/", `{"plain":"x"}`, "", false, Answer{}},
		{"POST", "/", `{"plain":["x"]}`, "", true, Answer{}},
	} {
		r := &Request{Method: c.method, URI: c.uri, Header: http.Header{}, Body: []byte(c.body)}
		if c.secret != "" {
			r.Header.Set("X-Hook-Secret", c.secret)
		}
		got, ok := v.Handshake(r, c.verified)
		if c.uri == "/?code=abc" {
			c.want.Body = `{"r":"` + hexOfSHA256("abchttps://h/in") + `"}`
		}
		if got != c.want || ok != (c.want != Answer{}) {
			t.Errorf("%s %.80s %s, verified %t: %+v, %t, want %+v", c.method, c.uri, c.body, c.verified, got, ok, c.want)
		}
	}
}

func TestHandshakeAnswerHeader(t *testing.T) {
	h := Answer{Status: 200, ContentType: "text/plain", HeaderName: "X-Hook-Secret", HeaderValue: "s"}.Header()
	for name, want := range map[string]string{"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff", "X-Hook-Secret": "s"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
	if len((Answer{Status: 200}).Header()) != 1 {
		t.Error("headers out of nothing")
	}
}

// TestOfferedSecret is the life of an endpoint whose secret the provider makes up.
func TestOfferedSecret(t *testing.T) {
	p := handshakeProvider()
	set := map[string][]string{"token": {"t"}, "endpoint": {"e"}}
	v, err := p.NewVerifier(Options{Settings: set})
	if err != nil {
		t.Fatal(err)
	}
	if v.CanSign() || v.CanResign() || v.SignedTimestamp() {
		t.Error("signs without a secret")
	}
	signed := &Request{Method: "POST", Header: http.Header{"X-Signature": {hexHMAC("")}}}
	verdict(t, v, signed, InvalidSignature, DetailNoSecretYet)
	verdict(t, v, &Request{Header: http.Header{}}, InvalidSignature, DetailNoSecretYet)
	crc := &Request{Method: "GET", URI: "/?crc_token=x"}
	if answer, ok := v.Handshake(crc, false); ok {
		t.Errorf("a signature without a secret: %v", answer)
	}

	offer := &Request{Method: "POST", Header: http.Header{"X-Hook-Secret": {testSecret}}}
	if secret, ok := v.OfferedSecret(offer); !ok || secret != testSecret {
		t.Errorf("%q, %t", secret, ok)
	}
	offer.Header["X-Hook-Secret"] = []string{"a\nb"}
	if secret, ok := v.OfferedSecret(offer); ok {
		t.Errorf("offered %q", secret)
	}
	if secret, ok := v.OfferedSecret(crc); ok {
		t.Errorf("offered %q", secret)
	}
	if v, err = p.NewVerifier(Options{Settings: set, Secrets: []string{testSecret}}); err != nil {
		t.Fatal(err)
	}
	verdict(t, v, signed, "", "")
}

func TestSettingsAreChecked(t *testing.T) {
	p := handshakeProvider()
	for _, c := range []struct {
		set  map[string][]string
		want string
	}{
		{nil, "option token is missing: the token"},
		{map[string][]string{"token": {"t"}, "Token": {"t"}}, "option Token: provider test has no such option: want token or endpoint"},
		{map[string][]string{"token": {"t", " "}}, "option token is empty"},
		{map[string][]string{"token": {"t\n"}}, "option token begins or ends with white space"},
		{map[string][]string{"token": {"t"}, "endpoint": {"a", "b"}}, "option endpoint has 2 values"},
	} {
		_, err := p.NewVerifier(Options{Settings: c.set, Secrets: []string{testSecret}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.set, err, c.want)
		}
	}
	github, _ := Lookup("github")
	if _, err := github.NewVerifier(Options{Secrets: []string{"x"}, Settings: map[string][]string{"a": {"b"}}}); err == nil || !strings.Contains(err.Error(), "it takes none") {
		t.Error(err)
	}
	if got := p.HandshakeMethods(); len(got) != 2 || got[0] != "GET" || got[1] != "HEAD" {
		t.Errorf("HandshakeMethods = %v", got)
	}
	for domain, ok := range map[string]bool{"example.kinde.com": true, "kinde": false, "https://example.kinde.com": false, "a.b/c": false, "a.b:1": false, "a@b.c": false, "A.b": false} {
		kinde, _ := Lookup("kinde")
		v, err := kinde.NewVerifier(Options{Settings: map[string][]string{"domain": {domain}}})
		if (err == nil) != ok {
			t.Errorf("domain %s: %v", domain, err)
		}
		if err == nil {
			v.Close()
		}
	}
	format := Scheme{Algorithm: "hmac-sha256", Signature: header("X"), Format: "application {setting.endpoint}:{base64}"}
	s := &Provider{Name: "s", Schemes: []Scheme{format}, Settings: p.Settings[1:], Methods: post}
	for value, ok := range map[string]bool{"key-1": true, "a,b": false, "{hex}": false, "a b": false} {
		if _, err := s.NewVerifier(Options{Secrets: []string{"x"}, Settings: map[string][]string{"endpoint": {value}}}); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := Custom(format); err == nil {
		t.Error("a custom scheme has settings")
	}
}

// TestOrderedList is a list whose first item is the timestamp.
func TestOrderedList(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) {
		s.Format, s.Content, s.Timestamp.Unit = "{timestamp},{hex},...", "{timestamp}.{body}", UnitMilliseconds
	}))
	right, wrong := hexHMAC("1767323045000.{}"), strings.Repeat("0", 64)
	for value, detail := range map[string]string{
		"1767323045000," + right:               "",
		"1767323045000," + wrong + "," + right: "",
		"1767323045000, " + right + ",zz":      "",
		"1767323045000," + wrong:               DetailNoMatchingSignature,
		"1767323045000":                        DetailMalformedSignature,
		right + ",1767323045000":               DetailMalformedSignature,
		right:                                  DetailMalformedSignature,
		"":                                     DetailNoSignature,
	} {
		reason := map[string]Reason{"": "", DetailNoSignature: MissingSignature}[detail]
		if detail != "" && reason == "" {
			reason = InvalidSignature
		}
		verdict(t, v, &Request{Header: http.Header{"X-Signature": {value}}, Body: []byte("{}")}, reason, detail)
	}
	two := &Request{Header: http.Header{"X-Signature": {"1767323045000," + right, wrong}}, Body: []byte("{}")}
	verdict(t, v, two, InvalidSignature, DetailMalformedSignature)
	r := &Request{Body: []byte("{}")}
	if err := v.Sign(r, testTime); err != nil || r.Header.Get("X-Signature") != "1767323045000,"+right {
		t.Errorf("%v, %v", r.Header, err)
	}
}

// TestTimeInsideTheBody: it is checked, and cannot be renewed.
func TestTimeInsideTheBody(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) { s.Timestamp = Timestamp{jsonAt("/at"), UnitRFC3339} }))
	if !v.SignedTimestamp() || !v.CanSign() || v.CanResign() {
		t.Errorf("SignedTimestamp %t, CanSign %t, CanResign %t", v.SignedTimestamp(), v.CanSign(), v.CanResign())
	}
	sign := func(at string) *Request {
		body := `{"at":"` + at + `"}`
		return &Request{Header: http.Header{"X-Signature": {hexHMAC(body)}}, Body: []byte(body)}
	}
	verdict(t, v, sign("2026-01-02T03:04:05.999Z"), "", "")
	verdict(t, v, sign("2026-01-02T04:09:04+01:00"), "", "")
	verdict(t, v, sign("2026-01-02T02:04:05Z"), TimestampExpired, DetailStaleTimestamp)
	verdict(t, v, sign("2026-01-02T04:04:05Z"), InvalidTimestamp, DetailFutureTimestamp)
	verdict(t, v, sign("yesterday"), InvalidTimestamp, DetailMalformedTimestamp)
	r := sign("2026-01-02T03:04:05Z")
	if err := v.Sign(r, testTime.Add(time.Hour)); err != nil || string(r.Body) != `{"at":"2026-01-02T03:04:05Z"}` {
		t.Errorf("%s: %v", r.Body, err)
	}
	verdict(t, v, r, "", "")
}

// TestContentVariables compares each variable with what it stands for.
func TestContentVariables(t *testing.T) {
	r := &Request{Method: "PUT", Scheme: "https", Host: "h:8443", URI: "/a%20b?x=1&y", Header: http.Header{"X-A": {"v"}}, Body: []byte("body")}
	in := newInput(r)
	defer in.release()
	in.timestamp, in.id, in.secret = "T", "I", "S"
	for variable, want := range map[string]string{
		"path_query": "/a%20b?x=1&y", "path": "/a%20b", "url_without_query": "https://h:8443/a%20b", "secret": "S",
		"body_sha256_hex":    hexOfSHA256("body"),
		"body_sha256_base64": base64Of(t, hexOfSHA256("body"), encodedBase64),
		"body_md5_hex":       "841a2d689ad86bd1611447453c22c6fc",
		"body_md5_base64":    "hBotaJrYa9FhFEdFPCLG/A==",
		"body_crc32":         "3685223346",
		"header.x-a":         "v",
	} {
		parsed, err := parseTemplate("{"+variable+"}", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got messageBuffer
		if err := parsed.writeTo(&got, in); err != nil || string(got) != want {
			t.Errorf("{%s} = %q, %v, want %q", variable, got, err, want)
		}
	}
}

// TestAlternativesThatLackAPart are passed over, and do not hide one that fits.
func TestAlternativesThatLackAPart(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) {
		s.Content, s.Alternatives = "{header.X-A}.{body}", []string{"{form.payload}", "-{body}"}
	}))
	r := func(signature string) *Request {
		return &Request{Header: http.Header{"X-Signature": {signature}}, Body: []byte("b")}
	}
	verdict(t, v, r(hexHMAC("-b")), "", "")
	verdict(t, v, r(hexHMAC(".b")), InvalidSignature, DetailNoMatchingSignature)
	with := r(hexHMAC("a.b"))
	with.Header.Set("X-A", "a")
	verdict(t, v, with, "", "")
}
