package reach

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/ipaddr"
)

// ListensOn reports whether an upstream is one of the addresses, on this machine.
func ListensOn(listen []string, upstream string) bool {
	if _, rest, ok := strings.Cut(upstream, "://"); ok {
		upstream = rest
	}
	host, port, err := net.SplitHostPort(upstream)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	own := host == "" || host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
	return slices.ContainsFunc(listen, func(text string) bool {
		address, err := caddy.ParseNetworkAddress(text)
		if err != nil || address.IsUnixNetwork() || uint(number) < address.StartPort || uint(number) > address.EndPort {
			return false
		}
		bound, err := netip.ParseAddr(address.Host)
		everywhere := address.Host == "" || err == nil && bound.IsUnspecified()
		loopback := address.Host == "localhost" || err == nil && bound.IsLoopback()
		return own && (everywhere || loopback) || host != "" && host == address.Host
	})
}

// ListensPublicly reports whether the server accepts plain HTTP from outside this machine and its network.
func ListensPublicly(s *caddyhttp.Server) bool {
	if len(s.TLSConnPolicies) > 0 {
		return false // no plain HTTP
	}
	for _, text := range s.Listen {
		address, err := caddy.ParseNetworkAddress(text)
		if err != nil || address.IsUnixNetwork() || address.IsFdNetwork() || address.Host == "localhost" {
			continue
		}
		ip, err := netip.ParseAddr(address.Host)
		if err != nil || !ipaddr.IsLocal(ip) { // a name, nothing (which is all addresses), or a public one
			return true
		}
	}
	return false
}
