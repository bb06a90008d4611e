package filestore

import (
	"errors"
	"math"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// write puts b into the transaction.
func (s *Store) write(tx *bbolt.Tx, b *batch) error {
	kept := s.encodeKept(tx, b)
	if err := s.room.make(tx, b); err != nil {
		return err
	}
	if err := s.keep(tx, b, kept); err != nil {
		return err
	}
	events := tx.Bucket(bucketEvents)
	// Events are appended and mostly deleted in the order they came, so full
	// pages are better than pages with room for insertions.
	events.FillPercent = 1
	if err := s.writeUndo(tx, events); err != nil {
		return err
	}
	for _, slot := range b.drop {
		if err := tx.Bucket(bucketKeys).DeleteBucket(slotName(slot)); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
	}
	for i := range b.changed {
		if err := writeChanged(tx, events, &b.changed[i]); err != nil {
			return err
		}
	}
	if err := writeKeys(tx, b.keys); err != nil {
		return err
	}
	for _, r := range b.events {
		if err := events.Put(eventKey(r.event.seq), r.record); err != nil {
			return err
		}
		for i, row := range r.rows {
			if row == nil {
				continue
			}
			if err := tx.Bucket(bucketDeliveries).Put(deliveryKey(r.event.seq, byte(i)), row); err != nil {
				return err
			}
		}
	}
	if len(b.events) == 0 {
		return nil
	}
	// Kept so that numbers grow for ever, whatever is deleted.
	return events.SetSequence(s.seq)
}

// writeUndo deletes the events that a failed commit may have left in the file: when the last
// sync fails, it is unknown what has reached the disk. The callers were told that nothing
// was stored, so these events must not be delivered.
func (s *Store) writeUndo(tx *bbolt.Tx, events *bbolt.Bucket) error {
	if s.undo == 0 {
		return nil
	}
	// Deliveries that were stored as dead letters have rows, too.
	if err := deleteRange(tx.Bucket(bucketDeliveries), eventKey(s.undo), eventKey(math.MaxUint64)); err != nil {
		return err
	}
	var leftovers [][]byte
	c := events.Cursor()
	for k, _ := c.Seek(eventKey(s.undo)); k != nil; k, _ = c.Next() {
		leftovers = append(leftovers, k)
	}
	for _, k := range leftovers {
		if err := events.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func writeChanged(tx *bbolt.Tx, events *bbolt.Bucket, c *changedEvent) error {
	seq := c.event.seq
	if c.delete {
		if err := events.Delete(eventKey(seq)); err != nil || !c.event.rows {
			return err
		}
		return errors.Join(
			deleteRange(tx.Bucket(bucketDeliveries), eventKey(seq), eventKey(seq+1)),
			deleteRange(tx.Bucket(bucketAttempts), eventKey(seq), eventKey(seq+1)))
	}
	deliveries, attempts := tx.Bucket(bucketDeliveries), tx.Bucket(bucketAttempts)
	for _, d := range c.deliveries {
		target := d.delivery.target
		if err := deliveries.Put(deliveryKey(seq, target), d.changes.row); err != nil {
			return err
		}
		if len(d.changes.attempts) == 0 {
			continue
		}
		var last uint32
		for _, a := range d.changes.attempts {
			last = a.number
			if err := attempts.Put(attemptKey(seq, target, a.number), a.encoded); err != nil {
				return err
			}
		}
		if last > retrystore.MaxHistory {
			from, to := attemptKey(seq, target, 0), attemptKey(seq, target, last-retrystore.MaxHistory+1)
			if err := deleteRange(attempts, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteRange deletes the keys from from, inclusive, to to, exclusive.
func deleteRange(b *bbolt.Bucket, from, to []byte) error {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(from); k != nil && string(k) < string(to); k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
