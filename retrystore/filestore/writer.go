package filestore

import (
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// housekeeping is how often the writer looks for expired keys.
const housekeeping = time.Minute

// maxYields bounds how often the writer lets others go first before a commit.
const maxYields = 4

// run is the writer: the only goroutine that changes the file.
func (s *Store) run() {
	commit := time.NewTimer(time.Hour)
	commit.Stop()
	armed := false // whether commit runs: a steady stream of changes must not put it off
	keys := time.NewTimer(housekeeping)
	defer keys.Stop()
	for {
		select {
		case r := <-s.queue:
			s.commit(s.gather(r))
		case <-s.kick:
			if !armed {
				commit.Reset(s.commitDelay())
				armed = true
			}
		case <-commit.C:
			armed = false
			s.commit(nil)
		case <-keys.C:
			// A slice at a time, so that an Accept never waits for all of them.
			s.dropLapsedHolds()
			s.trimDue()
			if s.purgeSome() {
				keys.Reset(time.Millisecond)
			} else {
				s.renewKeys()
				keys.Reset(housekeeping)
			}
		case <-s.closing:
			commit.Stop()
			for more := true; more; {
				saved := s.commit(s.gather(nil))
				more = len(s.queue) > 0 || saved && s.unsaved() > 0
			}
			return
		}
	}
}

// gather takes the waiting requests, first included.
func (s *Store) gather(first *request) []*request {
	var rs []*request
	if first != nil {
		s.letOthersCatchUp()
		rs = append(rs, first)
	}
	for len(rs) < maxBatch {
		select {
		case r := <-s.queue:
			rs = append(rs, r)
		default:
			return rs
		}
	}
	return rs
}

// letOthersCatchUp lets other goroutines run for as long as that brings further requests.
// Under load some of them are about to make one, and a commit costs nearly the same for
// one request as for many. Without load it returns at once: it waits for no clock.
func (s *Store) letOthersCatchUp() {
	for range maxYields {
		waiting := len(s.queue)
		runtime.Gosched()
		if len(s.queue) == waiting {
			return
		}
	}
}

// batch is the work of one transaction.
type batch struct {
	events  []*request // to store, with their seq
	waiting []*request // to answer afterwards: repeated keys, flushes, and decided holds
	changed []changedEvent
	keys    map[uint32][]byte // slot → keys settled in this batch
	drop    []uint32          // key slots to delete
	held    bool              // nothing may be written now
	trim    trimming
}

// changedEvent is an event to delete or, otherwise, deliveries to save.
type changedEvent struct {
	event      *event
	delete     bool
	deliveries []changedDelivery
	kept       []changedDelivery // with delete: those that are kept nevertheless; their changes may be nil
}

type changedDelivery struct {
	delivery *delivery
	changes  *changes
}

// commit serves rs and saves changes. It returns false if the disk failed.
func (s *Store) commit(rs []*request) bool {
	s.taken = rs
	s.mu.Lock()
	outage := s.outage.err != nil
	s.mu.Unlock()
	if outage && len(rs) > 0 {
		// Results first and by themselves: they may free the space that new
		// events lack.
		s.commitBatch(s.prepare(nil))
	}
	saved := s.commitBatch(s.prepare(rs))
	s.taken = nil
	return saved
}

func (s *Store) commitBatch(b *batch) bool {
	if b.held || len(b.events)+len(b.waiting)+len(b.changed)+len(b.drop) == 0 && s.undo == 0 && !s.needsTrim(b) {
		return true
	}
	start := time.Now()
	err := guard(func() error { return s.db.Update(func(tx *bbolt.Tx) error { return s.write(tx, b) }) })
	if s.options.afterCommit != nil {
		err = s.options.afterCommit(err)
	}
	if err != nil {
		s.failed(b, err, time.Since(start))
		return false
	}
	s.succeeded(b)
	return true
}

// unsaved counts the changed events that no commit has taken.
func (s *Store) unsaved() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty)
}

// prepare answers the requests that need no write, numbers the new events and collects the
// changes made in memory since the last commit.
func (s *Store) prepare(rs []*request) *batch {
	b := new(batch)
	s.mu.Lock()
	defer s.mu.Unlock()
	refusal := s.outage.refusal()
	for _, r := range rs {
		switch {
		case r.event == nil && refusal == nil && r.hold.Token != 0:
			s.decide(b, r)
		case r.event == nil && refusal == nil:
			b.waiting = append(b.waiting, r)
		case r.event == nil:
			r.finish(refusal)
		case r.abandoned: // nobody waits for it
		default:
			s.admit(b, r, refusal)
		}
	}
	if refusal != nil && !s.closed {
		b.held = true
		s.wakeWriter() // for when the outage allows
		return b
	}
	s.collect(b)
	return b
}

// admit decides about one Accept. Since it was screened its key may have become
// durable or held, a request with the same key may be ahead in this batch, and the
// room may be taken.
func (s *Store) admit(b *batch, r *request, refusal error) {
	key := r.event.key
	if receipt, ok := s.duplicate(key); ok {
		r.receipt = receipt
		r.finish(nil)
		return
	}
	if refusal != nil {
		r.finish(refusal)
		return
	}
	if r.first = s.deciding[key]; r.first != nil {
		b.waiting = append(b.waiting, r)
		return
	}
	if err := s.admissible(r); err != nil {
		r.finish(err)
		return
	}
	s.reserve(r)
	if s.seq++; uint32(s.seq) == 0 {
		s.seq++ // see rememberedKey
	}
	r.event.seq = s.seq
	b.events = append(b.events, r)
}

