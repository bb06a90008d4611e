package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/deliver"
	"github.com/caddywebhooks/caddy-webhooks/internal/doctor"
	"github.com/caddywebhooks/caddy-webhooks/internal/eventtypes"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
	"github.com/caddywebhooks/caddy-webhooks/internal/references"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// checkReferences refuses placeholders that no stored event has, and addresses that come to nothing: they
// would be empty at every attempt.
func (f *Forward) checkReferences() error {
	if missing := references.Check(f.referencing()); missing != nil {
		return missing
	}
	handlers, err := json.Marshal(f.Handle)
	if err != nil {
		return err
	}
	for _, dial := range references.Dials(handlers) {
		if !deliver.IsGlobal(dial) {
			continue // `map` or another handler may set it
		}
		if _, err := deliver.ExpandUpstreams([]string{dial}); err != nil {
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

// checkChain refuses handlers in which another one answers before the one that delivers, so that it gets
// no event; and handlers of which none answers, so that every event would go nowhere.
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

// warnOfLoops names upstreams that are the server on which the endpoint itself is, also those of proxies
// in `handle`. Only a request can tell whether its routes lead a delivery to the endpoint.
func (f *Forward) warnOfLoops(logger *zap.Logger, server *caddyhttp.Server) {
	reach.Each(f.routes, func(handler caddyhttp.MiddlewareHandler) {
		proxy, ok := handler.(*reverseproxy.Handler)
		if !ok {
			return
		}
		for _, upstream := range proxy.Upstreams {
			if reach.ListensOn(server.Listen, reach.SameDial(upstream.Dial)) {
				logger.Warn("a destination is the server that its own endpoint is on: deliveries that come back to the endpoint are refused (508 loop) and never arrive; give the application's own address",
					zap.String("endpoint", f.lane.Endpoint), zap.String("destination", f.lane.Destination), zap.String("upstream", upstream.Dial))
			}
		}
	})
}

// twins are the names of destinations that differ only in their addresses, and have no names of their own.
// They may be replicas of one application, each of which would then get every event.
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

func (h *Handler) warnOfTwins() {
	if names := h.twins(); len(names) > 0 {
		h.logger.Warn("destinations differ only by their addresses, and each gets every event",
			zap.String("endpoint", h.Name), zap.Strings("destinations", names), zap.String("advice", doctor.TwinsAdvice))
	}
}

// warnOfLedDestinations warns if the sender can choose a destination's address.
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

// wishes are the types that the destinations ask for.
func (h *Handler) wishes() string {
	var all []string
	for _, f := range h.Forward {
		all = append(all, f.Name+" wants "+strings.Join(f.Events, " "))
	}
	return strings.Join(all, "; ")
}

// checkTypes refuses globs that can match no event, and returns the doubtful ones.
func (h *Handler) checkTypes(p *verify.Provider) (doubts []string, err error) {
	for _, f := range h.Forward {
		for setting, glob := range f.typeGlobs() {
			doubt, err := eventtypes.Check(p, glob)
			if err != nil {
				return nil, fmt.Errorf("forward %s: %s: %w", f.Name, setting, err)
			}
			if doubt != "" {
				doubts = append(doubts, fmt.Sprintf("forward %s: %s: %s", f.Name, setting, doubt))
			}
		}
	}
	return doubts, nil
}

// warnOfTypes is checkTypes at load: doubtful globs go into the log, and the doctor repeats them.
func (h *Handler) warnOfTypes() error {
	var err error
	h.doubts, err = h.checkTypes(h.provider)
	for _, doubt := range h.doubts {
		h.logger.Warn(doubt, zap.String("endpoint", h.Name))
	}
	return err
}

// typeGlobs yields the globs of event types, each with its setting.
func (f *Forward) typeGlobs() iter.Seq2[string, string] {
	return func(yield func(setting, glob string) bool) {
		for _, glob := range f.Events {
			if !yield("events", glob) {
				return
			}
		}
		for _, p := range f.Priority {
			for _, glob := range p.Events {
				if !yield("priority", glob) {
					return
				}
			}
		}
	}
}
