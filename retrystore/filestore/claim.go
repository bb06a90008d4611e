package filestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// reasonCorrupt is the reason of a dead letter whose event cannot be read.
const reasonCorrupt = "corrupt_record"

// Claim leases due deliveries; see retrystore.Queue. Leases live in memory, so
// it writes nothing: when the process ends, its workers end, too, and the deliveries that
// they held are pending when the file is opened again.
func (s *Store) Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error) {
	if err := ctx.Err(); err != nil {
		return retrystore.Claim{}, err
	}
	picked, next, err := s.pick(r)
	if err != nil {
		return retrystore.Claim{}, err
	}
	claim := retrystore.Claim{Next: next}
	if len(picked) == 0 {
		return claim, nil
	}
	if err := s.load(picked, retrystore.DecodeEvent); err != nil {
		s.returnAll(picked)
		return retrystore.Claim{}, err
	}
	for i := range picked {
		if picked[i].err != nil {
			s.bury(&picked[i])
			continue
		}
		claim.Deliveries = append(claim.Deliveries, picked[i].Delivery)
	}
	return claim, nil
}

// pick leases what Claim will return.
func (s *Store) pick(r retrystore.ClaimRequest) ([]snapshot, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, time.Time{}, retrystore.ErrClosed
	}
	l := s.index.lanes[r.Lane]
	if l == nil {
		return nil, time.Time{}, nil
	}
	now := s.instant()
	until := s.options.Now().Add(r.Lease)
	s.follow(now)
	l.advance(now)
	var picked []snapshot
	for retries := 0; len(picked) < r.Max; {
		d := l.take(retries < r.MaxRetries)
		if d == nil {
			break
		}
		if d.attempts > 0 {
			retries++
		}
		s.token++
		d.state, d.token, d.when = leased, s.token, now.mono+r.Lease.Milliseconds()
		l.add(d, now)
		p := s.snapshot(d)
		p.Lease = retrystore.Lease{Token: d.token, Until: until}
		picked = append(picked, p)
	}
	return picked, s.next(l, now), nil
}

// returnAll gives back leases that could not be handed out.
func (s *Store) returnAll(picked []snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range picked {
		if t, err := s.held(p.Delivery); err == nil {
			s.giveBack(t)
		}
	}
}

// bury makes an unreadable delivery a dead letter, so that it blocks no other. It forgets the
// event's key: if the provider sends the event again, it is stored again.
func (s *Store) bury(p *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.held(p.Delivery)
	if err != nil {
		return
	}
	s.log.Error("event record is unreadable", zap.String("path", s.path), zap.String("delivery", p.ID), zap.Error(p.err))
	t.lane.remove(t)
	t.token, t.state, t.when = 0, dead, s.instant().wall
	t.lane.add(t, s.instant())
	s.forgetKey(t.event)
	s.save(t, row{reason: reasonCorrupt, lastError: p.err.Error()})
}

// snapshot is a copy of a delivery, and what is needed to complete it from the
// file without the lock.
type snapshot struct {
	*retrystore.Delivery
	seq     uint64
	target  byte
	rows    bool     // the file may hold more about it
	unsaved *changes // what the file does not hold yet
	err     error    // why its event could not be read
}

// snapshot copies d. The caller holds mu.
func (s *Store) snapshot(d *delivery) snapshot {
	e := d.event
	c := &retrystore.Delivery{
		ID: d.id(), Lane: d.lane.name, State: retrystore.State(d.state),
		Priority: int(d.priority), Attempts: int(d.attempts),
		Budget: retrystore.Budget{Attempts: int(d.budgetAttempts), Since: time.UnixMilli(d.budgetSince)},
	}
	if d.state == pending {
		c.NextAttemptAt = time.UnixMilli(d.when)
	}
	if e.corrupt && d.state == dead {
		c.Reason = reasonCorrupt
	}
	return snapshot{Delivery: c, seq: e.seq, target: d.target, rows: e.rows, unsaved: d.unsaved}
}

// load completes snapshots from the file. decode says how much of the events.
func (s *Store) load(snapshots []snapshot, decode func([]byte) (*retrystore.Event, error)) error {
	return s.view(func(tx *bbolt.Tx) error {
		for i := range snapshots {
			snapshots[i].complete(tx, decode)
		}
		return nil
	})
}

// complete loads p and keeps the error. A page that cannot be read must not affect other
// deliveries.
func (p *snapshot) complete(tx *bbolt.Tx, decode func([]byte) (*retrystore.Event, error)) {
	p.err = guard(func() error { return p.load(tx, decode) })
	if p.Event == nil {
		p.Event = &retrystore.Event{Endpoint: p.Endpoint}
	}
}

var errGone = errors.New("event is no longer in the file")

func (p *snapshot) load(tx *bbolt.Tx, decode func([]byte) (*retrystore.Event, error)) error {
	p.loadRow(tx)
	b := tx.Bucket(bucketEvents).Get(eventKey(p.seq))
	if b == nil {
		return errGone
	}
	_, event, err := decodeRecord(b)
	if event == nil {
		return err
	}
	// Even a damaged event is shown, as far as it goes.
	e, decodeErr := decode(event)
	if p.Event = e; err == nil {
		err = decodeErr
	}
	return err
}

// loadRow fills in what memory does not keep. An unreadable row costs only
// that: its other fields were read at open, or made since.
func (p *snapshot) loadRow(tx *bbolt.Tx) {
	if !p.rows && p.unsaved == nil {
		return
	}
	var b []byte
	if p.unsaved != nil {
		b = p.unsaved.row
	} else {
		b = tx.Bucket(bucketDeliveries).Get(deliveryKey(p.seq, p.target))
	}
	if r, err := decodeRow(b); err == nil {
		p.LastStatus, p.LastError = r.lastStatus, r.lastError
		if p.State == retrystore.Dead && r.reason != "" {
			p.Reason = r.reason
		}
	}
}

// history reads the attempts of p, the latest included that are not saved yet.
func (p *snapshot) history(tx *bbolt.Tx) error {
	numbered := make(map[uint32]retrystore.Attempt)
	keep := func(number uint32, b []byte) {
		if a, err := decodeAttempt(b); err == nil {
			numbered[number] = a
		}
	}
	if p.rows {
		from, to := attemptKey(p.seq, p.target, 0), attemptKey(p.seq, p.target, ^uint32(0))
		c := tx.Bucket(bucketAttempts).Cursor()
		for k, v := c.Seek(from); k != nil && string(k) < string(to); k, v = c.Next() {
			if _, _, number, ok := parseAttemptKey(k); ok {
				keep(number, v)
			}
		}
	}
	if p.unsaved != nil {
		for _, a := range p.unsaved.attempts {
			keep(a.number, a.encoded)
		}
	}
	last := uint32(p.Attempts)
	for n := last - min(last, retrystore.MaxHistory) + 1; n <= last; n++ {
		if a, ok := numbered[n]; ok {
			p.History = append(p.History, a)
		}
	}
	return nil
}

// forgetKey lets the key of e be used again. The caller holds mu.
func (s *Store) forgetKey(e *event) {
	if k, ok := s.index.keys.get(e.key); ok && k.seq == uint32(e.seq) {
		s.index.keys.remove(e.key)
	}
	e.key = retrystore.Key{}
}

func notFound(id string) error { return fmt.Errorf("delivery %q: %w", id, retrystore.ErrNotFound) }
