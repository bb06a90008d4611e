package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// request is a caller that waits for the writer: an Accept, or, without an event, a caller
// that waits until the changes made so far are durable. It does not refer to the
// Submission, because that belongs to the caller again after an abandoned Accept.
type request struct {
	event    *event   // joins the index once it is durable
	record   []byte   // the encoded event record
	rows     [][]byte // by target: the row of a delivery stored as a dead letter; nil if there is no such delivery
	lanes    []*lane
	leases   []time.Duration // as asked for, by target
	bound    int             // MaxPending
	space    int64           // MaxBytes
	accepted time.Time
	hold     retrystore.Hold // without an event: the key to commit; zero for none
	expiry   uint32          // of that key, Unix seconds
	done     chan struct{}   // closed when the fields below are final

	// Guarded by Store.mu until done is closed.
	abandoned bool
	first     *request // the request with the same key earlier in the batch, which decides about it
	receipt   retrystore.Receipt
	err       error
	token     uint64    // of the first target's lease; the others follow
	at        time.Time // when it became durable
}

// Accept stores an event; see retrystore.Acceptor.
func (s *Store) Accept(ctx context.Context, sub *retrystore.Submission) (retrystore.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return retrystore.Receipt{}, err
	}
	if err := sub.Validate(); err != nil {
		return retrystore.Receipt{}, err
	}
	r, receipt, err := s.screen(sub)
	if r == nil {
		return receipt, err
	}
	buffer := retrystore.GetBuffer()
	s.encode(r, sub, *buffer)
	err = s.submit(ctx, r)
	if r.answered() {
		retrystore.PutBuffer(buffer, r.record)
	}
	switch {
	case err != nil:
		return retrystore.Receipt{}, err // of a request that was abandoned, r is the writer's
	case r.receipt.Duplicate:
		return r.receipt, nil
	}
	return r.deliveries(sub), nil
}

// answered reports whether the writer is done with r.
func (r *request) answered() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// screen answers a duplicate or a full store before the work of encoding. Otherwise it
// returns a request for the writer. The writer decides, because only its order says which
// of several requests comes first.
func (s *Store) screen(sub *retrystore.Submission) (*request, retrystore.Receipt, error) {
	r := newRequest(len(sub.Targets))
	receipt, err := s.tryScreen(r, sub, len(s.queue))
	if errors.Is(err, errKeysFull) {
		s.purgeSome()
		receipt, err = s.tryScreen(r, sub, 0)
	}
	if err != nil || receipt.Duplicate {
		return nil, receipt, err
	}
	return r, receipt, nil
}

var errKeysFull = fmt.Errorf("%w: too many event keys remembered", retrystore.ErrFull)

// tryScreen leaves room for as many keys as are waiting.
func (s *Store) tryScreen(r *request, sub *retrystore.Submission, waiting int) (retrystore.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return retrystore.Receipt{}, retrystore.ErrClosed
	}
	if receipt, ok := s.duplicate(sub.Key); ok {
		return receipt, nil
	}
	if err := s.outage.refusal(); err != nil {
		return retrystore.Receipt{}, err
	}
	r.bound, r.space = sub.MaxPending, sub.MaxBytes
	for i, t := range sub.Targets {
		r.leases[i] = t.Lease
		r.lanes[i] = s.index.lane(retrystore.Lane{Endpoint: sub.Event.Endpoint, Destination: t.Destination})
	}
	if s.deciding[sub.Key] != nil {
		return retrystore.Receipt{}, nil // what is written now may be the first one
	}
	if err := s.undecided(sub.Key); err != nil {
		return retrystore.Receipt{}, err
	}
	if !sub.Key.IsZero() && s.index.keys.size()+len(s.holds)+waiting >= s.options.MaxKeys {
		return retrystore.Receipt{}, errKeysFull
	}
	return retrystore.Receipt{}, r.full(func(i int) bool { return sub.Targets[i].Dead != "" })
}

// full says that the endpoint, or each destination, has no room for r. isDead tells
// the targets that need none. The caller holds mu.
func (r *request) full(isDead func(i int) bool) error {
	if has := r.lanes[0].stored; !has.hasRoom(r.space) {
		return fmt.Errorf("%w: endpoint %s has %d bytes of events stored, and may have %d", retrystore.ErrFull, r.lanes[0].name.Endpoint, has.bytes+has.reserved, r.space)
	}
	var full *lane
	for i, l := range r.lanes {
		switch {
		case isDead(i):
		case l.hasRoom(r.bound):
			return nil
		default:
			full = l
		}
	}
	if full == nil {
		return nil
	}
	return fmt.Errorf("%w: %s has %d deliveries pending, and no other destination of the event has room", retrystore.ErrFull, full.name, full.open())
}

// dead reports whether the i-th delivery is stored as a dead letter.
func (r *request) dead(i int) bool { return r.rows != nil && r.rows[i] != nil }

// reserve takes the room and the key of r while r is being written. Deliveries without room
// become dead letters. The caller holds mu.
func (s *Store) reserve(r *request) {
	r.event.stored().reserved += int64(r.event.size)
	for i, l := range r.lanes {
		if !r.dead(i) && !l.hasRoom(r.bound) {
			r.bury(i, retrystore.ReasonFull)
		}
		if !r.dead(i) {
			l.reserved++
		}
	}
	if !r.event.key.IsZero() {
		s.reservedKeys++
		s.deciding[r.event.key] = r
		delete(s.holds, r.event.key) // it has lapsed
	}
}

