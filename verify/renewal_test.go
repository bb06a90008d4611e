package verify

import "testing"

func TestRenewal(t *testing.T) {
	for name, want := range map[string]Renewal{
		"github": RenewalNotNeeded, "stripe": RenewalDone, "slack": RenewalDone, "standard-webhooks": RenewalDone,
		"livekit": RenewalDone, "contentful": RenewalOfURL, "hubspot-v3": RenewalOfURL, "plivo-v3": RenewalNotNeeded,
		"mailgun": RenewalInBody, "linear": RenewalInBody, "paypal": RenewalNeedsKey, "plaid": RenewalNeedsKey,
		"google-pubsub": RenewalNeedsKey, "aws-sns": RenewalNotNeeded, "upstash-qstash": RenewalDone,
	} {
		p, ok := Lookup(name)
		if !ok {
			t.Errorf("no provider %s", name)
		} else if got := p.Renewal(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestRenewalIsWhatHappens compares the statement with what a Verifier can do.
func TestRenewalIsWhatHappens(t *testing.T) {
	for _, p := range Providers() {
		v := newTestVerifier(t, p)
		switch p.Renewal() {
		case RenewalDone:
			if !v.SignedTimestamp() || !v.CanResign() {
				t.Errorf("%s: SignedTimestamp %t, CanResign %t", p.Name, v.SignedTimestamp(), v.CanResign())
			}
		case RenewalNotNeeded:
			if v.SignedTimestamp() {
				t.Errorf("%s signs a time", p.Name)
			}
		case RenewalInBody, RenewalOfURL, RenewalElsewhere:
			if v.CanResign() {
				t.Errorf("%s can be signed again", p.Name)
			}
		}
	}
}
