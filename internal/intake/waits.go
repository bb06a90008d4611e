package intake

import (
	"context"
	"sync"
	"time"
)

// storeTime bounds how long a webhook waits for the store.
const storeTime = 30 * time.Second

// Waits makes contexts for webhooks that wait for the store. Such a webhook is complete and verified. It
// must not be refused because the provider hangs up or closes its side of the connection, so these
// contexts do not descend from requests.
//
// A context ends storeTime after it was asked for, or up to a second later: all contexts of one second
// share one, as a timer for each would cost as much as verifying a signature. The zero value is ready; it
// is safe for concurrent use.
type Waits struct {
	mu      sync.Mutex
	current context.Context
	fresh   time.Time // until then current is handed out
}

// Now is the context for a wait that begins now.
func (s *Waits) Now() context.Context {
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

// Serving counts the webhooks that are being worked on, so that the store is not closed while they need
// it. The zero value is ready; it is safe for concurrent use.
type Serving struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // if set, closed when n becomes 0
}

// Enter begins the work on a webhook; Leave ends it.
func (s *Serving) Enter() {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
}

// Leave ends the work on a webhook.
func (s *Serving) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// Wait returns when no webhook is being worked on, or when ctx ends. One call at
// a time waits.
func (s *Serving) Wait(ctx context.Context) {
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
