package filestore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Settle ends a lease with a result; see retrystore.Queue. It changes memory
// only and never waits, so ctx does not matter; the next commit saves it.
func (s *Store) Settle(_ context.Context, d *retrystore.Delivery, r retrystore.Settlement) error {
	if r.State != retrystore.Pending && r.State != retrystore.Delivered && r.State != retrystore.Dead {
		return fmt.Errorf("delivery %s cannot be settled as %s", d.ID, r.State)
	}
	if err := s.settle(d, r); err != nil {
		return err
	}
	if r.State == retrystore.Pending {
		s.wakeLanes(d.Lane)
	}
	return nil
}

func (s *Store) settle(d *retrystore.Delivery, r retrystore.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.held(d)
	if err != nil {
		return err
	}
	now := s.instant()
	s.follow(now)
	t.lane.remove(t)
	t.token = 0
	t.attempts++
	t.state = state(r.State)
	t.when = now.wall
	if t.state == pending {
		t.when = r.NextAttemptAt.UnixMilli()
	} else if t.event.finished() && !s.retention.on {
		t.lane.add(t, now)
		s.retire(t.event)
		return nil
	}
	t.lane.add(t, now)

	a := r.Attempt
	a.Error = trim(a.Error, maxText)
	a.Answer = a.Answer[:min(len(a.Answer), retrystore.MaxAnswer)]
	row := row{lastStatus: a.Status, lastError: a.Error}
	if t.state == dead {
		row.reason = trim(r.Reason, maxText)
	}
	s.save(t, row, numberedAttempt{number: t.attempts, encoded: encodeAttempt(&a)})
	if t.event.finished() {
		s.conclude(t.event)
	}
	return nil
}

// Renew extends a lease; see retrystore.Queue.
func (s *Store) Renew(_ context.Context, d *retrystore.Delivery, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.held(d)
	if err != nil {
		return err
	}
	now := s.instant()
	t.lane.remove(t)
	t.state, t.when = leased, now.mono+lease.Milliseconds()
	t.lane.add(t, now)
	d.Lease.Until = s.options.Now().Add(lease)
	return nil
}

// Release gives a lease back; see retrystore.Queue.
func (s *Store) Release(_ context.Context, d *retrystore.Delivery) error {
	s.mu.Lock()
	t, err := s.held(d)
	if err == nil {
		s.giveBack(t)
	}
	s.mu.Unlock()
	if err == nil {
		s.wakeLanes(t.lane.name)
	}
	return err
}

// giveBack makes t pending and due. The file says so already, as leases are
// not in it. The caller holds mu.
func (s *Store) giveBack(t *delivery) {
	now := s.instant()
	t.lane.remove(t)
	t.token, t.state, t.when = 0, pending, now.wall
	t.lane.add(t, now)
}

// held returns the delivery if d still carries its latest lease. This one check
// fences: a token is spent by settling, releasing, replaying and deleting, and
// replaced when another worker claims. The caller holds mu.
func (s *Store) held(d *retrystore.Delivery) (*delivery, error) {
	if s.closed {
		return nil, retrystore.ErrClosed
	}
	t := s.index.delivery(d.ID)
	if t == nil || t.token == 0 || t.token != d.Lease.Token {
		return nil, fmt.Errorf("delivery %s: %w", d.ID, retrystore.ErrLeaseLost)
	}
	return t, nil
}

// save notes the state of t, completed from r, and attempts for the next
// commit. There is one changes per delivery however long no commit succeeds,
// with no more attempts than are kept. The caller holds mu.
func (s *Store) save(t *delivery, r row, attempts ...numberedAttempt) {
	r.state, r.attempts = t.state, t.attempts
	r.budgetAttempts, r.budgetSince, r.due = t.budgetAttempts, t.budgetSince, t.when
	next := &changes{row: r.encode()}
	if t.unsaved != nil {
		next.attempts = append(next.attempts, t.unsaved.attempts...)
	}
	next.attempts = append(next.attempts, attempts...)
	if extra := len(next.attempts) - retrystore.MaxHistory; extra > 0 {
		next.attempts = next.attempts[extra:]
	}
	t.unsaved = next
	s.changed(t.event)
}

// trim cuts s to at most n bytes of valid UTF-8.
func trim(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
