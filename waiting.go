package caddywebhooks

import (
	"context"
	"sync"
	"time"
)

// storeTime bounds how long a webhook waits for the store.
const storeTime = 30 * time.Second

// storeWaits makes contexts for webhooks that wait for the store. By then a webhook
// is whole and verified: that the provider hangs up, or has shut its side of the
// connection, is no reason to refuse it, so they do not descend from requests.
//
// A context ends storeTime after it was asked for, or up to a second later: those of
// a second share one, since a timer for each costs as much as verifying a
// signature. The zero value is ready; it is safe for concurrent use.
type storeWaits struct {
	mu      sync.Mutex
	current context.Context
	fresh   time.Time // until then current is handed out
}

// now is the context for a wait that begins now.
func (s *storeWaits) now() context.Context {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.fresh) {
		s.fresh = now.Add(time.Second)
		ctx, cancel := context.WithDeadline(context.Background(), s.fresh.Add(storeTime))
		_ = cancel // nobody ends it earlier
		s.current = ctx
	}
	return s.current
}
