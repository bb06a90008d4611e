package verify

import "testing"

// TestVouches says of rows whether their signature proves what identifies their events.
func TestVouches(t *testing.T) {
	for name, want := range map[string]struct{ id, url bool }{
		"github":          {false, false}, // the id is in a header
		"stripe":          {true, false},  // in the body
		"svix":            {false, false}, // in one of two headers, of which one is signed: see Result.ID
		"gitlab-token":    {true, true},   // whoever has the token can send anything
		"twilio":          {false, true},  // in a header; the URL is signed
		"shopify":         {false, false},
		"slack":           {true, false},
		"paystack":        {true, false},
		"bitbucket-cloud": {true, false},
		"adyen-payments":  {true, false},
		"aws-sns":         {true, false},
	} {
		p, ok := Lookup(name)
		if !ok {
			t.Errorf("no provider %s", name)
			continue
		}
		v, err := p.NewVerifier(testOptions(t, p))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Vouches(p.EventID); got != want.id {
			t.Errorf("%s: the id %v is vouched for: %v, want %v", name, p.EventID, got, want.id)
		}
		if got := v.VouchesForURL(); got != want.url {
			t.Errorf("%s: path and query are vouched for: %v, want %v", name, got, want.url)
		}
	}
}
