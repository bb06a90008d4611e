package filestore

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// serve runs the writer. If that panics outside of a transaction, nobody knows
// whether memory and file still agree, so nothing is written any more: whoever waits
// for a commit, now or later, is answered ErrUnavailable. What is stored is still
// delivered; the results are in memory only, so a restart may deliver again.
func (s *Store) serve() {
	defer close(s.stopped)
	err := safe.Do(s.log, "file store: writer", s.run)
	if err == nil {
		return
	}
	err = s.halt(err)
	s.log.Error("the writer has failed: webhooks are refused until Caddy is started again", zap.String("path", s.path), zap.Error(err))
	for _, r := range s.taken {
		if !r.answered() {
			r.finish(err)
		}
	}
	for {
		select {
		case r := <-s.queue:
			r.finish(err)
		case <-s.kick:
		case <-s.closing:
			return
		}
	}
}

// halt makes refusal permanent.
func (s *Store) halt(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage.halted = true
	s.outage.err = fmt.Errorf("%w: the writer has failed; start Caddy again: %w", retrystore.ErrUnavailable, cause)
	return s.outage.err
}
