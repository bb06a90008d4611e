package filestore

import (
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// state is a retrystore.State or removed.
type state uint8

const (
	pending   = state(retrystore.Pending)
	leased    = state(retrystore.Leased)
	delivered = state(retrystore.Delivered)
	dead      = state(retrystore.Dead)
	// removed deliveries were deleted while others of their event are still kept. They
	// are in no list.
	removed = dead + 1
)

// event is what memory keeps of a stored event with at least one delivery that
// is neither delivered nor removed, or that lingers. Size matters here: there may be 100 000.
type event struct {
	seq        uint64
	received   int64 // Event.ReceivedAt, Unix milliseconds
	deliveries []delivery
	key        retrystore.Key
	expiry     uint32 // of the key, Unix seconds
	size       uint32 // of its record in the file
	salt       salt
	rows       bool // it may have rows in the deliveries or attempts bucket
	dirty      bool // it is in Store.dirty
	corrupt    bool // its record cannot be decoded
	lingers    bool // it is finished, and seen until a commit keeps it (retain.go)
}

// finished says that nothing is left to do for e, so that it can be forgotten.
func (e *event) finished() bool {
	for i := range e.deliveries {
		if st := e.deliveries[i].state; st != delivered && st != removed {
			return false
		}
	}
	return true
}

// stored is what e's endpoint has: that of all its lanes.
func (e *event) stored() *stored { return e.deliveries[0].lane.stored }

// first is Receipt.First: the least settled state.
func (e *event) first() retrystore.State {
	first := retrystore.Delivered
	for i := range e.deliveries {
		switch e.deliveries[i].state {
		case pending, leased:
			return retrystore.Pending
		case dead:
			first = retrystore.Dead
		}
	}
	return first
}

// delivery is what memory keeps of a delivery.
type delivery struct {
	event *event
	lane  *lane
	// token is that of the latest lease, until the delivery is settled, released or
	// replayed. It stays valid after the lease lapsed: a slow worker may still settle the
	// delivery if no other worker has leased it since.
	token uint64
	// when is the due time while pending (Unix milliseconds, as it outlives the
	// process) and the end of the lease while leased (monotonic milliseconds,
	// so that a jump of the wall clock neither ends nor prolongs it).
	when           int64
	budgetSince    int64    // Unix milliseconds
	unsaved        *changes // what the file does not hold yet; nil if nothing
	attempts       uint32
	budgetAttempts uint32
	position       int32 // in queue
	target         byte  // index in event.deliveries
	priority       byte
	state          state
	queue          queueName
}

func (d *delivery) id() string {
	return deliveryID{seq: d.event.seq, target: d.target, salt: d.event.salt}.String()
}

// changes are the parts of a delivery that the next commit has to write. They
// are never altered. A further change of the delivery makes new changes that include
// these, whether a commit has taken them by now or not.
type changes struct {
	row      []byte // encoded
	attempts []numberedAttempt
}

type numberedAttempt struct {
	number  uint32 // 1 is the first
	encoded []byte
}

// index is everything in memory. It can be rebuilt from the file, except for
// leases, which end with the process. Store.mu guards it.
type index struct {
	slots  []slot // by seq; holes where events were forgotten
	holes  int
	lanes  map[retrystore.Lane]*lane
	stored map[string]*stored // by endpoint
	keys   keyIndex
}

// stored is what one endpoint has, in bytes of records.
type stored struct {
	bytes    int64 // of the events in the index
	reserved int64 // of those that are being written
}

// hasRoom says that one more event may be stored. A bound of zero is none.
func (s *stored) hasRoom(bound int64) bool { return bound <= 0 || s.bytes+s.reserved < bound }

type slot struct {
	seq   uint64
	event *event // nil: a hole
}

func newIndex() index {
	return index{lanes: make(map[retrystore.Lane]*lane), stored: make(map[string]*stored)}
}

// lane returns the named lane. Lanes are never dropped: there are as many as
// configs ever named destinations.
func (x *index) lane(name retrystore.Lane) *lane {
	l := x.lanes[name]
	if l == nil {
		// The strings may be parts of a larger one, such as a whole header.
		name.Endpoint, name.Destination = strings.Clone(name.Endpoint), strings.Clone(name.Destination)
		l = newLane(name)
		if l.stored = x.stored[name.Endpoint]; l.stored == nil {
			l.stored = new(stored)
			x.stored[name.Endpoint] = l.stored
		}
		x.lanes[name] = l
	}
	return l
}

// add puts e, whose seq is above all others, into the index and its deliveries
// into their lanes.
func (x *index) add(e *event, now instant) {
	x.slots = append(x.slots, slot{seq: e.seq, event: e})
	e.stored().bytes += int64(e.size)
	if !e.key.IsZero() {
		x.keys.set(e.key, rememberedKey{seq: uint32(e.seq), expiry: e.expiry})
	}
	for i := range e.deliveries {
		d := &e.deliveries[i]
		d.lane.add(d, now)
	}
}

// forget takes e out. Its deliveries have left their lanes already.
func (x *index) forget(e *event) {
	i, found := x.find(e.seq)
	if !found {
		return
	}
	x.slots[i].event = nil
	x.holes++
	e.stored().bytes -= int64(e.size)
	// Webhooks mostly leave in the order they came.
	for len(x.slots) > 0 && x.slots[0].event == nil {
		x.slots = x.slots[1:]
		x.holes--
	}
	if x.holes > 1024 && x.holes > len(x.slots)/2 {
		x.slots = slices.DeleteFunc(x.slots, func(s slot) bool { return s.event == nil })
		x.holes = 0
	}
}

// find returns the position of seq in slots, or where it would be.
func (x *index) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(x.slots, seq, func(s slot, seq uint64) int {
		switch {
		case s.seq < seq:
			return -1
		case s.seq > seq:
			return 1
		}
		return 0
	})
}

func (x *index) event(seq uint64) *event {
	if i, found := x.find(seq); found {
		return x.slots[i].event
	}
	return nil
}

// delivery returns the delivery with that id, or nil.
func (x *index) delivery(id string) *delivery {
	p, ok := parseID(id)
	if !ok {
		return nil
	}
	e := x.event(p.seq)
	if e == nil || e.salt != p.salt || int(p.target) >= len(e.deliveries) {
		return nil
	}
	if d := &e.deliveries[p.target]; d.state != removed {
		return d
	}
	return nil
}

// instant is one moment on both clocks.
type instant struct {
	wall int64 // Unix milliseconds
	mono int64 // milliseconds since the store was opened, whatever the wall clock does
}

// instant reads both clocks. A clock without a monotonic reading, as tests
// inject, moves both.
func (s *Store) instant() instant {
	t := s.options.Now()
	return instant{wall: t.UnixMilli(), mono: t.Sub(s.opened).Milliseconds()}
}
