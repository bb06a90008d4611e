package intake

import (
	"net/netip"
	"testing"
)

// TestUnknownAddress: an address that is not known, as with a Unix socket, is on no list.
func TestUnknownAddress(t *testing.T) {
	e := &Endpoint{Config: Config{}}
	if a := e.checkAddress(new(Inbound)); a != nil {
		t.Errorf("without allow_ips: %v", a)
	}
	e.Access.Allowed = append(e.Access.Allowed, netip.MustParsePrefix("203.0.113.0/24"))
	if a := e.checkAddress(new(Inbound)); a != ipNotAllowed {
		t.Errorf("with allow_ips: %v", a)
	}
}
