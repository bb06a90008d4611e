package intake

import (
	"net/http"
	"net/netip"
)

// forwardedByStranger reports whether a proxy of this network forwarded the
// request. If the server does not trust it, all clients look like that proxy.
func forwardedByStranger(r *http.Request) bool {
	if len(r.Header["X-Forwarded-For"]) == 0 {
		return false
	}
	if byUnixSocket(r) {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && IsLocal(peer.Addr())
}

// byUnixSocket reports whether the request came by a Unix socket, whose peers
// have no addresses.
func byUnixSocket(r *http.Request) bool { return r.RemoteAddr == "@" || r.RemoteAddr == "" }

// sharedSpace are the addresses between carriers and their customers (RFC 6598),
// which clouds use within their networks too.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// IsLocal reports whether the address is of this machine or of a private network.
func IsLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || sharedSpace.Contains(ip)
}
