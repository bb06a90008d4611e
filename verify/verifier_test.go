package verify

import (
	"net/http"
	"testing"
	"time"
)

func TestSignVerifyRoundTrip(t *testing.T) {
	at := time.Unix(1700000000, 0)
	for _, p := range Providers() {
		v, err := p.NewVerifier(Options{Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(p.Name, err)
		}
		r := &Request{Method: "POST", Scheme: "https", Host: "example.com", URI: "/x?a=1", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"id":"e1","type":"t"}`)}
		if err := v.Sign(r, at); err != nil {
			t.Fatal(p.Name, err)
		}
		if _, err := v.Verify(r); err != nil {
			t.Fatal(p.Name, r, err)
		}
		r.Body[0] ^= 1
		if _, err := v.Verify(r); err == nil {
			t.Fatal(p.Name, "flipped")
		} else {
			t.Log(p.Name, err, r.Header, r.URI)
		}
	}
}
