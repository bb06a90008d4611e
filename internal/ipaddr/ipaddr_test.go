package ipaddr

import (
	"net/netip"
	"testing"
)

func TestIsLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.0.0.1": true, "172.16.0.1": true, "192.168.1.1": true, "100.64.0.1": true,
		"169.254.0.1": true, "fe80::1%eth0": true, "fd00::1": true, "::ffff:10.0.0.1": true,
		"8.8.8.8": false, "2001:db8::1": false, "172.32.0.1": false, "100.128.0.1": false,
	} {
		if got := IsLocal(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is local: %v, want %v", text, got, want)
		}
	}
}
