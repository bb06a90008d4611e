package verify

import (
	"net/http"
	"strings"
	"testing"
)

// TestOfferedSecretThatCannotBeKept: what is too long, or has a control character, is not
// confirmed. The provider would believe that it is known.
func TestOfferedSecretThatCannotBeKept(t *testing.T) {
	offering := 0
	for _, p := range Providers() {
		for _, h := range p.Handshakes {
			if h.Secret.IsZero() {
				continue
			}
			offering++
			v, err := p.NewVerifier(Options{Settings: testSettings(p)})
			if err != nil {
				t.Fatal(err)
			}
			offer := func(secret string) bool {
				r := &Request{Method: http.MethodPost, URI: "/", Header: http.Header{"Content-Type": {"application/json"}}}
				if h.Secret.From == FromHeader {
					r.Header.Set(h.Secret.Name, secret)
				} else {
					r.Body = []byte(`{"` + strings.TrimPrefix(h.Secret.Name, "/") + `":"` + secret + `"}`)
				}
				_, shaken := v.Handshake(r, false)
				_, offered := v.OfferedSecret(r)
				if shaken != offered {
					t.Errorf("%s: answered: %v, and kept: %v", p.Name, shaken, offered)
				}
				return shaken
			}
			if !offer(strings.Repeat("x", maxIdentity)) {
				t.Errorf("%s: a secret of %d bytes is refused", p.Name, maxIdentity)
			}
			if offer(strings.Repeat("x", maxIdentity+1)) {
				t.Errorf("%s: a secret of %d bytes is confirmed", p.Name, maxIdentity+1)
			}
		}
	}
	if offering < 2 {
		t.Errorf("%d rows hand over a secret: this test shows nothing", offering)
	}
}
