package filestore

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// outage is a row of failed commits. While it lasts Accepts are refused at
// once, but for one batch each time until passes, which finds out whether the
// disk works again. Deliveries go on in memory.
type outage struct {
	err      error // nil: none
	failures int
	delay    time.Duration
	until    time.Time // of the real clock
	full     bool      // it is room that lacks
	halted   bool      // the writer panicked: it does not end
	changes  int       // how many changed events the next commit may take
}

// The bounds of outage.delay. A failed commit makes bbolt scan the whole file
// for free pages, so a large file is probed less often.
const (
	minOutage = 50 * time.Millisecond
	maxOutage = 5 * time.Second
)

// outageChanges is how many changed events a commit takes in an outage, unless
// that fails too. Few changes need few pages at once, fewer than the reserve,
// and free some for the next.
const outageChanges = 64

func (o *outage) begin(cause error, took time.Duration) error {
	o.err = fmt.Errorf("%w: commit: %w", retrystore.ErrUnavailable, cause)
	if errors.Is(cause, errSizeLimit) {
		o.err = fmt.Errorf("%w: %w", retrystore.ErrFull, cause)
	}
	o.full = errors.Is(cause, errSizeLimit) || errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT)
	o.failures++
	if o.changes == 0 {
		o.changes = outageChanges
	}
	o.delay = min(max(minOutage, min(2*o.delay, time.Second), 4*took), maxOutage)
	o.until = time.Now().Add(o.delay)
	return o.err
}

// refusal is the error for callers that need a commit now; nil if one may be tried.
func (o *outage) refusal() error {
	if o.halted || o.err != nil && time.Now().Before(o.until) {
		return o.err
	}
	return nil
}

// commitDelay is how long the next commit of changes may wait. In an outage that
// is as long as the outage says, and no longer: results may make room.
func (s *Store) commitDelay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outage.err != nil {
		return max(0, time.Until(s.outage.until))
	}
	return s.options.CommitInterval
}
