package filestore

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// rebuild fills the index from the file. What it cannot read is reported and
// never in the way of the rest: an event becomes dead with the reason
// "corrupt_record"; of a delivery whose row is unreadable the result is
// forgotten, so that it is delivered again; unreadable keys are forgotten.
func (s *Store) rebuild() error {
	err := s.view(func(tx *bbolt.Tx) error {
		s.rebuildKeys(tx)
		s.rebuildEvents(tx)
		return nil
	})
	if err != nil {
		return fmt.Errorf("store file %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) rebuildKeys(tx *bbolt.Tx) {
	now := s.instant()
	slots := tx.Bucket(bucketKeys)
	_ = slots.ForEachBucket(func(name []byte) error {
		return slots.Bucket(name).ForEach(func(_, value []byte) error {
			err := eachSettledKey(value, func(key retrystore.Key, expiry uint32) {
				if k := (rememberedKey{expiry: expiry}); !k.expired(now) {
					s.index.keys.set(key, k)
				}
			})
			if err != nil {
				s.log.Warn("settled event keys are unreadable", zap.String("path", s.path), zap.Error(err))
			}
			return nil
		})
	})
}

func (s *Store) rebuildEvents(tx *bbolt.Tx) {
	now := s.instant()
	events := tx.Bucket(bucketEvents)
	s.seq = events.Sequence()
	rows := tx.Bucket(bucketDeliveries).Cursor()
	rowKey, rowValue := rows.First()
	c := events.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(k) != 8 {
			continue // nobody writes such a key; leave it alone
		}
		seq := binary.BigEndian.Uint64(k)
		s.seq = max(s.seq, seq)
		e := s.decodeStored(seq, v, now)
		accepted := e.deliveries[0].budgetSince // before a replay's

		// Rows sort like events: read both in step.
		for ; rowKey != nil && string(rowKey) < string(eventKey(seq+1)); rowKey, rowValue = rows.Next() {
			if rowSeq, target, ok := parseDeliveryKey(rowKey); ok && rowSeq == seq && int(target) < len(e.deliveries) {
				s.applyRow(&e.deliveries[target], rowValue)
			}
		}
		s.addStored(e, accepted, now)
	}
}

// decodeStored makes the event of a record, with its deliveries as they were
// accepted.
func (s *Store) decodeStored(seq uint64, b []byte, now instant) *event {
	var summary *retrystore.Event
	head, encoded, err := decodeRecord(b)
	if encoded != nil {
		var decodeErr error
		if summary, decodeErr = retrystore.DecodeEventSummary(encoded); err == nil {
			err = decodeErr
		}
	}
	if summary == nil {
		// Nothing can be told about it but that it is there.
		summary = new(retrystore.Event)
		head = record{targets: make([]recordTarget, 1)}
		if len(b) > saltSize {
			head.salt = salt(b[1:])
		}
	}
	e := newEvent(len(head.targets))
	e.seq, e.size, e.salt, e.received = seq, uint32(len(b)), head.salt, summary.ReceivedAt.UnixMilli()
	for i, t := range head.targets {
		d := &e.deliveries[i]
		d.lane = s.index.lane(retrystore.Lane{Endpoint: summary.Endpoint, Destination: t.destination})
		d.priority, d.budgetSince = t.priority, head.accepted
		d.when = min(head.accepted, now.wall) // due, even if the clock was put back since
	}
	if err == nil {
		e.key, e.expiry = head.key, head.expiry
		return e
	}
	// The key stays out: if the provider sends the event again, it is stored again.
	s.log.Error("stored event is unreadable", zap.String("path", s.path), zap.Uint64("seq", seq), zap.Error(err))
	e.corrupt = true
	for i := range e.deliveries {
		e.deliveries[i].state = dead
	}
	return e
}

// applyRow brings d to the state it was saved in.
func (s *Store) applyRow(d *delivery, b []byte) {
	d.event.rows = true
	r, err := decodeRow(b)
	if err != nil {
		s.log.Error("stored delivery state is unreadable, it will be delivered again", zap.String("path", s.path), zap.Uint64("seq", d.event.seq), zap.Error(err))
		return
	}
	d.state, d.when = r.state, r.due
	d.attempts, d.budgetAttempts, d.budgetSince = r.attempts, r.budgetAttempts, r.budgetSince
	if d.event.corrupt && d.state == pending {
		d.state = dead
	}
}

// addStored puts an event that was read into the index, unless it should be
// gone. accepted is when it was stored, in Unix milliseconds.
func (s *Store) addStored(e *event, accepted int64, now instant) {
	// Two events have one key if the second came after the key had expired.
	// Otherwise the second is the leftover of a failed commit, whose sender was
	// told so: keep the first. When in doubt, by a minute, keep both: to deliver
	// twice is allowed, to lose is not.
	k, taken := s.index.keys.get(e.key)
	switch {
	case taken && k.seq != 0 && accepted < int64(k.expiry)*1000-time.Minute.Milliseconds():
		e.key = retrystore.Key{}
		for i := range e.deliveries {
			e.deliveries[i].state = removed
		}
	case !e.finished():
		s.index.add(e, now)
		if taken && k.expiry > e.expiry {
			s.index.keys.set(e.key, k) // of a later event that is settled already
		}
		return
	case !e.key.IsZero():
		s.index.keys.set(e.key, rememberedKey{expiry: e.expiry})
	}
	s.log.Warn("deleting a stored event that should be gone", zap.String("path", s.path), zap.Uint64("seq", e.seq))
	s.changed(e)
}
