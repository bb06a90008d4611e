package verify

import (
	"strings"
	"sync"
	"testing"
)

func TestConcurrentUse(t *testing.T) {
	for _, p := range Providers() {
		v := newTestVerifier(t, p)
		if !v.CanSign() {
			continue // TestVectorsConcurrently has what it sends
		}
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for j := range 20 {
					r := signableRequest(v, strings.Repeat("x", i*j))
					if err := v.Sign(r, testTime); err != nil {
						t.Error(p.Name, err)
					} else if _, err := v.Verify(r); err != nil {
						t.Error(p.Name, err)
					}
				}
			})
		}
		group.Wait()
	}
}

// TestVectorsConcurrently has each vector verified by many at once, next to a changed one.
func TestVectorsConcurrently(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 10 {
					r := x.request(t)
					if _, err := v.Verify(r); err != nil {
						t.Error(err)
					}
					r.Body = append(r.Body, 'y')
					if _, err := v.Verify(r); err == nil && !x.BodyUnsigned {
						t.Error("accepted another body")
					}
				}
			})
		}
		group.Wait()
	})
}
