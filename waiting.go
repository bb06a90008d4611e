package caddywebhooks

import (
	"context"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
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

// serving counts the webhooks that are being worked on, so that the store is not
// closed under them. The zero value is ready; it is safe for concurrent use.
type serving struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // if set, closed when n becomes 0
}

// enter begins the work on a webhook; leave ends it.
func (s *serving) enter() {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
}

func (s *serving) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// wait returns when no webhook is being worked on, or when ctx ends. One call at
// a time waits.
func (s *serving) wait(ctx context.Context) {
	s.mu.Lock()
	if s.n == 0 {
		s.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	s.idle = idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func waitFor(wait func(), limit time.Duration) {
	done := make(chan struct{})
	safe.Go(nil, "app: wait", func() { defer close(done); wait() })
	select {
	case <-done:
	case <-time.After(limit):
	}
}
