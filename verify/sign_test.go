package verify

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSignSetsWhatTheSchemeOwns(t *testing.T) {
	for name, want := range map[string][]string{
		"github":            {"X-Hub-Signature-256"},
		"shopify":           {"X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"},
		"slack":             {"X-Slack-Signature", "X-Slack-Request-Timestamp"},
		"standard-webhooks": {"Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"},
		"stripe":            {"Stripe-Signature"},
		"svix":              {"Svix-Signature", "Svix-Timestamp", "Svix-Id", "Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"},
		"twilio":            {"X-Twilio-Signature"},
	} {
		v := providerVerifier(t, name)
		if got := v.Headers(); !slices.Equal(got, want) {
			t.Errorf("%s: Headers() = %v, want %v", name, got, want)
		}
		r := &Request{Scheme: "https", Host: "h", URI: "/", Body: []byte("{}")}
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(err)
		}
		for header := range r.Header {
			if !slices.Contains(want, header) {
				t.Errorf("%s: Sign set %s", name, header)
			}
		}
		if _, err := v.Verify(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if signed := strings.Contains("slack standard-webhooks stripe svix", name); v.SignedTimestamp() != signed || !v.CanSign() {
			t.Errorf("%s: SignedTimestamp %t, CanSign %t", name, v.SignedTimestamp(), v.CanSign())
		}
	}
}

// TestSignAgainLater signs a delivery again, as before a retry: the id
// stays, the time is new, and the old signature is gone.
func TestSignAgainLater(t *testing.T) {
	for _, p := range Providers() {
		v := newTestVerifier(t, p)
		if !v.CanSign() || v.SignedTimestamp() && !v.CanResign() {
			continue
		}
		r := signableRequest(v, "")
		if err := v.Sign(r, testTime.Add(-24*time.Hour)); err != nil {
			t.Fatal(p.Name, err)
		}
		before := r.Header.Clone()
		_, expired := v.Verify(r)
		s := v.usedScheme(r)
		token, _ := s.special.(*jwt)
		if expires := token != nil && token.expires; (s.signsTimestamp || expires) == (expired == nil) {
			t.Errorf("%s: a day later: %v", p.Name, expired)
		}
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(p.Name, err)
		}
		if _, err := v.Verify(r); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		for name, values := range r.Header {
			renewed := (s.signsTimestamp || token != nil && token.expires) && (name == s.Signature.Name || name == s.Timestamp.Name)
			if changed := !slices.Equal(values, before[name]); changed != renewed && s.algorithm.deterministic() {
				t.Errorf("%s: %s was %v, is %v", p.Name, name, before[name], values)
			}
		}
	}
}

// TestSignRenewsTheSetThatIsThere: an application that reads webhook-* headers
// gets those renewed, not svix-* added.
func TestSignRenewsTheSetThatIsThere(t *testing.T) {
	v := providerVerifier(t, "svix")
	r := &Request{Header: http.Header{"Webhook-Id": {"m"}, "Webhook-Signature": {"v1,old"}}}
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("Svix-Signature") != "" || r.Header.Get("Webhook-Id") != "m" {
		t.Errorf("headers: %v", r.Header)
	}
	r.Header.Set("Svix-Id", "n")
	r.Header.Set("Svix-Signature", "v1,old")
	r.Header.Set("Webhook-Signature", "v1,old")
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	for _, only := range []string{"Svix-", "Webhook-"} {
		one := &Request{Header: http.Header{}}
		for name, values := range r.Header {
			if strings.HasPrefix(name, only) {
				one.Header[name] = values
			}
		}
		if _, err := v.Verify(one); err != nil {
			t.Errorf("%s*: %v", only, err)
		}
	}
}

func TestSignMakesAnID(t *testing.T) {
	p, _ := Lookup("standard-webhooks")
	v, err := p.NewVerifier(Options{Secrets: []string{testSecret}, NewID: func() string { return "msg_made" }})
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{}
	if err := v.Sign(r, time.Now()); err != nil || r.Header.Get("Webhook-Id") != "msg_made" {
		t.Errorf("%v, %v", r.Header, err)
	}
	if _, err := v.Verify(r); err != nil { // with the real clock
		t.Error(err)
	}
	a, b := &Request{}, &Request{}
	v = newTestVerifier(t, p)
	if v.Sign(a, testTime) != nil || v.Sign(b, testTime) != nil || a.Header.Get("Webhook-Id") == b.Header.Get("Webhook-Id") {
		t.Error("two webhooks have one id")
	}
}

