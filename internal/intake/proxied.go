package intake

import (
	"net/http"
	"net/netip"

	"github.com/caddywebhooks/caddy-webhooks/internal/ipaddr"
)

// forwardedByStranger reports whether a proxy of this network forwarded the request although the server
// does not trust it. Then all clients look like that proxy.
func forwardedByStranger(r *http.Request) bool {
	if len(r.Header["X-Forwarded-For"]) == 0 {
		return false
	}
	if byUnixSocket(r) {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && ipaddr.IsLocal(peer.Addr())
}

// byUnixSocket reports whether the request came by a Unix socket, whose peers
// have no addresses.
func byUnixSocket(r *http.Request) bool { return r.RemoteAddr == "@" || r.RemoteAddr == "" }
