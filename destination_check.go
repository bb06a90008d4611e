package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
	"github.com/caddywebhooks/caddy-webhooks/internal/references"
)

// checkReferences refuses what would be empty at every attempt: placeholders that
// no stored event has, and addresses that come to nothing.
func (f *Forward) checkReferences() error {
	if missing := references.Check(f.referencing()); missing != nil {
		return missing
	}
	handlers, err := json.Marshal(f.Handle)
	if err != nil {
		return err
	}
	for _, dial := range references.Dials(handlers) {
		if !global(dial) {
			continue // `map` or another handler may set it
		}
		if _, err := expandUpstreams([]string{dial}); err != nil {
			return fmt.Errorf("handle: reverse_proxy: %w", err)
		}
	}
	return nil
}

// warnOfUnset tells which variables in `handle` are unset or empty: Caddy puts nothing in their places.
func (f *Forward) warnOfUnset(h *Handler) {
	for _, name := range references.Variables(f.referencing()) {
		if os.Getenv(name) == "" {
			h.logger.Warn("a variable that a destination's handlers use is not set: set it for Caddy's process, or they work with nothing in its place",
				zap.String("endpoint", h.Name), zap.String("destination", f.Name), zap.String("variable", name))
		}
	}
}

// checkChain refuses handlers of which the one that delivers gets no event, since another one
// answers before it, and those of which none answers: every event would go nowhere.
func (f *Forward) checkChain() error {
	chain := reach.Follow(nil, f.routes, nil)
	if chain.Blocked != nil {
		by, blocked := reach.Name(chain.By), reach.Name(chain.Blocked)
		return fmt.Errorf("handle: %s answers every event before %s, which gets none: take %s out, or give it a matcher; Caddy goes by its own order of directives, unless they are in `route { … }`", by, blocked, by)
	}
	if !chain.Answered {
		return errors.New("handle: no handler in it answers, so that no event could be delivered: put the one into it that delivers, such as reverse_proxy localhost:3000")
	}
	return nil
}

// referencing is all of the destination that may hold placeholders, as JSON.
func (f *Forward) referencing() []byte {
	text, err := json.Marshal([]any{f.Upstreams, f.Handle})
	if err != nil {
		return nil // not valid JSON within: loading the handlers says more of it
	}
	return text
}

// global reports whether an address has only placeholders that no handler sets.
func global(address string) bool {
	for _, name := range grammar.InBraces(address) {
		if !strings.HasPrefix(name, "{env.") && !strings.HasPrefix(name, "{file.") && !strings.HasPrefix(name, "{system.") {
			return false
		}
	}
	return true
}

// expandUpstreams expands global placeholders. Those of a request are left for
// each attempt.
func expandUpstreams(upstreams []string) ([]string, error) {
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
		if err := checkUpstream(expanded[i]); err != nil {
			return nil, fmt.Errorf("upstream %s: %w", upstream, err)
		}
	}
	return expanded, nil
}

// checkUpstream refuses what nobody can listen on. Everything else about the form
// of an address is for reverse_proxy to say.
func checkUpstream(address string) error {
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
