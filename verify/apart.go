package verify

import (
	"net/http"
	"slices"
)

// Success is what a provider counts as success.
type Success string

// The kinds of success.
const (
	Any2xx  Success = "2xx" // any status from 200 to 299; answered 202
	Only200 Success = "200"
	Only202 Success = "202"
	Only204 Success = "204"
)

// Status is what a webhook is answered that has been accepted.
func (s Success) Status() int {
	switch s {
	case Any2xx, Only202:
		return http.StatusAccepted
	case Only204:
		return http.StatusNoContent
	}
	return http.StatusOK
}

// Apart is how a provider's events are told apart.
type Apart string

// The ways to tell events apart, as a row states them.
const (
	ByValues  Apart = "values"  // of Identity, or the event's id
	ByTime    Apart = "time"    // the signed time, with the content
	ByContent Apart = "content" // which is never the same again
	ByNothing Apart = "nothing" // each webhook is an event
)

// Apart returns the first way that the row states; empty if it states none. Webhooks that lack
// the values are told apart by the next way.
func (p *Provider) Apart() Apart {
	switch {
	case len(p.Identity)+len(p.EventID) > 0 || p.tokenHasID():
		return ByValues
	case p.Repeats:
		return ByNothing
	case p.Unique != "":
		return ByContent
	case p.Traits().SignsTimestamp:
		return ByTime
	}
	return ""
}

// tokenHasID reports whether the id is a claim of the provider's tokens.
func (p *Provider) tokenHasID() bool {
	return slices.ContainsFunc(p.Schemes, func(s Scheme) bool {
		token, ok := s.special.(*jwt)
		return ok && slices.ContainsFunc(token.claims, func(c claim) bool { return c.kind == claimID })
	})
}
