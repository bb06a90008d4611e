package filestore

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// What is kept of delivered events (retrystore.Retention) is in two buckets,
// which are made with the first of them:
//
//	retained   seq → kept event (retained.go), so that lists go on where the index ends
//	keptorder  position → seq, when it was settled, how many deliveries
//
// A position counts deliveries: each event's is that of the one before and the
// number of its deliveries. So the first and the last say how many are kept, the
// oldest are in front, and memory holds nothing of them.
//
// An event that is finished stays in the index until the commit that moves it
// into these buckets, so that it can be seen all the time.
var (
	bucketRetained  = []byte("retained")
	bucketKeptOrder = []byte("keptorder")
)

const (
	// trimSlice is how many kept events a commit drops at most, besides two for
	// each that it adds: a lower bound takes effect without a long commit.
	trimSlice = 256
	// squeezeSlice is how many it drops when there is no room for new events.
	squeezeSlice = 1024
)

// retention is what Retain asked for.
type retention struct {
	retrystore.Retention      // normal
	on                   bool // events that are finished are kept
	known                bool // the kept events may exceed it; false when none is left, and before Retain
}

// trimming is the part of a batch that is about kept events.
type trimming struct {
	retention
	asked   bool // look for kept events to drop even if no new ones come
	squeeze bool // there is no room: the oldest go, whatever the bounds
	more    bool // out: this was not all
}

// Retain says what to keep; see retrystore.Retainer.
func (s *Store) Retain(r retrystore.Retention) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r = r.Normal()
	s.retention = retention{Retention: r, on: r.On(), known: true}
	s.askTrim()
}

// askTrim has the writer look whether kept events are to go. The caller holds mu.
func (s *Store) askTrim() {
	if s.retention.known {
		s.trimAsked = true
		s.wakeWriter()
	}
}

// trimDue is askTrim for events that became too old without any commit.
func (s *Store) trimDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askTrim()
}

// conclude ends a finished event: the next commit deletes e, or keeps it. The
// caller holds mu.
func (s *Store) conclude(e *event) {
	if !s.retention.on || !e.wasDelivered() {
		s.retire(e)
		return
	}
	e.lingers = true
	e.stored().bytes -= int64(e.size)
	e.size = 0 // its endpoint has it no more
	s.changed(e)
}

// wasDelivered says whether any of e's deliveries was.
func (e *event) wasDelivered() bool {
	for i := range e.deliveries {
		if e.deliveries[i].state == delivered {
			return true
		}
	}
	return false
}

// collectKept has c, which is finished, keep its deliveries. History is the first
// to give way when the disk is full. The caller holds mu.
func (s *Store) collectKept(c *changedEvent) {
	if !s.retention.on || !c.event.lingers || s.outage.full {
		return
	}
	for i := range c.event.deliveries {
		if d := &c.event.deliveries[i]; d.state == delivered {
			c.kept = append(c.kept, changedDelivery{d, d.unsaved})
		}
	}
}

// collectTrim decides what b does about kept events. The caller holds mu.
func (s *Store) collectTrim(b *batch) {
	if !s.retention.known || s.outage.err != nil && len(b.events) > 0 {
		return
	}
	b.trim = trimming{retention: s.retention, asked: s.trimAsked, squeeze: s.outage.full}
	s.trimAsked = false
}

// needsTrim says whether b has kept events to drop though nothing else to do.
func (s *Store) needsTrim(b *batch) bool {
	if !b.trim.asked && !b.trim.squeeze {
		return false
	}
	excess := false
	err := s.view(func(tx *bbolt.Tx) error {
		excess = len(s.excess(tx, &b.trim, 1)) > 0 || !b.trim.on && tx.Bucket(bucketKeptOrder) != nil
		return nil
	})
	if err == nil && !excess {
		s.trimmed(b)
	}
	return excess
}

// trimmed notes what a commit has done. The caller does not hold mu.
func (s *Store) trimmed(b *batch) {
	if !b.trim.known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case b.trim.more:
		s.askTrim()
	case b.trim.asked && !b.trim.on && s.retention == b.trim.retention:
		s.retention.known = false // nothing is left
	}
}

