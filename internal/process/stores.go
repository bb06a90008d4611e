package process

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
	"github.com/caddywebhooks/caddy-webhooks/internal/storebook"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// stores keeps open stores across reloads: the old and the new config use one store side by side, and the
// last user closes it.
var stores = caddy.NewUsagePool()

// pooledStore adds to a store what caddy.UsagePool asks of its values.
type pooledStore struct{ retrystore.Store }

// Destruct closes the store.
func (s pooledStore) Destruct() error { return s.Close() }

// AcquireStore opens the store, or shares it if it is open already. ReleaseStore with the returned key
// ends the use.
func AcquireStore(opener retrystore.Opener, o retrystore.Options) (_ retrystore.Store, key string, err error) {
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

// ReleaseStore ends a use of the store; the last one closes it.
func ReleaseStore(key string, logger *zap.Logger) {
	if _, err := stores.Delete(key); err != nil {
		logger.Error("closing the store", zap.Error(err))
	}
}

// Book remembers which stores were used, below Caddy's data directory.
var Book = NewBook(func() string { return filepath.Join(caddy.AppDataDir(), "webhooks", "stores") })

// NewBook returns a book that has read nothing yet.
func NewBook(dir func() string) *storebook.Book {
	return storebook.New(statefiles.New(dir), time.Now, func(err error) {
		caddy.Log().Named("webhooks.stores").Warn("the state of the stores cannot be written: after a restart with another store nobody tells what this one still holds", zap.Error(err))
	})
}

// ErrCannotRetain means that a store lacks the ability.
var ErrCannotRetain = errors.New("retain delivered: this store cannot keep what was delivered: leave the line out, or use another store")

// Retentions tells open stores what to keep.
var Retentions RetentionSet

// RetentionSet knows what each running config wants kept in which store. While an old and a new config
// share a store, it keeps what either wants: if Caddy then refuses the new config, nothing has been
// dropped that the old one keeps.
type RetentionSet struct {
	mu     sync.Mutex
	stores map[string]*retained // by the key of the store
}

type retained struct {
	store   retrystore.Retainer
	configs map[any]retrystore.Retention
}

// Add begins what a config wants of the store with this key. config identifies the config: something that
// equals only itself, such as a pointer.
func (s *RetentionSet) Add(key string, store retrystore.Store, config any, r retrystore.Retention) error {
	retainer, ok := retrystore.As[retrystore.Retainer](store)
	if !ok {
		if r.On() {
			return ErrCannotRetain
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stores[key]
	if s.stores == nil {
		s.stores = make(map[string]*retained)
	}
	if of == nil {
		of = &retained{configs: make(map[any]retrystore.Retention)}
		s.stores[key] = of
	}
	of.store = retainer
	of.configs[config] = r
	of.tell()
	return nil
}

// Remove ends what the config wants. If no other config uses the store, the store is about to be closed,
// and keeps what it has for the next start.
func (s *RetentionSet) Remove(key string, config any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stores[key]
	if of == nil {
		return
	}
	delete(of.configs, config)
	if len(of.configs) == 0 {
		delete(s.stores, key)
		return
	}
	of.tell()
}

func (of *retained) tell() {
	var all retrystore.Retention
	for _, r := range of.configs {
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

// UseStore enters the open store in the book, which reports what earlier stores still hold.
func UseStore(ctx context.Context, opener retrystore.Opener, store retrystore.Store, key string, logger *zap.Logger) *storebook.Use {
	place := storebook.Place{ID: key, Name: key}
	if module, ok := opener.(caddy.Module); ok {
		place.Name = module.CaddyModule().ID.Name()
	}
	if placer, ok := opener.(retrystore.Placer); ok {
		place.ID, place.Name = placer.Place()
	}
	return Book.Use(ctx, place, storebook.Of(store), logger)
}
