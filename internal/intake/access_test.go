package intake

import "testing"

// TestUnknownAddress: an address that is not known, as with a Unix socket, is on no list.
func TestUnknownAddress(t *testing.T) {
	e := &Endpoint{Config: Config{}}
	if a := e.checkAddress(new(Inbound)); a != nil {
		t.Errorf("without allow_ips: %v", a)
	}
	e.Access.Allowed = append(e.Access.Allowed, sharedSpace)
	if a := e.checkAddress(new(Inbound)); a != ipNotAllowed {
		t.Errorf("with allow_ips: %v", a)
	}
}
