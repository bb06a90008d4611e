// Package lanes tells what waits where: it joins the destinations of a config, the counts of the store and
// the states of the breakers.
package lanes

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Endpoint is one of the running config.
type Endpoint struct {
	Name, Provider string

	// Destinations are the names of its destinations, in the order of the config.
	Destinations []string

	// Traffic is what came to it.
	Traffic traffic.View
}

// Config is what is running. It is safe for concurrent use.
type Config struct {
	// Endpoints are sorted by name.
	Endpoints []Endpoint

	// Breakers are their states.
	Breakers func() map[retrystore.Lane]forward.BreakerState
}

// Has reports whether the config delivers the lane.
func (c *Config) Has(lane retrystore.Lane) bool {
	return slices.ContainsFunc(c.Endpoints, func(e Endpoint) bool {
		return e.Name == lane.Endpoint && slices.Contains(e.Destinations, lane.Destination)
	})
}

// HasEndpoint reports whether there is an endpoint of that name.
func (c *Config) HasEndpoint(name string) bool {
	return slices.ContainsFunc(c.Endpoints, func(e Endpoint) bool { return e.Name == name })
}

// Stats lists the destinations of the config, busy or not, and those that only the store still knows.
func (c *Config) Stats(stats retrystore.Stats) api.Stats {
	all := make(map[retrystore.Lane]api.Lane)
	for _, e := range c.Endpoints {
		for _, name := range e.Destinations {
			all[retrystore.Lane{Endpoint: e.Name, Destination: name}] = api.Lane{Endpoint: e.Name, Destination: name, Configured: true}
		}
	}
	for name, breaker := range c.Breakers() {
		lane := all[name]
		lane.Breaker, lane.BreakerUntil = breaker.State, TimeOrNil(breaker.Until)
		all[name] = lane
	}
	for _, counted := range stats.Lanes {
		lane := all[counted.Lane] // zero if this config lacks it
		lane.Endpoint, lane.Destination = counted.Endpoint, counted.Destination
		lane.Pending, lane.Retrying, lane.Leased, lane.Dead = counted.Pending, counted.Retrying, counted.Leased, counted.Dead
		lane.OldestPending = TimeOrNil(counted.OldestPending)
		all[counted.Lane] = lane
	}
	sorted := slices.SortedFunc(maps.Values(all), func(a, b api.Lane) int {
		return cmp.Or(strings.Compare(a.Endpoint, b.Endpoint), strings.Compare(a.Destination, b.Destination))
	})
	if sorted == nil {
		sorted = []api.Lane{} // null is no list
	}
	return api.Stats{Destinations: sorted, Stored: c.Stored(stats), Ignored: c.ignored(), EventKeys: stats.Keys, StoreBytes: stats.Bytes}
}

// Stored is how many bytes each endpoint has in the store: all endpoints of the config, and others that
// have some.
func (c *Config) Stored(stats retrystore.Stats) []api.Stored {
	bytes := make(map[string]int64)
	for _, e := range c.Endpoints {
		bytes[e.Name] = 0
	}
	for _, of := range stats.Endpoints {
		bytes[of.Endpoint] = of.Bytes
	}
	all := make([]api.Stored, 0, len(bytes))
	for _, name := range slices.Sorted(maps.Keys(bytes)) {
		all = append(all, api.Stored{Endpoint: name, Bytes: bytes[name]})
	}
	return all
}

func (c *Config) ignored() (all []api.Ignored) {
	for _, e := range c.Endpoints {
		if t := e.Traffic.Snapshot(); t.EverIgnored > 0 {
			all = append(all, api.Ignored{Endpoint: e.Name, Webhooks: t.EverIgnored, LastType: t.IgnoredType})
		}
	}
	return all
}

// View lists the endpoints.
func (c *Config) View() api.Endpoints {
	view := api.Endpoints{Endpoints: []api.Endpoint{}}
	for _, e := range c.Endpoints {
		view.Endpoints = append(view.Endpoints, api.Endpoint{
			Name: e.Name, Provider: e.Provider, Destinations: append([]string{}, e.Destinations...),
		})
	}
	return view
}

// TimeOrNil is t in UTC, as optional times are in JSON; nil for the zero time.
func TimeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