// unreserve gives it up. The caller holds mu.
func (s *Store) unreserve(r *request) {
	r.event.stored().reserved -= int64(r.event.size)
	for i, l := range r.lanes {
		if !r.dead(i) {
			l.reserved--
		}
	}
	if !r.event.key.IsZero() {
		s.reservedKeys--
	}
}

// duplicate answers for a key that is durable. The caller holds mu.
func (s *Store) duplicate(key retrystore.Key) (retrystore.Receipt, bool) {
	if key.IsZero() {
		return retrystore.Receipt{}, false
	}
	k, ok := s.index.keys.get(key)
	if !ok || k.expired(s.instant()) {
		return retrystore.Receipt{}, false
	}
	receipt := retrystore.Receipt{Duplicate: true, First: retrystore.Delivered}
	if e := s.index.eventWith(key, k); e != nil {
		receipt.First = e.first()
	}
	return receipt, true
}

// encode does, in the caller's goroutine, all work that the single writer need
// not do: the record, in buffer if it is large enough, and the event that will
// join the index.
func (s *Store) encode(r *request, sub *retrystore.Submission, buffer []byte) {
	now := s.options.Now()
	r.accepted = now
	head := record{
		accepted: now.UnixMilli(),
		key:      sub.Key,
		targets:  make([]recordTarget, len(sub.Targets)),
	}
	var random [8]byte
	binary.BigEndian.PutUint64(random[:], rand.Uint64())
	copy(head.salt[:], random[:])
	if !sub.Key.IsZero() {
		head.expiry = expiryAfter(now, sub.KeyTTL)
	}
	r.event = newEvent(len(sub.Targets))
	for i, t := range sub.Targets {
		head.targets[i] = recordTarget{destination: t.Destination, priority: byte(t.Priority)}
		d := &r.event.deliveries[i]
		d.lane, d.priority, d.budgetSince, d.when = r.lanes[i], byte(t.Priority), head.accepted, head.accepted
		if t.Dead != "" {
			r.bury(i, t.Dead)
		}
	}
	r.event.received = sub.Event.ReceivedAt.UnixMilli()
	r.event.key, r.event.expiry, r.event.salt = head.key, head.expiry, head.salt
	r.record = appendRecord(slices.Grow(buffer, 512+len(sub.Event.Body)), &head, sub.Event)
	r.event.size = uint32(len(r.record))
}

// bury makes the i-th delivery dead from the start. The event record does not tell,
// so it has a row at once.
func (r *request) bury(i int, reason string) {
	d := &r.event.deliveries[i]
	d.state, r.event.rows = dead, true
	if r.rows == nil {
		r.rows = make([][]byte, len(r.lanes))
	}
	r.rows[i] = (&row{state: dead, budgetSince: d.budgetSince, due: d.when, reason: trim(reason, maxText)}).encode()
}

// newRequest allocates the usual request of one target in one piece.
func newRequest(targets int) *request {
	one := &struct {
		request
		lane  [1]*lane
		lease [1]time.Duration
	}{}
	r := &one.request
	r.done = make(chan struct{})
	if r.lanes, r.leases = one.lane[:], one.lease[:]; targets != 1 {
		r.lanes, r.leases = make([]*lane, targets), make([]time.Duration, targets)
	}
	return r
}

// newEvent allocates the usual event of one delivery in one piece.
func newEvent(deliveries int) *event {
	one := &struct {
		event
		delivery [1]delivery
	}{}
	e := &one.event
	if e.deliveries = one.delivery[:]; deliveries != 1 {
		e = &event{deliveries: make([]delivery, deliveries)}
	}
	for i := range e.deliveries {
		e.deliveries[i].event, e.deliveries[i].target, e.deliveries[i].queue = e, byte(i), queueNone
	}
	return e
}

// submit hands r to the writer and waits for it.
func (s *Store) submit(ctx context.Context, r *request) error {
	select {
	case s.queue <- r:
	default:
		return fmt.Errorf("%w: %d writes are waiting for the disk", retrystore.ErrUnavailable, cap(s.queue))
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	case <-s.stopped:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-r.done: // meanwhile; the answer is better than the context's error
		return r.err
	default:
	}
	if err := ctx.Err(); err != nil {
		r.abandoned = true // the writer finds it so
		return err
	}
	return retrystore.ErrClosed
}

// deliveries makes the receipt of r, which the writer has stored. It reads
// nothing that another goroutine may have changed since.
func (r *request) deliveries(sub *retrystore.Submission) retrystore.Receipt {
	all := make([]retrystore.Delivery, len(sub.Targets))
	receipt := retrystore.Receipt{Deliveries: make([]*retrystore.Delivery, len(all))}
	for i, t := range sub.Targets {
		d := &all[i]
		receipt.Deliveries[i] = d
		d.ID = deliveryID{seq: r.event.seq, target: byte(i), salt: r.event.salt}.String()
		d.Lane = r.lanes[i].name
		d.Event = sub.Event
		d.Priority = t.Priority
		d.Budget.Since = r.accepted
		d.NextAttemptAt = r.accepted
		switch d.Reason = trim(t.Dead, maxText); {
		case t.Dead != "":
			d.State = retrystore.Dead
		case r.dead(i):
			d.State, d.Reason = retrystore.Dead, retrystore.ReasonFull
		case t.Lease > 0:
			d.State = retrystore.Leased
			d.Lease = retrystore.Lease{Token: r.token + uint64(i), Until: r.at.Add(t.Lease)}
		}
	}
	return receipt
}
