package intake

import (
	"net/http"
	"net/netip"
	"slices"
)

// Access says which client addresses may send. The server determines the client: the peer, or the address
// that a proxy which the server trusts names.
type Access struct {
	// Blocked may not send.
	Blocked []netip.Prefix

	// Allowed and the addresses of Sources may. If both are empty, all may.
	Allowed []netip.Prefix
	Sources []RangeSource
}

// RangeSource provides address ranges that may change.
type RangeSource interface {
	GetIPRanges(r *http.Request) []netip.Prefix
}

// Limited reports whether there is a list of those who may send.
func (a *Access) Limited() bool { return len(a.Allowed)+len(a.Sources) > 0 }

var (
	ipBlocked = &reply{code: http.StatusForbidden, word: OutcomeIPBlocked,
		message: "this address is blocked"}
	ipNotAllowed = &reply{code: http.StatusForbidden, word: OutcomeIPNotAllowed,
		message: "this address is not among those that may send to this endpoint"}
)

// checkAddress refuses blocked addresses and, if there is a list, all addresses that are not on it. An
// unknown address, as of a Unix socket, is on no list.
func (e *Endpoint) checkAddress(in *Inbound) *reply {
	a := &e.Access
	if in.clientIP.IsValid() && contains(a.Blocked, in.clientIP) {
		return ipBlocked
	}
	if !a.Limited() || contains(a.Allowed, in.clientIP) {
		return nil
	}
	for _, source := range a.Sources {
		if contains(source.GetIPRanges(in.r), in.clientIP) {
			return nil
		}
	}
	return ipNotAllowed
}

func contains(prefixes []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}
