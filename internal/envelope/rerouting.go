package envelope

import (
	"net/http"
	"strings"
)

// reroutingHeaders make frameworks and servers take another path or host than the request's. Only a proxy
// can know of such a path; Caddy itself sets X-Forwarded-Host.
var reroutingHeaders = map[string]struct{}{
	"Forwarded": {}, "X-Envoy-Original-Path": {}, "X-Forwarded-Path": {}, "X-Forwarded-Prefix": {},
	"X-Forwarded-Server": {}, "X-Forwarded-Uri": {}, "X-Host": {}, "X-Http-Host-Override": {}, "X-Original-Host": {},
	"X-Original-Uri": {}, "X-Original-Url": {}, "X-Request-Uri": {}, "X-Rewrite-Url": {}, "X-Script-Name": {},
}

// dropRerouting removes these from the header of a webhook that no trusted proxy forwarded, because no
// signature covers them. It also removes names that become one of them in CGI, such as X_Original_URL.
func (n Headers) dropRerouting(header http.Header, trusted bool) {
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
