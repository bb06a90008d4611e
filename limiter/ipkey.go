package limiter

import "net/netip"

// prefixIPv6 is the part of an IPv6 address that is one client: the smallest
// network that a customer gets (RFC 6177, RFC 7421). Within it a host picks its addresses
// freely (RFC 8981).
const prefixIPv6 = 64

// IPKey returns the Ask.Key of a client address: an IPv4 address itself, also
// where it is written as IPv6 (::ffff:192.0.2.1), and of an IPv6 address the
// /64 that it is in, without zone. The key of the zero Addr is "", so clients
// whose address is not known share one budget.
func IPKey(addr netip.Addr) string {
	addr = addr.Unmap()
	if !addr.Is6() {
		if !addr.IsValid() {
			return ""
		}
		return addr.String()
	}
	prefix, _ := addr.Prefix(prefixIPv6) // no error: an IPv6 address has 64 bits
	return prefix.String()
}
