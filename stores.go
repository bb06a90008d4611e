package caddywebhooks

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

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
