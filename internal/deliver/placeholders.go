package deliver

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const placeholderPrefix = "http.webhooks."

// deliveryPlaceholders makes {http.webhooks.*} of a delivery available to the
// handlers that deliver it. Package references knows their names.
func deliveryPlaceholders(replacer *caddy.Replacer, d *retrystore.Delivery) {
	replacer.Map(func(key string) (any, bool) {
		name, ok := strings.CutPrefix(key, placeholderPrefix)
		if !ok {
			return nil, false
		}
		switch name {
		case "endpoint":
			return d.Endpoint, true
		case "destination":
			return d.Destination, true
		case "delivery_id":
			return d.ID, true
		case "attempt":
			return strconv.Itoa(d.Attempts + 1), true
		case "provider":
			return d.Event.Provider, true
		case "event_id":
			return d.Event.EventID, true
		case "event_type":
			return d.Event.EventType, true
		case "correlation_id":
			return d.Event.CorrelationID, true
		case "received_at":
			return d.Event.ReceivedAt.UTC().Format(time.RFC3339Nano), true
		}
		return nil, false
	})
}

// listenAddress is the first address that a server listens on. Handlers may ask
// for the address that a request came in at ({http.request.local}), which is not
// stored with an event.
func listenAddress(listen []string) net.Addr {
	if len(listen) == 0 {
		return new(net.TCPAddr)
	}
	address, err := caddy.ParseNetworkAddress(listen[0])
	switch {
	case err != nil:
		return new(net.TCPAddr)
	case address.IsUnixNetwork():
		return &net.UnixAddr{Net: "unix", Name: address.Host}
	}
	ip := net.ParseIP(address.Host)
	switch {
	case address.Host == "localhost":
		ip = net.IPv4(127, 0, 0, 1)
	case ip == nil:
		ip = net.IPv6unspecified
	}
	return &net.TCPAddr{IP: ip, Port: int(address.StartPort)}
}
