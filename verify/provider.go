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
)

// Provider is who sends: one row of the table. Those that Lookup and Providers
// return are shared and must not be changed.
type Provider struct {
	Name  string // "stripe": unique, lower-case, as in the configuration
	Title string // "Stripe"
	Docs  string // where the provider documents its signatures

	// Schemes are the ways in which the provider may sign. Those whose signature is
	// present in a webhook are tried in order; one that proves it is enough.
	Schemes []Scheme

	// EventID and EventType name where the event's id and type are. The first
	// source that has a value wins. An id is the same when the provider sends the event again.
	EventID   []Source
	EventType []Source

	ContentTypes []string // media types that the provider sends, lower-case; empty: any
	Methods      []string // never empty

	Handshakes []Handshake // requests that are answered instead of stored

	// Accepted is the acknowledgement that the provider wants. The zero Answer
	// stands for the usual one.
	Accepted Answer

	// Ranges is where its webhooks come from; nil if it does not say.
	Ranges *Ranges
}

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

// Custom returns the provider "custom", which signs as s says. Its event id and
// type are those of s; it accepts any content type by POST, PUT or PATCH. The
// error is that of s.Validate.
func Custom(s Scheme) (*Provider, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	p := &Provider{
		Name:    "custom",
		Title:   "Custom scheme",
		Schemes: []Scheme{s},
		Methods: []string{http.MethodPost, http.MethodPut, http.MethodPatch},
	}
	if !s.ID.IsZero() {
		p.EventID = []Source{s.ID}
	}
	if !s.Type.IsZero() {
		p.EventType = []Source{s.Type}
	}
	return p, nil
}
