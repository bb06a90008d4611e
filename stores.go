package caddywebhooks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
	"github.com/caddywebhooks/caddy-webhooks/internal/storebook"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// stores keeps open stores across reloads: the old and the new config use one
// store side by side, and the last to let go closes it.
var stores = caddy.NewUsagePool()

// pooledStore adds to a store what caddy.UsagePool asks of its values.
type pooledStore struct{ retrystore.Store }

// Destruct closes the store.
func (s pooledStore) Destruct() error { return s.Close() }

// acquireStore opens the store, or takes a share in it if it is open already.
// The share is given back with releaseStore and the returned key.
func acquireStore(opener retrystore.Opener, o retrystore.Options) (_ retrystore.Store, key string, err error) {
	if key, err = opener.Key(); err != nil {
		return nil, "", err
	}
	value, _, err := stores.LoadOrNew(key, func() (caddy.Destructor, error) {
		store, err := opener.Open(o)
		if err != nil {
			return nil, err
		}
		return pooledStore{store}, nil
	})
	if err != nil {
		return nil, "", err
	}
	return value.(pooledStore).Store, key, nil
}

// releaseStore gives the share back.
func releaseStore(key string, logger *zap.Logger) {
	if _, err := stores.Delete(key); err != nil {
		logger.Error("closing the store", zap.Error(err))
	}
}

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

var errCannotRetain = errors.New("retain delivered: this store cannot keep what was delivered: leave the line out, or use another store")

// retentions tells open stores what to keep.
var retentions = retentionSet{stores: make(map[string]*retained)}

// retentionSet knows what each running config wants kept of which store. While an
// old and a new config share one, it keeps what either wants: should Caddy refuse
// the new one for some other reason, nothing has been dropped that the old keeps.
type retentionSet struct {
	mu     sync.Mutex
	stores map[string]*retained // by the key of the store
}

type retained struct {
	store retrystore.Retainer
	apps  map[*App]retrystore.Retention
}

// add begins what a wants of the store with this key.
func (s *retentionSet) add(key string, store retrystore.Store, a *App) error {
	r := a.RetainDelivered.retention()
	retainer, ok := retrystore.As[retrystore.Retainer](store)
	if !ok {
		if r.On() {
			return errCannotRetain
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stores[key]
	if of == nil {
		of = &retained{apps: make(map[*App]retrystore.Retention)}
		s.stores[key] = of
	}
	of.store = retainer
	of.apps[a] = r
	of.tell()
	return nil
}

// remove ends what a wants. When nobody else uses the store it is about to be
// closed, and keeps what it has for the next start.
func (s *retentionSet) remove(key string, a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stores[key]
	if of == nil {
		return
	}
	delete(of.apps, a)
	if len(of.apps) == 0 {
		delete(s.stores, key)
		return
	}
	of.tell()
}

func (of *retained) tell() {
	var all retrystore.Retention
	for _, r := range of.apps {
		all = either(all, r)
	}
	of.store.Retain(all)
}

// either keeps what a or b does. Both are normal.
func either(a, b retrystore.Retention) retrystore.Retention {
	switch {
	case !a.On():
		return b
	case !b.On():
		return a
	}
	age := max(a.Age, b.Age)
	if a.Age == 0 || b.Age == 0 {
		age = 0
	}
	return retrystore.Retention{Count: max(a.Count, b.Count), Age: age, Bodies: a.Bodies || b.Bodies}
}

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
