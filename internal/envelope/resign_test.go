package envelope

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestSignsWithTheCurrentSecret: a secret that is replaced while a delivery waits is not signed with any more.
func TestSignsWithTheCurrentSecret(t *testing.T) {
	provider, ok := verify.Lookup("stripe")
	if !ok {
		t.Fatal("no such provider")
	}
	verifier := func(secret string) *verify.Verifier {
		v, err := provider.NewVerifier(verify.Options{Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	older, newer := verifier("whsec_old_0123456789abcdef"), verifier("whsec_new_0123456789abcdef")
	current := verify.NewCurrent(older)
	resigner := NewResigner(current, time.Now)
	d := &retrystore.Delivery{Event: &retrystore.Event{Method: http.MethodPost, Scheme: "https", Host: "example.com", URI: "/", Body: []byte("{}"), Header: http.Header{"Stripe-Signature": {"t=1,v1=00"}}}}
	verifies := func(v *verify.Verifier, header http.Header) bool {
		_, err := v.Verify(&verify.Request{Method: http.MethodPost, Scheme: "https", Host: "example.com", URI: "/", Header: header, Body: d.Event.Body, MaxText: 1 << 20})
		return err == nil
	}
	if header := resigner.Sign(d, d.Event.Header); !verifies(older, header) || verifies(newer, header) {
		t.Errorf("signed %v, which is not with the first secret", header)
	}
	if before := current.Store(newer); before != older {
		t.Error("Store does not return the verifier before")
	}
	header := resigner.Sign(d, d.Event.Header)
	if !verifies(newer, header) || verifies(older, header) {
		t.Errorf("signed %v, which is not with the new secret", header)
	}
	if header.Get(originalPrefix+"Stripe-Signature") != "t=1,v1=00" {
		t.Errorf("the provider's own signature is not kept: %v", header)
	}
}
