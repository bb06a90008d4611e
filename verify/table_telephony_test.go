package verify

import (
	"net/http"
	"testing"
)

// TestTelephonyHandshakes has the validations as RingCentral and Mailchimp
// Transactional document them.
func TestTelephonyHandshakes(t *testing.T) {
	token := "wtdwi2y88489yr34iwegsekshwekfhsdfh"
	for _, c := range []struct {
		provider, method string
		header           http.Header
		want             Answer // zero: no handshake
	}{
		{"ringcentral", "POST", http.Header{"Validation-Token": {token}, "Verification-Token": {"xzbcnzbcczxcnzxsjfhkjkfhsdkssfsfsfs"}},
			Answer{Status: 200, ContentType: mediaJSON, HeaderName: "Validation-Token", HeaderValue: token}},
		{"ringcentral", "POST", http.Header{"Validation-Token": {"a\r\nSet-Cookie: b"}}, Answer{}},
		{"ringcentral", "POST", http.Header{"Validation-Token": {"a", "b"}}, Answer{}},
		{"ringcentral", "POST", http.Header{"Verification-Token": {"x"}}, Answer{}},
		{"mandrill", "HEAD", http.Header{}, Answer{Status: 200}},
		{"mandrill", "POST", http.Header{}, Answer{}},
	} {
		p, _ := Lookup(c.provider)
		v, err := p.NewVerifier(Options{Secrets: []string{"secret"}})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := v.Handshake(&Request{Method: c.method, Scheme: "https", Host: "h", URI: "/in", Header: c.header}, false)
		if got != c.want || ok != (c.want != Answer{}) {
			t.Errorf("%s: %s %v: %+v, %t, want %+v", c.provider, c.method, c.header, got, ok, c.want)
		}
	}
}
