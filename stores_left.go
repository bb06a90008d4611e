package caddywebhooks

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
	"github.com/caddywebhooks/caddy-webhooks/internal/storebook"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// stateBook remembers which stores were used, below Caddy's data directory.
var stateBook = newStateBook(func() string { return filepath.Join(caddy.AppDataDir(), "webhooks", "stores") })

func newStateBook(dir func() string) *storebook.Book {
	return storebook.New(statefiles.New(dir), time.Now, func(err error) {
		caddy.Log().Named("webhooks.stores").Warn("the state of the stores cannot be written: after a restart with another store nobody tells what this one still holds", zap.Error(err))
	})
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
	return stateBook.Use(a.ctx, place, bookSource{store}, a.logger)
}

// bookSource tells the book about a store.
type bookSource struct{ store retrystore.Store }

// Generation implements storebook.Source.
func (s bookSource) Generation() (name string, known bool) {
	c, ok := retrystore.As[retrystore.Conditioned](s.store)
	if !ok {
		return "", true
	}
	name = c.Condition().Generation
	return name, name != ""
}

// Count implements storebook.Source.
func (s bookSource) Count(ctx context.Context) (pending, dead int, err error) {
	stats, err := s.store.Stats(ctx)
	for _, lane := range stats.Lanes {
		pending, dead = pending+lane.Pending+lane.Leased, dead+lane.Dead
	}
	return pending, dead, err
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
