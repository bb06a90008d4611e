package caddywebhooks

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/storebook"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// RetainDelivered says what is kept of webhooks once every destination has them,
// for `caddy webhooks list --state delivered` and `show`: everything but the body.
type RetainDelivered struct {
	// How many deliveries are kept, the latest of the whole store; those of one
	// event go together. Default: 100000 with age; without it, one of the two is required.
	Count int `json:"count,omitempty"`

	// For how long each is kept. Default: as long as count allows.
	Age caddy.Duration `json:"age,omitempty"`

	// Whether bodies are kept, too. They may hold personal data, and take as much
	// room in the store as they are long. Default: false.
	Bodies bool `json:"bodies,omitempty"`
}

// retention is what the store is asked for. nil keeps nothing.
func (r *RetainDelivered) retention() retrystore.Retention {
	if r == nil {
		return retrystore.Retention{}
	}
	return retrystore.Retention{Count: r.Count, Age: time.Duration(r.Age), Bodies: r.Bodies}.Normal()
}

func (r *RetainDelivered) validate() error {
	if r != nil && (r.Count < 0 || r.Age < 0 || r.Count == 0 && r.Age == 0) {
		return fmt.Errorf("retain delivered: count is %d and age is %s: want one of them above zero, and none below", r.Count, time.Duration(r.Age))
	}
	return nil
}

// bookUse enters the open store in the book, which tells what earlier ones still hold.
func (a *App) bookUse(store retrystore.Store, key string) *storebook.Use {
	place := storebook.Place{ID: key, Name: key}
	if module, ok := a.opener.(caddy.Module); ok {
		place.Name = module.CaddyModule().ID.Name()
	}
	if placer, ok := a.opener.(retrystore.Placer); ok {
		place.ID, place.Name = placer.Place()
	}
	return process.Book.Use(a.ctx, place, storebook.Of(store), a.logger)
}

// ending tells whether this process ends, or has no config any more: then what stores
// hold is told by the next start.
func ending() bool { return caddy.Exiting() || caddy.ActiveContext().Context == nil }

// leftBehind counts the deliveries in stores that earlier configs used and nobody has open.
func (a *App) leftBehind() (n int) {
	for _, l := range a.use.Left() {
		n += l.Pending + l.Dead
	}
	return n
}

// warnOfOrphans names the stored deliveries that this config delivers nowhere:
// they stay until their endpoint and destination are back, or they are deleted.
func (a *App) warnOfOrphans() {
	stats, err := a.store.Stats(a.ctx)
	if err != nil {
		a.logger.Warn("counting stored deliveries", zap.Error(err))
		return
	}
	config := a.config()
	for _, lane := range stats.Lanes {
		if open := lane.Pending + lane.Leased; open > 0 && !config.Has(lane.Lane) {
			a.logger.Warn("stored deliveries have no destination in this config; they are kept",
				zap.String("endpoint", lane.Endpoint),
				zap.String("destination", lane.Destination),
				zap.Int("pending", open),
				zap.String("advice", "if the endpoint or destination was renamed, give it this name again until they are delivered; under a new name of an endpoint no event is known as seen"))
		}
	}
}

// config is what the app runs, for those who look at what waits where.
func (a *App) config() *lanes.Config {
	c := &lanes.Config{Breakers: a.dispatcher.Breakers}
	for _, name := range slices.Sorted(maps.Keys(a.endpoints)) {
		h := a.endpoints[name]
		e := lanes.Endpoint{Name: h.Name, Provider: h.Provider, Traffic: h.traffic}
		for _, f := range h.Forward {
			e.Destinations = append(e.Destinations, f.Name)
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	return c
}