func TestSignWithPrivateKeys(t *testing.T) {
	k := newTestKeys(t)
	p, _ := Lookup("standard-webhooks")
	v, err := p.NewVerifier(Options{Secrets: []string{k.edPrivate}, PublicKeys: []string{k.ed}, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{}
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Webhook-Signature"); !strings.HasPrefix(got, "v1a,") {
		t.Errorf("signature %s", got)
	}
	if result, err := v.Verify(r); err != nil || result.SecretIndex != 0 {
		t.Errorf("%+v, %v", result, err)
	}

	// With a secret, too, the header that is there is written once, with the first scheme.
	if v, err = p.NewVerifier(Options{Secrets: []string{k.edPrivate, testSecret}}); err != nil {
		t.Fatal(err)
	}
	if err := v.Sign(r, testTime); err != nil || !strings.HasPrefix(r.Header.Get("Webhook-Signature"), "v1,") {
		t.Errorf("signature %s: %v", r.Header.Get("Webhook-Signature"), err)
	}

	if v, err = p.NewVerifier(Options{PublicKeys: []string{k.ed}}); err != nil {
		t.Fatal(err)
	}
	if err := v.Sign(r, testTime); err == nil || v.CanSign() || !strings.Contains(err.Error(), "private key") {
		t.Errorf("signed with a public key: %v", err)
	}
}

func TestSignErrors(t *testing.T) {
	for _, c := range []struct {
		change func(*Scheme)
		want   string
	}{
		{func(s *Scheme) { s.Signature, s.Content = jsonAt("/signature"), "{json./a}" }, "json /signature is inside the body"},
		{func(s *Scheme) { s.Content = "{header.X-Missing}{body}" }, "missing_part (header X-Missing)"},
		{func(s *Scheme) { s.Content, s.ID = "{id}{body}", jsonAt("/id") }, "json /id is inside the body"},
		{func(s *Scheme) { s.Content, s.Timestamp.Source = "{timestamp}{body}", form("t") }, "form t: the body must have the time"},
		{func(s *Scheme) { s.Timestamp = Timestamp{jsonAt("/t"), UnitMilliseconds} }, "json /t: the body must have the time"},
		{func(s *Scheme) { s.Content = "{form_sorted}" }, "unsigned_body"},
	} {
		v := customVerifier(t, hmacScheme(c.change))
		err := v.Sign(&Request{Body: []byte(`{"a":"1"}`)}, testTime)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want an error with %q", err, c.want)
		}
	}
	v := customVerifier(t, hmacScheme(func(s *Scheme) {
		s.Content, s.Timestamp, s.ID = "{id}{timestamp}{body}", Timestamp{query("t"), UnitRFC3339}, query("id")
	}))
	r := &Request{URI: "/in"}
	if err := v.Sign(r, testTime); err != nil || !strings.Contains(r.URI, "t=2026-01-02T03%3A04%3A05Z") {
		t.Errorf("%s: %v", r.URI, err)
	}
	verdict(t, v, r, "", "")
}

func TestHandshakes(t *testing.T) {
	v := providerVerifier(t, "slack")
	js := func(body string) *Request {
		return &Request{Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(body)}
	}
	fm := func(body string) *Request {
		return &Request{Header: http.Header{"Content-Type": {mediaForm}}, Body: []byte(body)}
	}
	challenge := Answer{Status: 200, ContentType: "text/plain", Body: "<c>&"}
	for _, c := range []struct {
		r        *Request
		verified bool
		want     Answer // zero: no handshake
	}{
		{js(`{"type":"url_verification","challenge":"<c>&"}`), true, challenge},
		{js(`{"type":"url_verification","challenge":"<c>&"}`), false, Answer{}},
		{js(`{"type":"url_verification"}`), true, Answer{}},
		{js(`{"type":"event_callback","challenge":"c"}`), true, Answer{}},
		{fm(`type=url_verification&challenge=c`), true, Answer{}},
		{fm("ssl_check=1&token=x"), false, Answer{Status: 200}},
		{fm("ssl_check=1&token=x"), true, Answer{}},
		{fm("ssl_check=0"), false, Answer{}},
		{fm("text=ssl_check%3D1"), false, Answer{}},
		{fm("ssl_check=1&ssl_check=1"), false, Answer{}},
		{js(`{"text":"&ssl_check=1&"}`), false, Answer{}},
	} {
		got, ok := v.Handshake(c.r, c.verified)
		if got != c.want || ok != (c.want != Answer{}) {
			t.Errorf("%s, verified %t: %+v, %t", c.r.Body, c.verified, got, ok)
		}
	}
	if _, ok := providerVerifier(t, "stripe").Handshake(js(`{"type":"url_verification","challenge":"c"}`), true); ok {
		t.Error("stripe has a handshake")
	}
}
