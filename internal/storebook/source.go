package storebook

import (
	"context"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Of is what the book needs of an open store.
func Of(store retrystore.Store) Source { return storeSource{store} }

type storeSource struct{ store retrystore.Store }

// Generation implements storebook.Source.
func (s storeSource) Generation() (name string, known bool) {
	c, ok := retrystore.As[retrystore.Conditioned](s.store)
	if !ok {
		return "", true
	}
	name = c.Condition().Generation
	return name, name != ""
}

// Count implements storebook.Source.
func (s storeSource) Count(ctx context.Context) (pending, dead int, err error) {
	stats, err := s.store.Stats(ctx)
	for _, lane := range stats.Lanes {
		pending, dead = pending+lane.Pending+lane.Leased, dead+lane.Dead
	}
	return pending, dead, err
}

// LeftBehind counts the deliveries in stores that earlier configs used and nobody has open.
func (u *Use) LeftBehind() (n int) {
	for _, l := range u.Left() {
		n += l.Pending + l.Dead
	}
	return n
}