// keep puts the finished events of b into the buckets of kept ones, as encoded,
// and drops those that are to go. It comes before the events are deleted.
func (s *Store) keep(tx *bbolt.Tx, b *batch, encoded [][]byte) error {
	added := 0
	for i, value := range encoded {
		if value == nil {
			continue
		}
		added++
		if err := s.putKept(tx, &b.changed[i], value); err != nil {
			return err
		}
	}
	if added == 0 && !b.trim.asked && !b.trim.squeeze {
		return nil
	}
	most := trimSlice + 2*added
	if b.trim.squeeze {
		most = squeezeSlice
	}
	excess := s.excess(tx, &b.trim, most)
	for _, k := range excess {
		if err := tx.Bucket(bucketKeptOrder).Delete(k.position); err != nil {
			return err
		}
		if k.seq == nil {
			continue
		}
		if err := tx.Bucket(bucketRetained).Delete(k.seq); err != nil {
			return err
		}
	}
	b.trim.more = !b.trim.squeeze && len(excess) == most
	if b.trim.on || b.trim.squeeze || b.trim.more {
		return nil
	}
	return dropKept(tx)
}

// dropKept deletes the buckets. They are empty, except for records that damage left behind.
func dropKept(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketRetained, bucketKeptOrder} {
		if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
	}
	return nil
}

// encodeKept encodes the deliveries that b keeps, by the index of b.changed. If they would take
// room that new events need, it keeps none, and the oldest kept events are dropped.
func (s *Store) encodeKept(tx *bbolt.Tx, b *batch) (encoded [][]byte) {
	size := int64(0)
	for i := range b.changed {
		c := &b.changed[i]
		if len(c.kept) == 0 {
			continue
		}
		if encoded == nil {
			encoded = make([][]byte, len(b.changed))
		}
		encoded[i] = encodeKeptEvent(tx, c, b.trim.Bodies)
		size += int64(len(encoded[i]))
	}
	if size == 0 {
		return nil
	}
	for _, r := range b.events {
		size += int64(len(r.record))
	}
	if s.room.provide(tx, 2*reserve+2*size) != nil {
		b.trim.squeeze = true
		return nil
	}
	return encoded
}

// putKept appends a kept event.
func (s *Store) putKept(tx *bbolt.Tx, c *changedEvent, value []byte) error {
	retained, err := tx.CreateBucketIfNotExists(bucketRetained)
	if err != nil {
		return err
	}
	order, err := tx.CreateBucketIfNotExists(bucketKeptOrder)
	if err != nil {
		return err
	}
	retained.FillPercent, order.FillPercent = 1, 1 // mostly appended to
	position := uint64(0)
	if k, v := order.Cursor().Last(); len(k) == 8 {
		position = binary.BigEndian.Uint64(k) + uint64(decodeKeptOrder(v).deliveries)
	}
	seq := eventKey(c.event.seq)
	if err := retained.Put(seq, value); err != nil {
		return err
	}
	o := keptOrder{seq: c.event.seq, at: s.options.Now().UnixMilli(), deliveries: byte(len(c.kept))}
	return order.Put(binary.BigEndian.AppendUint64(nil, position), o.encode())
}

// keptOrder is a value of the order bucket.
type keptOrder struct {
	seq        uint64
	at         int64 // Unix milliseconds
	deliveries byte
	damaged    bool
}

func (o keptOrder) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 21), o.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(o.at))
	return seal(append(b, o.deliveries))
}

// decodeKeptOrder reads a value. A damaged one is of as many deliveries as there
// can be, so that no position comes twice.
func decodeKeptOrder(b []byte) keptOrder {
	b, ok := unseal(b)
	if !ok || len(b) != 17 {
		return keptOrder{deliveries: retrystore.MaxTargets, damaged: true}
	}
	return keptOrder{seq: binary.BigEndian.Uint64(b), at: int64(binary.BigEndian.Uint64(b[8:])), deliveries: b[16]}
}

// excessive is a kept event that is to go, by its keys.
type excessive struct {
	position []byte
	seq      []byte // nil if nobody knows: then the event stays until nothing is kept any more
}

// excess returns up to most of the oldest kept events that are too many or too
// old. It looks at no other.
func (s *Store) excess(tx *bbolt.Tx, t *trimming, most int) (all []excessive) {
	order := tx.Bucket(bucketKeptOrder)
	if order == nil || !t.known {
		return nil
	}
	end := uint64(0)
	c := order.Cursor()
	if k, v := c.Last(); len(k) == 8 {
		end = binary.BigEndian.Uint64(k) + uint64(decodeKeptOrder(v).deliveries)
	}
	oldest := s.options.Now().UnixMilli() - t.Age.Milliseconds()
	for k, v := c.First(); k != nil && len(all) < most; k, v = c.Next() {
		o := decodeKeptOrder(v)
		tooMany := len(k) != 8 || end-binary.BigEndian.Uint64(k) > uint64(t.Count)
		tooOld := t.Age > 0 && o.at <= oldest
		if !tooMany && !tooOld && !t.squeeze && !o.damaged {
			break
		}
		e := excessive{position: append([]byte(nil), k...)}
		if !o.damaged {
			e.seq = eventKey(o.seq)
		}
		all = append(all, e)
	}
	return all
}
