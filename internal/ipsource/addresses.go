package ipsource

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Provider stands in a list of addresses for those that the provider publishes.
const Provider = "provider"

// IsAddress reports whether text is an address, a range of them, or Provider.
func IsAddress(text string) bool {
	_, err := verify.ParsePrefix(text)
	return err == nil || text == Provider
}

// LooksLikeAddress distinguishes a mistyped address or host name from the name of a module.
func LooksLikeAddress(text string) bool {
	return strings.ContainsAny(text, ":/") || strings.Contains(text, ".") && !Exists(text) || text[0] >= '0' && text[0] <= '9'
}

// Exists reports whether a source of addresses has that name.
func Exists(name string) bool {
	_, err := caddy.GetModule("http.ip_sources." + name)
	return err == nil
}

// BadAddress says what to write instead.
func BadAddress(text string) error {
	return fmt.Errorf("%s is not an address or an address range: want one such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32; names of hosts are not looked up", grammar.ShownRange(text))
}
