package filestore

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// serve runs the writer. If the writer panics outside of a transaction, memory and file may
// not agree any more. Then nothing more is written, and every caller that waits for a
// commit gets ErrUnavailable. Stored deliveries are still made. Their results are in
// memory only, so a restart may repeat them.
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
