package caddywebhooks

import (
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
			if reach.ListensOn(server.Listen, reach.SameDial(upstream.Dial)) {
				logger.Warn("a destination is the server that its own endpoint is on: deliveries that come back to the endpoint are refused (508 loop) and never arrive; give the application's own address",
					zap.String("endpoint", f.lane.Endpoint), zap.String("destination", f.lane.Destination), zap.String("upstream", upstream.Dial))
			}
		}
	})
}
