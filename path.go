package caddywebhooks

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// checkPath refuses a path that matches the endpoint's only after it was unescaped and cleaned, such
// as /internal/..%2fgithub. Most signatures do not cover the path, and the application gets it as it
// was sent: it could take the webhook for a request to another part of it. Other letter case is
// left alone: matchers do not tell cases apart, so it may be how the provider was told the URL.
func (h *Handler) checkPath(in *inbound) *answer {
	url := in.r.URL
	if original, ok := in.r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		url = original.URL
	}
	if odd := reach.OddPath(url.EscapedPath()); odd != "" {
		return signatureRefused(&verify.Error{Reason: verify.AmbiguousRequest, Detail: verify.DetailAmbiguousPath, About: "path with " + odd})
	}
	return nil
}

// hopByHop are what a Connection header may name beside other things of the connection
// (RFC 9110, section 7.6.1).
var hopByHop = []string{
	"close", "keep-alive", "upgrade", "te", "trailer", "trailers", "transfer-encoding", "http2-settings",
	"proxy-connection", "proxy-authenticate", "proxy-authorization",
}

// checkConnection refuses a Connection header that names headers of the webhook. Proxies remove
// these headers, so the application would get less than was verified.
func (h *Handler) checkConnection(in *inbound) *answer {
	for _, list := range in.r.Header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			if _, there := in.r.Header[http.CanonicalHeaderKey(name)]; there && !slices.Contains(hopByHop, strings.ToLower(name)) {
				return signatureRefused(&verify.Error{Reason: verify.AmbiguousRequest, Detail: verify.DetailAmbiguousHeader, About: "header Connection"})
			}
		}
	}
	return nil
}
