package verify

import (
	"errors"
	"net/http"
	"testing"
)

// TestLooseBodiesInOtherWritings: if the body is not signed as a whole, an attacker cannot avoid
// the checks of ids and types by writing it in another way.
func TestLooseBodiesInOtherWritings(t *testing.T) {
	p, err := Custom(Scheme{Algorithm: algorithmToken, Signature: header("X-Token"), ID: jsonAt("/id"), Type: jsonAt("/type")})
	if err != nil {
		t.Fatal(err)
	}
	v := newTestVerifier(t, p)
	for body, want := range map[string]string{
		`{"id":"1","type":"paid","note":"of some length"}`:                    "",
		`{"id":"1","type":"paid","note":"of some length","id":"2"}`:           DetailAmbiguousMember,
		`{"id":"1","type":"paid","note":"of some length","Type":"gone"}`:      DetailAmbiguousMember,
		`{"id":"1","type":"paid","note":"of some length","\u0069d":"2"}`:      DetailAmbiguousMember,
		"{\"id\":\"1\",\"type\":\"paid\",\"note\":\"raw\tTAB\",\"id\":\"2\"}": DetailAmbiguousMember,
	} {
		for name, write := range writings {
			r := &Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {mediaJSON}}, Body: write(t, []byte(body))}
			if err := v.Sign(r, testTime); err != nil {
				t.Fatal(err)
			}
			_, err := v.Verify(r)
			failure, _ := errors.AsType[*Error](err)
			if (failure != nil) != (want != "") || failure != nil && failure.Detail != want {
				t.Errorf("%s, %s: %v, want %q", body, name, err, want)
			}
			if r.Header.Set("Content-Type", mediaForm); want == "" {
				if _, err := v.Verify(r); err == nil {
					t.Errorf("%s, %s: accepted as a form", body, name)
				}
			}
		}
	}
}

// TestSignedPartsAreReadAsTheyCame: what proves a webhook is never looked for in a body
// that is written another way.
func TestSignedPartsAreReadAsTheyCame(t *testing.T) {
	for _, provider := range []struct{ name, vector string }{
		{"adyen-payments", "authorisation"}, {"aws-sns", "notification"}, {"braintree", "dispute"}, {"paddle-classic", "payment"},
	} {
		x := vectorOf(t, provider.name, provider.vector)
		v := x.verifier(t)
		if _, err := v.Verify(x.request(t)); err != nil {
			t.Fatal(err)
		}
		for name, write := range writings {
			switch r := x.request(t); name {
			case "identity", "line breaks around": // JSON may have white space around it
			default:
				r.Body = write(t, r.Body)
				if _, err := v.Verify(r); err == nil {
					t.Errorf("%s, %s: accepted", provider.name, name)
				}
			}
		}
	}
}
