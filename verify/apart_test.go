package verify

import (
	"strings"
	"testing"
)

// TestToldApart: each row says what tells its provider's events apart, and nothing that contradicts it.
func TestToldApart(t *testing.T) {
	for _, p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			if p.Apart() == "" {
				t.Error("nothing is said: want an EventID, an Identity, a signed time, Unique, or Repeats")
			}
			if p.Unique != "" && p.Repeats {
				t.Error("Unique and Repeats exclude each other")
			}
			if strings.HasSuffix(p.Unique, ".") || p.Unique != "" && len(p.Unique) < 20 {
				t.Errorf("Unique is %q: want a sentence without its point that says why", p.Unique)
			}
			if len(p.UniqueTypes)+len(p.UniqueWith) > 0 && p.Unique == "" {
				t.Error("UniqueTypes or UniqueWith without Unique")
			}
			for _, s := range append(append([]Source{}, p.Identity...), p.Subscription...) {
				if s.From != fromBody && s.From != fromJSONEach && s != cloudEvents && s.Validate() != nil {
					t.Errorf("%s: %v", s, s.Validate())
				}
			}
		})
	}
}

// TestAcknowledgements: each row's answer is one that its provider counts as success.
func TestAcknowledgements(t *testing.T) {
	for _, p := range Providers() {
		status := p.Success.Status()
		if p.Accepted.Status != 0 {
			status = p.Accepted.Status
		}
		switch p.Success {
		case Any2xx:
			if status < 200 || status > 299 {
				t.Errorf("%s wants a 2xx and is answered %d", p.Name, status)
			}
		case "", Only200:
			if status != 200 {
				t.Errorf("%s is answered %d, want 200", p.Name, status)
			}
		case Only202:
			if status != 202 {
				t.Errorf("%s is answered %d, want 202", p.Name, status)
			}
		case Only204:
			if status != 204 {
				t.Errorf("%s is answered %d, want 204", p.Name, status)
			}
		default:
			t.Errorf("%s: success %q", p.Name, p.Success)
		}
		if p.NeverAgain && p.Retries == "" {
			t.Errorf("%s never sends again, and Retries does not say so", p.Name)
		}
	}
}
