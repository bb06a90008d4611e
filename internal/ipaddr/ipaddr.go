// Package ipaddr tells addresses of this machine and its network from others.
package ipaddr

import "net/netip"

// sharedSpace are the addresses between carriers and their customers (RFC 6598),
// which clouds use within their networks too.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// IsLocal reports whether the address is of this machine or of a private network.
func IsLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || sharedSpace.Contains(ip)
}