// collect moves the unsaved changes into b. The caller holds mu.
func (s *Store) collect(b *batch) {
	n := min(len(s.dirty), maxChanges)
	switch {
	case len(b.waiting) > 0:
		n = len(s.dirty) // somebody waits for all of them
	case s.outage.err != nil && len(b.events) > 0:
		n = 0 // see commit
	case s.outage.err != nil:
		n = min(n, s.outage.changes)
	}
	now := s.instant()
	b.drop, s.expiredSlots = s.expiredSlots, nil
	s.collectTrim(b)
	for _, e := range s.dirty[:n] {
		e.dirty = false
		c := changedEvent{event: e, delete: e.finished()}
		if c.delete {
			s.collectKey(b, e, now)
			s.collectKept(&c)
		} else {
			e.rows = true
			for i := range e.deliveries {
				d := &e.deliveries[i]
				if d.unsaved != nil {
					c.deliveries = append(c.deliveries, changedDelivery{d, d.unsaved})
				}
			}
		}
		b.changed = append(b.changed, c)
	}
	s.dirty = slices.Delete(s.dirty, 0, n)
}

// succeeded makes the batch visible and answers its callers.
func (s *Store) succeeded(b *batch) {
	s.undo = 0
	wake := s.show(b)
	s.trimmed(b)
	s.wakeLanes(wake...)
}

// show is the part of succeeded that needs the lock. It returns the lanes that got
// something to do.
func (s *Store) show(b *batch) (wake []retrystore.Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.options.Now(), s.instant()
	for _, r := range b.events {
		r.at = at
		s.unreserve(r)
		wake = s.install(r, now, wake)
		r.finish(nil)
	}
	for _, r := range b.waiting {
		r.finish(s.second(r))
	}
	clear(s.deciding)
	for _, c := range b.changed {
		for _, d := range c.deliveries {
			if d.delivery.unsaved == d.changes {
				d.delivery.unsaved = nil
			}
		}
		if c.delete && c.event.lingers {
			s.leave(c.event)
		}
	}
	s.outage.changes = min(2*s.outage.changes, outageChanges)
	if len(s.dirty) > 0 {
		s.wakeWriter()
	}
	if len(b.events) > 0 && s.outage.err != nil {
		s.log.Info("store works again", zap.String("path", s.path), zap.Int("failed_commits", s.outage.failures))
		s.outage = outage{}
	}
	return wake
}

// admissible reports whether an Accept may be stored whose key is not known from a commit. The caller holds mu.
func (s *Store) admissible(r *request) error {
	if key := r.event.key; !key.IsZero() {
		if err := s.undecided(key); err != nil {
			return err
		}
		if s.rememberedKeys() >= s.options.MaxKeys {
			return errKeysFull
		}
	}
	return r.full(r.dead)
}

// second completes, after the events of a batch were installed, a request that did
// not store one, and returns its error. The caller holds mu.
func (s *Store) second(r *request) error {
	switch {
	case r.hold.Token != 0 && r.first != nil: // the hold was committed a moment before
		return leaseLost(r.hold.Key)
	case r.hold.Token != 0:
		s.decided(r)
	case r.first != nil && r.first.event != nil:
		r.receipt = retrystore.Receipt{Duplicate: true, First: r.first.event.first()}
	case r.first != nil: // a hold that was committed
		r.receipt = retrystore.Receipt{Duplicate: true, First: retrystore.Delivered}
	}
	return nil
}

// install puts the event of r into the index, and its lane into wake when the
// event waits for a worker there. The caller holds mu.
func (s *Store) install(r *request, now instant, wake []retrystore.Lane) []retrystore.Lane {
	r.token = s.token + 1
	for i, lease := range r.leases {
		d := &r.event.deliveries[i]
		s.token++
		if d.state == dead {
			continue
		}
		if lease > 0 && !r.abandoned {
			d.state, d.token, d.when = leased, s.token, now.mono+lease.Milliseconds()
			continue
		}
		d.when = min(d.when, now.wall) // due, even if the clock was put back since
		if l := d.lane.name; len(wake) == 0 || wake[len(wake)-1] != l {
			wake = append(wake, l)
		}
	}
	s.index.add(r.event, now)
	return wake
}

// failed answers the callers of a batch and keeps its changes for the next.
func (s *Store) failed(b *batch, cause error, took time.Duration) {
	if len(b.events) > 0 && s.undo == 0 {
		s.undo = b.events[0].event.seq
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.outage.begin(cause, took)
	if len(b.events) == 0 {
		s.outage.changes = max(1, s.outage.changes/4)
	}
	s.log.Error("commit failed", zap.String("path", s.path), zap.Int("events_refused", len(b.events)),
		zap.Int("changes_waiting", len(b.changed)), zap.Error(cause))
	for _, r := range b.events {
		s.unreserve(r)
		r.finish(err)
	}
	for _, r := range b.waiting {
		r.finish(err)
	}
	clear(s.deciding)
	for _, c := range b.changed {
		s.changed(c.event)
	}
	s.expiredSlots = append(s.expiredSlots, b.drop...)
	s.trimAsked = s.trimAsked || b.trim.asked
	s.wakeWriter() // try again when the outage allows
}

func (r *request) finish(err error) {
	r.err = err
	close(r.done)
}
