package filestore

import (
	"bytes"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// A value of the retained bucket is the event record, its body left out or not,
// between the rows and the attempts of the deliveries that are kept of it:
//
//	version       1 byte
//	body dropped  1 byte, 0 or 1
//	deliveries    count (1 byte), then for each: target, length and row
//	record        length, event record
//	attempts      for each delivery: count (1 byte), then length and attempt, oldest first
const retainedVersion = 1

// encodeKeptEvent reads what the file has of c, an event that is about to be
// deleted. It returns nil if the record is gone or unreadable.
func encodeKeptEvent(tx *bbolt.Tx, c *changedEvent, bodies bool) []byte {
	stored := tx.Bucket(bucketEvents).Get(eventKey(c.event.seq))
	_, event, err := decodeRecord(stored)
	if err != nil {
		return nil
	}
	record, dropped := stored, false
	if !bodies {
		head := stored[:len(stored)-len(event)-4]
		short := append(make([]byte, 0, len(stored)), head...)
		if short, dropped, err = retrystore.AppendEventWithoutBody(short, event); err != nil {
			return nil
		}
		record = seal(short)
	}
	b := make([]byte, 0, len(record)+256)
	b = append(b, retainedVersion, 0, byte(len(c.kept)))
	if dropped {
		b[1] = 1
	}
	for _, d := range c.kept {
		b = append(b, d.delivery.target)
		b = appendBlock(b, d.storedRow(tx))
	}
	b = appendBlock(b, record)
	for _, d := range c.kept {
		b = d.appendAttempts(tx, b)
	}
	return seal(b)
}

func appendBlock(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// storedRow is the encoded row: the newest, saved or not.
func (d changedDelivery) storedRow(tx *bbolt.Tx) []byte {
	if d.changes != nil {
		return d.changes.row
	}
	return tx.Bucket(bucketDeliveries).Get(deliveryKey(d.delivery.event.seq, d.delivery.target))
}

// appendAttempts appends the latest attempts, saved or not, and their count.
func (d changedDelivery) appendAttempts(tx *bbolt.Tx, b []byte) []byte {
	var all [][]byte
	if d.delivery.event.rows {
		seq, target := d.delivery.event.seq, d.delivery.target
		to := attemptKey(seq, target, ^uint32(0))
		c := tx.Bucket(bucketAttempts).Cursor()
		for k, v := c.Seek(attemptKey(seq, target, 0)); k != nil && bytes.Compare(k, to) < 0; k, v = c.Next() {
			all = append(all, v)
		}
	}
	if d.changes != nil {
		for _, a := range d.changes.attempts {
			all = append(all, a.encoded)
		}
	}
	all = all[max(0, len(all)-retrystore.MaxHistory):]
	b = append(b, byte(len(all)))
	for _, a := range all {
		b = appendBlock(b, a)
	}
	return b
}

// keptEvent is a decoded value of the retained bucket.
type keptEvent struct {
	seq         uint64
	bodyDropped bool
	deliveries  []keptDelivery
	head        record
	event       []byte // encoded
	attempts    []byte // of all deliveries, encoded
}

type keptDelivery struct {
	target byte
	row    row
}

// decodeKeptEvent reads a value, of which it keeps parts. ok is false if it is
// damaged: nobody is shown half a history.
func decodeKeptEvent(seq uint64, b []byte) (k keptEvent, ok bool) {
	b, ok = unseal(b)
	if !ok {
		return k, false
	}
	r := reader{b: b}
	if r.byte() != retainedVersion {
		return k, false
	}
	k.seq, k.bodyDropped = seq, r.byte() == 1
	k.deliveries = make([]keptDelivery, r.byte())
	for i := range k.deliveries {
		d := &k.deliveries[i]
		d.target = r.byte()
		// A row that was unreadable for the writer is zero.
		d.row, _ = decodeRow(r.block())
	}
	record := r.block()
	k.attempts = r.b
	if r.bad {
		return k, false
	}
	var err error
	k.head, k.event, err = decodeRecord(record)
	return k, err == nil
}

// block takes a length and as many bytes.
func (r *reader) block() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}

// delivery makes the i-th delivery, of the event e.
func (k *keptEvent) delivery(i int, e *retrystore.Event) (*retrystore.Delivery, bool) {
	at := &k.deliveries[i]
	if int(at.target) >= len(k.head.targets) {
		return nil, false
	}
	t := k.head.targets[at.target]
	return &retrystore.Delivery{
		ID:    deliveryID{seq: k.seq, target: at.target, salt: k.head.salt}.String(),
		Lane:  retrystore.Lane{Endpoint: e.Endpoint, Destination: t.destination},
		Event: e, State: retrystore.Delivered, Priority: int(t.priority),
		Attempts:   int(at.row.attempts),
		Budget:     retrystore.Budget{Attempts: int(at.row.budgetAttempts), Since: time.UnixMilli(at.row.budgetSince)},
		LastStatus: at.row.lastStatus, LastError: at.row.lastError,
	}, true
}

// history reads the attempts of the i-th delivery.
func (k *keptEvent) history(i int) (all []retrystore.Attempt) {
	r := reader{b: k.attempts}
	for n := 0; n <= i && !r.bad; n++ {
		for range r.byte() {
			if a, err := decodeAttempt(r.block()); err == nil && n == i {
				all = append(all, a)
			}
		}
	}
	return all
}

// getKept is Get for what is no longer in the index.
func (s *Store) getKept(id string) (d *retrystore.Delivery, err error) {
	at, ok := parseID(id)
	if !ok {
		return nil, notFound(id)
	}
	err = s.view(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketRetained)
		if bucket == nil {
			return nil
		}
		k, ok := decodeKeptEvent(at.seq, bucket.Get(eventKey(at.seq)))
		if !ok || k.head.salt != at.salt {
			return nil
		}
		for i := range k.deliveries {
			if k.deliveries[i].target != at.target {
				continue
			}
			e, err := retrystore.DecodeEvent(k.event)
			if err != nil {
				return nil
			}
			if found, ok := k.delivery(i, e); ok {
				found.History, found.BodyDropped = k.history(i), k.bodyDropped
				d = found
			}
		}
		return nil
	})
	if err == nil && d == nil {
		err = notFound(id)
	}
	return d, err
}
