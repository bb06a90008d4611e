package caddywebhooks

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// warnOfLoops names upstreams, also those of proxies in `handle`, that are the server on which the
// endpoint itself is. Whether its routes lead a delivery to the endpoint, only a request can tell.
func (f *Forward) warnOfLoops(logger *zap.Logger, server *caddyhttp.Server) {
	reach.Each(f.routes, func(handler caddyhttp.MiddlewareHandler) {
		proxy, ok := handler.(*reverseproxy.Handler)
		if !ok {
			return
		}
		for _, upstream := range proxy.Upstreams {
			if listensOn(server.Listen, sameDial(upstream.Dial)) {
				logger.Warn("a destination is the server that its own endpoint is on: deliveries that come back to the endpoint are refused (508 loop) and never arrive; give the application's own address",
					zap.String("endpoint", f.lane.Endpoint), zap.String("destination", f.lane.Destination), zap.String("upstream", upstream.Dial))
			}
		}
	})
}

// listensOn reports whether an upstream is, on this machine, one of the addresses.
func listensOn(listen []string, upstream string) bool {
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
