package verify

import (
	"net/http"
	"testing"
)

// rowOf returns a verifier of a row with keys and settings of the tests.
func rowOf(t *testing.T, name string) *Verifier {
	t.Helper()
	p, ok := Lookup(name)
	if !ok {
		t.Fatalf("there is no row %s", name)
	}
	v, err := p.NewVerifier(testOptions(t, p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// TestBitbucketConnectionTest: the request of "Test connection" is answered though it is not signed,
// and nothing else that is not signed.
func TestBitbucketConnectionTest(t *testing.T) {
	v := rowOf(t, "bitbucket-server")
	for _, c := range []struct {
		method, key, signature, body string
		answered                     bool
	}{
		{"POST", "diagnostics:ping", "", `{"test": true}`, true},
		{"POST", "diagnostics:ping", "", `{"test":true}`, true},
		{"POST", "diagnostics:ping", "", "{\r\n\t\"test\" : true }\n", true},
		{"POST", "diagnostics:ping", "", `{"test": false}`, false},
		{"POST", "diagnostics:ping", "", `{"test": "true"}`, false},
		{"POST", "diagnostics:ping", "", `{"test": true, "eventKey": "repo:refs_changed"}`, false},
		{"POST", "diagnostics:ping", "", `{"test": true}{}`, false},
		{"POST", "diagnostics:ping", "", `[{"test": true}]`, false},
		{"POST", "diagnostics:ping", "", `true`, false},
		{"POST", "diagnostics:ping", "", ``, false},
		{"POST", "diagnostics:ping", "sha256=00", `{"test": true}`, false}, // which is for Verify
		{"POST", "repo:refs_changed", "", `{"test": true}`, false},
		{"POST", "", "", `{"test": true}`, false},
	} {
		r := &Request{Method: c.method, Scheme: "https", Host: "h", URI: "/in", Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: []byte(c.body)}
		if c.key != "" {
			r.Header.Set("X-Event-Key", c.key)
		}
		if c.signature != "" {
			r.Header.Set("X-Hub-Signature", c.signature)
		}
		answer, ok := v.Handshake(r, false)
		if ok != c.answered || ok && answer.Status != 200 {
			t.Errorf("%+v: answered %+v, %t", c, answer, ok)
		}
		if _, err := v.Verify(r); err == nil {
			t.Errorf("%+v: is taken for a webhook", c)
		}
	}
}
