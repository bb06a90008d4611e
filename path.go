package caddywebhooks

import (
	"net/http"
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

// reroutingHeaders are those from which frameworks and servers take another path or host than the
// request's. Only a proxy can know such a thing; Caddy itself sets X-Forwarded-Host.
var reroutingHeaders = map[string]struct{}{
	"Forwarded": {}, "X-Envoy-Original-Path": {}, "X-Forwarded-Path": {}, "X-Forwarded-Prefix": {},
	"X-Forwarded-Server": {}, "X-Forwarded-Uri": {}, "X-Host": {}, "X-Http-Host-Override": {}, "X-Original-Host": {},
	"X-Original-Uri": {}, "X-Original-Url": {}, "X-Request-Uri": {}, "X-Rewrite-Url": {}, "X-Script-Name": {},
}

// dropRerouting takes these out of the header of a webhook that no trusted proxy forwarded: nobody
// signs them. They also go where CGI takes the name for one of them, as X_Original_URL.
func (n deliveryHeaders) dropRerouting(header http.Header, trusted bool) {
	if trusted {
		return
	}
	for name := range header {
		plain := name
		if strings.Contains(name, "_") {
			plain = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		}
		if _, reroutes := reroutingHeaders[plain]; !reroutes {
			continue
		}
		if _, owned := n.owned[name]; !owned {
			delete(header, name)
		}
	}
}
