package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
)

// plainPath is a path of words, or of versions of an API.
var plainPath = regexp.MustCompile(`^(?:/(?:[a-z]{1,9}|v[0-9]))+$`)

// checkUpstreamForm refuses what is no address, and a URL with more than an address
// in it: the application is called by the path that the provider called. What it
// says has no password and no query of a URL.
func checkUpstreamForm(upstream string) error {
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

// checkHostPort refuses mistyped ports; placeholders and port ranges are Caddy's to check.
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

// twins are the names of destinations that differ in nothing but their addresses,
// and have no names of their own. They may be replicas of one application, each of
// which would then get every event.
func (h *Handler) twins() []string {
	same := make(map[string][]string) // by settings
	for _, f := range h.Forward {
		if len(f.Upstreams) == 0 || f.Name != f.Upstreams[0] {
			continue
		}
		c := *f
		c.Name, c.Upstreams = "", nil
		settings, err := json.Marshal(&c)
		if err != nil {
			continue
		}
		same[string(settings)] = append(same[string(settings)], f.Name)
	}
	for _, f := range h.Forward { // in the order of the config
		for _, names := range same {
			if len(names) > 1 && names[0] == f.Name {
				return names
			}
		}
	}
	return nil
}

// twinsAdvice is what to do about them.
const twinsAdvice = "If they are replicas of one application, put all addresses behind one `forward`: `forward <address> <address>`, or a reverse_proxy in its `handle`. If each is to get every event, give each a `name`."

func (h *Handler) warnOfTwins() {
	if names := h.twins(); len(names) > 0 {
		h.logger.Warn("destinations differ only by their addresses, and each gets every event",
			zap.String("endpoint", h.Name), zap.Strings("destinations", names), zap.String("advice", twinsAdvice))
	}
}

// warnOfLedDestinations tells where the address of a destination is what the sender writes.
func (h *Handler) warnOfLedDestinations() {
	for _, f := range h.Forward {
		for _, upstream := range f.Upstreams {
			if strings.Contains(upstream, "{http.request.") {
				h.logger.Warn("the address of a destination is taken from the webhook: its sender says where it goes, and headers are not signed by most providers",
					zap.String("endpoint", h.Name), zap.String("destination", f.Name), zap.String("upstream", upstream),
					zap.String("advice", "name the address, or choose among known ones with `map` in `handle`"))
			}
		}
	}
}
