package verify

import "slices"

// Renewal says whether a webhook that is delivered late can be given a signature
// of that time, so that an application that checks times takes it.
type Renewal string

// What a row's Renewal can be.
const (
	// RenewalNotNeeded: no time is checked; the signature that came with it stays good.
	RenewalNotNeeded Renewal = "not needed: no time is signed"
	// RenewalDone: late deliveries are signed again, with the endpoint's own secret.
	RenewalDone Renewal = "late deliveries are signed again"
	// RenewalNeedsKey: the provider signs with a private key that only it has.
	RenewalNeedsKey Renewal = "impossible: only the provider has the private key"
	// RenewalInBody: the time, or the signature, is inside the body, which is delivered as it came.
	RenewalInBody Renewal = "impossible: the time or the signature is inside the body"
	// RenewalOfURL: the URL is signed, too, and a proxy may know another form of it.
	RenewalOfURL Renewal = "impossible: the URL is signed, and the application may be called at another"
	// RenewalElsewhere: what is signed is in the query, which is delivered as it came.
	RenewalElsewhere Renewal = "impossible: the time or the signature is in the URL"
)

// renewals are in the order of how bad they are.
var renewals = []Renewal{RenewalNotNeeded, RenewalDone, RenewalNeedsKey, RenewalOfURL, RenewalElsewhere, RenewalInBody}

// Renewal returns what holds for p's webhooks with the usual keys: shared secrets
// where it has such a scheme. Verifier.CanResign tells it for given keys. Of several
// schemes the one counts that is worst off.
func (p *Provider) Renewal() Renewal {
	worst := RenewalNotNeeded
	schemes, err := p.compile(p.anySettings())
	if err != nil {
		return worst // a table test finds such rows
	}
	shared := false
	for _, s := range schemes {
		shared = shared || !usesKeyPair(s)
	}
	for _, s := range schemes {
		if shared && usesKeyPair(s) {
			continue
		}
		if r := s.renewal(); slices.Index(renewals, r) > slices.Index(renewals, worst) {
			worst = r
		}
	}
	return worst
}

func (s *scheme) renewal() Renewal {
	if j, ok := s.special.(*jwt); !s.signsTimestamp && (!ok || !j.expires) {
		return RenewalNotNeeded
	}
	for _, written := range []Source{s.Signature, s.Timestamp.Source} {
		switch {
		case written.inBody():
			return RenewalInBody
		case written.From == FromQuery:
			return RenewalElsewhere
		}
	}
	switch {
	case usesKeyPair(s):
		return RenewalNeedsKey
	case !s.resignable():
		return RenewalOfURL
	}
	return RenewalDone
}

// anySettings has something for each of p's settings, to look at its schemes with.
func (p *Provider) anySettings() settings {
	set := settings{}
	for _, s := range p.Settings {
		set[s.Name] = []string{"x"}
		if len(s.Values) > 0 {
			set[s.Name] = s.Values[:1]
		}
	}
	return set
}
