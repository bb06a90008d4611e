// Package verify answers "is this really from the provider?". A table describes
// the providers as data: how they sign, where the event's id and type are, which
// handshakes they expect. One engine checks and makes the signatures of them all.
//
// A Provider comes from Lookup, or from Custom for a scheme of one's own;
// NewVerifier gives it its keys; Verify, Identify, Handshake and Sign do the work.
package verify

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Provider is the sender of webhooks: one row of the table. Lookup and Providers return shared
// rows, which must not be changed.
type Provider struct {
	Name  string // "stripe": unique, lower-case, as in the configuration
	Title string // "Stripe"
	Docs  string // where the provider documents its signatures

	// Category is the part of the table that the row stands in, such as "Payments".
	Category string

	// Setup tells the operator where the secret is found or made, and what to set
	// at the provider, in a sentence or two.
	Setup string

	// SecretPrefix is what the provider's secrets begin with, such as "whsec_";
	// empty if they have no mark. It explains mistakes; see CheckSecret.
	SecretPrefix string

	// SecretForm is how its secrets look, where that is documented and is not a
	// prefix; nil otherwise.
	SecretForm *SecretForm

	// Notes are what to know besides: what the signature does not cover, and the like.
	Notes string

	// Deadline is how long the provider waits for an answer; 0 if it does not say.
	Deadline time.Duration

	// Retries is how the provider tries again, in a few words; empty if it does not say.
	Retries string

	// Evidence is what vouches for the row.
	Evidence Evidence

	// Schemes are the ways in which the provider may sign. Those whose signature is
	// present in a webhook are tried in order; one that proves it is enough.
	Schemes []Scheme

	// EventID and EventType name where the event's id and type are. The first
	// source that has a value wins. An id is the same when the provider sends the event again.
	EventID   []Source
	EventType []Source

	// Types are the types of events that the provider documents; in those of a family
	// `*` stands for any characters. There may be more by now. Empty: not known.
	Types []string

	// Identity is what tells one event from another, all of it together, where
	// the event's id alone does not. Empty: the id does.
	Identity []Source

	// Subscription is what tells apart, besides the id, what one happening gives to two
	// subscriptions of one endpoint. A webhook without it has its id alone.
	Subscription []Source

	// Unique says why no two of its events have the same type and content, where no id tells them
	// apart: a sentence without its point. A repetition may have another signed time.
	Unique string

	// UniqueTypes are the types to which Unique applies; empty: all.
	UniqueTypes []string

	// UniqueWith is what a webhook must have for Unique to apply; empty: nothing.
	UniqueWith []Source

	// Repeats says that different events may be the same to the byte, and have no id:
	// webhooks that say no more than that something has changed. They are all taken.
	Repeats bool

	ContentTypes []string // media types that the provider sends, lower-case; empty: any
	Methods      []string // of its webhooks; never empty. Handshakes may come by others, see HandshakeMethods

	Handshakes []Handshake // requests that are answered instead of stored

	// Settings are what the provider's webhooks need besides keys.
	Settings []Setting

	// Success is what the provider counts as success. Empty: it does not say, and is answered 200.
	Success Success

	// Accepted is the acknowledgement where it must be more than a status: of what is accepted,
	// a duplicate and ignored alike. The zero Answer stands for that of Success.
	Accepted Answer

	// NeverAgain says that the provider does not send again by itself what was not acknowledged, so
	// that a webhook that is refused is lost.
	NeverAgain bool

	// MaxBody is how many bytes its largest webhooks have; 0 if it does not say.
	MaxBody int64

	// Ranges is where its webhooks come from; nil if it does not say.
	Ranges *Ranges
}

// Evidence is what vouches that a row is right: how its vectors were made.
type Evidence string

// The kinds of evidence, the strongest first.
const (
	// FromSDK: the provider's own library signed the vectors, or accepts them.
	FromSDK Evidence = "sdk"
	// FromDocs: the provider's documentation prints them.
	FromDocs Evidence = "docs"
	// ByHand: they were made from the words of its documentation, with a tool
	// other than this package.
	ByHand Evidence = "hand"
)

// Lookup returns the provider of that name, as the configuration spells it.
func Lookup(name string) (*Provider, bool) {
	i, found := slices.BinarySearchFunc(table, name, func(p *Provider, name string) int {
		return strings.Compare(p.Name, name)
	})
	if !found {
		return nil, false
	}
	return table[i], true
}

// Providers returns all rows of the table, sorted by name. "custom" is not one of them.
func Providers() []*Provider { return slices.Clone(table) }

// CustomName is the name of the provider whose scheme a config describes.
const CustomName = "custom"

// Custom returns the provider "custom", which signs as s says. Its event id and
// type are those of s; it accepts any content type by POST, PUT or PATCH. The
// error is that of s.Validate.
func Custom(s Scheme) (*Provider, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	p := &Provider{
		Name:    CustomName,
		Title:   "Custom scheme",
		Schemes: []Scheme{s},
		Methods: []string{http.MethodPost, http.MethodPut, http.MethodPatch},
		Success: Any2xx,
	}
	if !s.ID.IsZero() {
		p.EventID = []Source{s.ID}
	}
	if !s.Type.IsZero() {
		p.EventType = []Source{s.Type}
	}
	p.Repeats = p.Apart() == ""
	return p, nil
}
