package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
)

// benchmarkRequest is a signed webhook with a JSON body of 1 KiB.
func benchmarkRequest(b *testing.B, p *Provider) (*Verifier, *Request) {
	b.Helper()
	v := newTestVerifier(b, p)
	r := &Request{
		Method: http.MethodPost, Scheme: "https", Host: "hooks.example.com", URI: "/in",
		Header: http.Header{"Content-Type": {mediaJSON}, "User-Agent": {"benchmark"}}, Body: body1KiB(),
	}
	if err := v.Sign(r, testTime); err != nil {
		b.Fatal(err)
	}
	return v, r
}

func body1KiB() []byte {
	body := append([]byte(`{"id":"evt_1","type":"invoice.paid","event_id":"evt_1","data":"`), bytes.Repeat([]byte("x"), 1024)...)
	return append(body[:1022], `"}`...)
}

func benchmarkVerify(b *testing.B, v *Verifier, r *Request) {
	b.Helper()
	if _, err := v.Verify(r); err != nil { // and have the key fetched
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(r.Body)))
	for b.Loop() {
		if _, err := v.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is one provider of each declarative family, with a body of 1 KiB.
func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{
		"github", "shopify", "slack", "standard-webhooks", "stripe", "svix", "twilio", // HMAC
		"hubspot-v1", // a plain hash, to compare with sha256
		"telnyx",     // Ed25519
		"gitlab-token",
	} {
		b.Run(name, func(b *testing.B) {
			p, ok := Lookup(name)
			if !ok {
				b.Skip("not in the table")
			}
			v, r := benchmarkRequest(b, p)
			benchmarkVerify(b, v, r)
		})
	}
}

// BenchmarkSpecial is one vector of each special family, with its keys fetched
// already: compare with the bare operations below.
func BenchmarkSpecial(b *testing.B) {
	for _, c := range []struct{ provider, vector string }{
		{"livekit", "room started"},         // JWT, HS256
		{"google-pubsub", "push"},           // JWT, RS256, fetched
		{"plaid", "transactions"},           // JWT, ES256, fetched
		{"fireblocks-v2", "unicode"},        // detached JWS, RS512, fetched
		{"paypal", "payment captured"},      // certificate, RSA
		{"aws-sns", "notification"},         // certificate, RSA, fields of JSON
		{"ebay", "account deletion"},        // ECDSA
		{"adyen-payments", "authorisation"}, // HMAC of each item
		{"braintree", "dispute"},            // HMAC of a form's field
		{"paddle-classic", "payment"},       // RSA of PHP
		{"contentful", "signed headers"},
		{"plivo-v3", "query and form"},
		{"mailgun", "inbound route with attachments"}, // multipart
	} {
		b.Run(c.provider, func(b *testing.B) {
			x := vectorOf(b, c.provider, c.vector)
			benchmarkVerify(b, x.verifier(b), x.request(b))
		})
	}
}

// BenchmarkBarePrimitives are what verifying cannot be faster than.
func BenchmarkBarePrimitives(b *testing.B) {
	body := body1KiB()
	testOptions(b, &Provider{Schemes: []Scheme{hmacScheme(nil)}, Methods: post})
	digest := sha256.Sum256(body)
	for _, name := range []string{algorithmRSA, algorithmECDSA, algorithmEd25519} {
		a, err := algorithmNamed(name)
		if err != nil {
			b.Fatal(err)
		}
		s := &scheme{Scheme: Scheme{Algorithm: name}, algorithm: a}
		k := &sharedTestKeys
		private, public, err := s.parsePrivateKey(map[string]string{algorithmRSA: k.rsaPrivate, algorithmECDSA: k.ecSEC1, algorithmEd25519: k.edPrivate}[name])
		if err != nil {
			b.Fatal(err)
		}
		in := newInput(&Request{Body: body})
		signature, err := private.sign(template{parts: []part{{kind: partBody}}}, in)
		if err != nil {
			b.Fatal(err)
		}
		message := digest[:]
		if name == algorithmEd25519 {
			message = body
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !public.verify(message, signature) {
					b.Fatal("refused")
				}
			}
		})
		in.release()
	}
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			sha256.Sum256(body)
		}
	})
}

// BenchmarkBareHMAC is what Verify is measured against: HMAC-SHA256 of the same
// body, with a new state for each call, and with one that is reused.
func BenchmarkBareHMAC(b *testing.B) {
	key, body := []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), body1KiB()
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			h := hmac.New(sha256.New, key)
			h.Write(body)
			h.Sum(nil)
		}
	})
	b.Run("reused", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		h, sum := hmac.New(sha256.New, key), [sha256.Size]byte{}
		for b.Loop() {
			h.Reset()
			h.Write(body)
			h.Sum(sum[:0])
		}
	})
}

func BenchmarkIdentify(b *testing.B) {
	for _, name := range []string{"github", "stripe", "slack"} {
		b.Run(name, func(b *testing.B) {
			p, _ := Lookup(name)
			v, r := benchmarkRequest(b, p)
			b.ReportAllocs()
			for b.Loop() {
				v.Identify(r)
			}
		})
	}
}

// TestVerifyAllocates holds the promise of at most two allocations.
func TestVerifyAllocates(t *testing.T) {
	for _, name := range []string{"github", "shopify", "slack", "standard-webhooks", "stripe", "svix"} {
		v := providerVerifier(t, name)
		r := &Request{Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(strings.Repeat("x", 1024))}
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(err)
		}
		allocations := 100.0
		for range 20 { // the best of them: the race detector makes pools forgetful
			allocations = min(allocations, testing.AllocsPerRun(1, func() {
				if _, err := v.Verify(r); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if allocations > 2 {
			t.Errorf("%s: %.0f allocations", name, allocations)
		}
	}
}

// BenchmarkEndpoint is all that an endpoint asks of a webhook with a body of 1 KiB, with
// two values of the body that tell events apart.
func BenchmarkEndpoint(b *testing.B) {
	for _, name := range []string{"github", "stripe", "slack", "gitlab-token"} {
		b.Run(name, func(b *testing.B) {
			p, _ := Lookup(name)
			v, r := benchmarkRequest(b, p)
			b.ReportAllocs()
			for b.Loop() {
				r.Document = new(Document)
				v.Handshake(r, false)
				if _, err := v.Verify(r); err != nil {
					b.Fatal(err)
				}
				v.Handshake(r, true)
				v.Identify(r)
				v.FurtherTypes(r)
				jsonAt("/id").Extract(r)
				jsonAt("/type").Extract(r)
			}
		})
	}
}
