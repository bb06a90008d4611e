package verify

import (
	"net/http"
	"testing"
)

// TestHandshakesOfBusinessProviders has those of forms, CRM, identity and commerce tried out.
func TestHandshakesOfBusinessProviders(t *testing.T) {
	text := Answer{Status: 200, ContentType: "text/plain", Body: "Xy-1_z="}
	for _, c := range []struct {
		provider, method, uri, contentType, body string
		headers                                  map[string]string
		want                                     Answer // zero: no handshake
	}{
		{"dropbox", "GET", "/in?challenge=Xy-1_z%3D", "", "", nil, text},
		{"dropbox", "GET", "/in?challenge=%3Cscript%3E", "", "", nil, Answer{}},
		{"dropbox", "GET", "/in", "", "", nil, Answer{}},
		{"dropbox", "POST", "/in?challenge=x", mediaJSON, "{}", nil, Answer{}},
		{"nylas", "GET", "/in?challenge=Xy-1_z%3D", "", "", nil, text},
		{"nylas", "POST", "/in?challenge=x", mediaJSON, "{}", nil, Answer{}},
		{"intercom", "HEAD", "/in", "", "", nil, Answer{Status: 200}},
		{"intercom", "POST", "/in", mediaJSON, "{}", nil, Answer{}},
		{"okta", "GET", "/in", "", "", map[string]string{"X-Okta-Verification-Challenge": `a"b`},
			Answer{Status: 200, ContentType: mediaJSON, Body: `{"verification":"a\"b"}`}},
		{"okta", "GET", "/in", "", "", nil, Answer{}},
		{"okta", "POST", "/in", mediaJSON, "{}", map[string]string{"X-Okta-Verification-Challenge": "x"}, Answer{}},
		{"gusto", "POST", "/in", mediaJSON, `{"verification_token":"6590f590"}`, nil, Answer{Status: 200}},
		{"gusto", "POST", "/in", mediaJSON, `{"uuid":"1"}`, nil, Answer{}},
		{"woocommerce", "POST", "/in", mediaForm, "webhook_id=5", nil, Answer{Status: 200}},
		{"woocommerce", "POST", "/in", mediaJSON, `{"webhook_id":5}`, nil, Answer{}},
	} {
		t.Run(c.provider+" "+c.method, func(t *testing.T) {
			p, ok := Lookup(c.provider)
			if !ok {
				t.Fatal("not in the table")
			}
			v, err := p.NewVerifier(Options{Secrets: []string{testSecret}})
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{Method: c.method, Scheme: "https", Host: "h", URI: c.uri, Header: http.Header{}, Body: []byte(c.body)}
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			for name, value := range c.headers {
				r.Header.Set(name, value)
			}
			if got, ok := v.Handshake(r, false); got != c.want || ok != (c.want != Answer{}) {
				t.Errorf("%+v, %t, want %+v", got, ok, c.want)
			}
		})
	}
}

// TestFrontHandshake is of a request that is signed like a webhook.
func TestFrontHandshake(t *testing.T) {
	for _, x := range loadVectors(t, "front") {
		v, r := x.verifier(t), x.request(t)
		want := Answer{}
		if x.Name == "validation" {
			want = Answer{Status: 200, ContentType: mediaJSON, Body: `{"challenge":"2Bq7xYz"}`}
		}
		if got, ok := v.Handshake(r, true); got != want || ok != (want != Answer{}) {
			t.Errorf("%s: %+v, %t, want %+v", x.Name, got, ok, want)
		}
		if got, ok := v.Handshake(r, false); ok {
			t.Errorf("%s: %+v before its signature was found right", x.Name, got)
		}
	}
}
