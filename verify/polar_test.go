package verify

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// TestPolarSignsWithBothKeys: of a secret that may be of either form a webhook is signed with both,
// so that each of Polar's libraries takes a late attempt; of any other with the one it has.
func TestPolarSignsWithBothKeys(t *testing.T) {
	p, _ := Lookup("polar")
	raw := standardWith(t, "", "")
	standard := standardWith(t, keyBase64, "whsec_")
	for _, c := range []struct {
		secret string
		by     []*Provider
	}{
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", []*Provider{raw, standard}},
		{"polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK", []*Provider{raw}},
	} {
		o := testOptions(t, p)
		o.Secrets = []string{c.secret, "whsec_" + base64.StdEncoding.EncodeToString([]byte("another"))}
		v, err := p.NewVerifier(o)
		if err != nil {
			t.Fatal(err)
		}
		r := &Request{Method: "POST", Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(`{"type":"order.paid"}`)}
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(err)
		}
		if signatures := strings.Fields(r.Header.Get("Webhook-Signature")); len(signatures) != len(c.by) {
			t.Errorf("%s: signed %q, want %d signatures", c.secret, signatures, len(c.by))
		}
		for _, other := range append(c.by, p) {
			o.Secrets = []string{c.secret}
			v, err := other.NewVerifier(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(r); err != nil {
				t.Errorf("%s: %v", c.secret, err)
			}
		}
	}
}

// standardWith is Standard Webhooks with a key of that form.
func standardWith(t *testing.T, key, prefix string) *Provider {
	t.Helper()
	s := standardWebhooks("Webhook-")[0]
	s.Key, s.KeyPrefix = key, prefix
	p, err := Custom(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
