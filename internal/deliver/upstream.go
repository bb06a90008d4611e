package deliver

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
)

// plainPath matches a path of words, or of an API's versions.
var plainPath = regexp.MustCompile(`^(?:/(?:[a-z]{1,9}|v[0-9]))+$`)

// CheckUpstreamForm refuses what is no address, and a URL that is more than an address: the application is
// called at the path that the provider called. Its error shows no password and no query of a URL.
func CheckUpstreamForm(upstream string) error {
	scheme, address, isURL := strings.Cut(upstream, "://")
	if !isURL {
		scheme, address = "", upstream
	}
	switch {
	case isURL && scheme == "unix":
		return errors.New("upstream: a Unix socket is written with one slash before its path, without a colon: unix//run/app.sock")
	case strings.HasPrefix(upstream, "/"):
		return errors.New("upstream: a path is no address: a Unix socket is written unix//run/app.sock; the path by which webhooks come stands before the provider, in webhooks <path> <provider> { … }")
	case upstream == "*" || strings.HasPrefix(upstream, "@"):
		return errors.New("upstream: forward takes no matcher: it gets all webhooks of its endpoint; `events` in its block selects some by their type")
	}
	if !isURL && (strings.HasPrefix(upstream, "unix") || strings.HasPrefix(upstream, "fd")) {
		return nil // paths are addresses there
	}
	if strings.ContainsAny(address, "@") {
		return errors.New("an upstream takes no user and password: take them out; if the application wants them, deliver with `handle` and a reverse_proxy with `header_up Authorization …`")
	}
	end := strings.IndexAny(address, "/?#")
	if end < 0 {
		return checkHostPort(address)
	}
	host, path := address[:end], address[end:]
	if isURL {
		host = scheme + "://" + host
	}
	if path[0] != '/' || strings.ContainsAny(path, "?#") {
		return fmt.Errorf("upstream %s has a query or a fragment, which an upstream cannot have: want %s; the application is called by the path and query that the provider called", host, host)
	}
	if path == "/" {
		return fmt.Errorf("upstream %s/ ends in a slash: want %s; the application is called by the path that the provider called", host, host)
	}
	path = strings.TrimSuffix(path, "/")
	shown := path
	if !plainPath.MatchString(path) { // of a webhook that is called, such as Slack's, it is a token
		path, shown = "<path>", "/…"
	}
	return fmt.Errorf("upstream %s%s has a path, which an upstream cannot have: the application is called by the path that the provider called; to be called by another, write instead of the upstream, each on a line of its own: `name app`, `handle {`, `rewrite * %s`, `reverse_proxy %s`, `}` (with `rewrite * %s{uri}` the provider's path follows)",
		host, shown, path, host, path)
}

// portRange is what Caddy takes for several addresses in one.
var portRange = regexp.MustCompile(`^[0-9]+-[0-9]+$`)

// checkHostPort refuses mistyped ports; Caddy checks placeholders and port ranges.
func checkHostPort(address string) error {
	if strings.Contains(address, "{") {
		return nil
	}
	if strings.HasSuffix(address, ",") || strings.Contains(address, ",") {
		return fmt.Errorf("upstream %s: upstreams are separated by spaces, without commas", grammar.ShownAddress(address))
	}
	if _, err := strconv.Atoi(address); err == nil && len(address) <= len("65535") {
		return fmt.Errorf("upstream %q is a port without an address: want localhost:%s or :%s", address, address, address)
	}
	if strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "[") {
		return fmt.Errorf("upstream %s: an IPv6 address stands in brackets, as in [::1]:3000", grammar.ShownAddress(address))
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil // no port: Caddy takes that of the scheme
	}
	if portRange.MatchString(port) {
		return nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("upstream %s: want a port from 1 to 65535 after the colon", grammar.ShownAddress(address))
	}
	return nil
}

// IsGlobal reports whether all placeholders of an address are global ones, which no handler sets.
func IsGlobal(address string) bool {
	for _, name := range grammar.InBraces(address) {
		if !strings.HasPrefix(name, "{env.") && !strings.HasPrefix(name, "{file.") && !strings.HasPrefix(name, "{system.") {
			return false
		}
	}
	return true
}

// ExpandUpstreams expands global placeholders. Placeholders of a request are left for each attempt.
func ExpandUpstreams(upstreams []string) ([]string, error) {
	expanded := make([]string, len(upstreams))
	for i, upstream := range upstreams {
		expanded[i] = upstream
		if strings.Contains(upstream, "{http.") {
			continue
		}
		if strings.Contains(upstream, "{") {
			if name := grammar.NotGlobal(upstream); name != "" {
				return nil, fmt.Errorf("upstream: %s is none of {env.…}, {file.…}, {system.…}, {time.…} and {http.…}", name)
			}
			values, err := grammar.Expand("upstream", []string{upstream})
			if err != nil {
				return nil, err
			}
			expanded[i] = values[0]
		}
		if err := CheckUpstream(expanded[i]); err != nil {
			return nil, fmt.Errorf("upstream %s: %w", upstream, err)
		}
	}
	return expanded, nil
}

// CheckUpstream refuses addresses that nobody can listen on. reverse_proxy checks the rest of an address's
// form.
func CheckUpstream(address string) error {
	if strings.ContainsAny(address, " \t\r\n") {
		return fmt.Errorf("%q has a space in it: want one address, such as localhost:3000", address)
	}
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	if _, port, err := net.SplitHostPort(address); err == nil && port != "" && strings.Trim(port, "0") == "" {
		return fmt.Errorf("%q has port 0, on which nobody listens: want the application's, such as localhost:3000", address)
	}
	return nil
}
