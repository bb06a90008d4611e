package deliver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddywebhooks/caddy-webhooks/forward"
)

// requestBuffers is how much of a body reverse_proxy copies before it sends: enough for nearly every
// webhook. For longer ones the second write does not matter.
const requestBuffers = 16 << 10

// ReverseProxy is the config of a reverse_proxy to the upstreams. Its pool of idle connections fits the
// number of concurrent attempts: with Caddy's default of 32, attempts beyond that would open a connection
// each.
func ReverseProxy(upstreams []string, maxInFlight int) (json.RawMessage, error) {
	var proxy reverseproxy.Handler
	tokens := []caddyfile.Token{{Text: "reverse_proxy"}}
	for _, upstream := range upstreams {
		tokens = append(tokens, caddyfile.Token{Text: upstream})
	}
	if err := proxy.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
		return nil, errors.New(strings.TrimSuffix(err.Error(), ", at :0")) // these tokens are from no file
	}
	var transport reverseproxy.HTTPTransport
	if proxy.TransportRaw != nil {
		if err := json.Unmarshal(proxy.TransportRaw, &transport); err != nil {
			return nil, err
		}
	}
	// With a body that net/http knows to be in memory, headers and body go out in one write; otherwise
	// net/http sends the headers first, since the body may take long to arrive.
	proxy.RequestBuffers = requestBuffers
	if transport.TLS != nil {
		// By default reverse_proxy sends the upstream's own name as Host: right for a site elsewhere, but
		// the application is to get what the provider sent. The certificate is still checked for the
		// upstream's name.
		proxy.Headers = &headers.Handler{Request: &headers.HeaderOps{
			Set: http.Header{"Host": {"{http.request.hostport}"}},
		}}
	}
	asSent := false // no Accept-Encoding that the provider did not send
	transport.Compression = &asSent
	transport.KeepAlive = &reverseproxy.KeepAlive{MaxIdleConnsPerHost: max(maxInFlight, forward.DefaultMaxInFlight)}
	proxy.TransportRaw = caddyconfig.JSONModuleObject(transport, "protocol", "http", nil)
	return caddyconfig.JSONModuleObject(proxy, "handler", "reverse_proxy", nil), nil
}
