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
	if !v.CanSign() {
		b.Skip("its webhooks are signed with a key that only the provider has: see BenchmarkVectors")
	}
	r := signableRequest(v, strings.Repeat("x", 1000))
	if err := v.Sign(r, testTime); err != nil {
		b.Fatal(err)
	}
	return v, r
}

func body1KiB() []byte {
	body := append([]byte(`{"id":"evt_1","type":"invoice.paid","event_id":"evt_1","data":"`), bytes.Repeat([]byte("x"), 1024)...)
	return append(body[:1022], `"}`...)
}

func BenchmarkVerify(b *testing.B) {
	for _, p := range Providers() {
		b.Run(p.Name, func(b *testing.B) {
			v, r := benchmarkRequest(b, p)
			b.ReportAllocs()
			b.SetBytes(int64(len(r.Body)))
			for b.Loop() {
				if _, err := v.Verify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
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
