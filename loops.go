package caddywebhooks

import (
	"errors"
	"net"
	"net/http"
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

// markAnswer adds the endpoint's mark to an answer.
func (h *Handler) markAnswer(header http.Header) {
	if len(h.Forward) > 0 {
		h.headers.MarkAnswer(header)
	}
}

// wordLoop is the answer's word for a webhook that the endpoint itself delivered.
const wordLoop = "loop"

var (
	loopDetected = &answer{code: http.StatusLoopDetected, word: wordLoop, reason: "own_delivery",
		message: "this endpoint has delivered this webhook itself: its forward leads back to it"}
	// errLoop is recorded with an attempt that came back.
	errLoop = errors.New("loop: the destination leads back to an endpoint that the webhook has come through")
)

// checkLoop refuses what this process has delivered from this endpoint.
func (h *Handler) checkLoop(in *inbound) *answer {
	if h.headers.WentRound(in.r.Header) {
		return loopDetected
	}
	return nil
}

// checkOwnDelivery refuses what another process has delivered from this endpoint
// out of the same store, also where a proxy on the way took out the marks.
func (h *Handler) checkOwnDelivery(in *inbound) *answer {
	id := in.r.Header.Get(h.headers.ID)
	if id == "" {
		return nil
	}
	ctx := h.app.waits.now()
	if err := h.app.ready(ctx); err != nil {
		return unavailable(retrySoon, "store_unavailable", err)
	}
	// An error says nothing of a loop; whether the store works is for accept to see.
	if d, err := h.app.store.Get(ctx, id); err == nil && d.Endpoint == h.Name {
		return loopDetected
	}
	return nil
}

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
