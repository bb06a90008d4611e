package filestore

import (
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// lane holds the deliveries of one destination: each pending or leased one is
// in exactly one queue, dead and delivered ones are only counted.
type lane struct {
	name     retrystore.Lane
	stored   *stored // of its endpoint
	queues   [queueCount]queue
	dead     int
	settled  int // delivered, while siblings keep the event
	retrying int // pending with attempts behind them
	reserved int // open ones that are being written
}

type queueName uint8

const (
	queueFuture  queueName = iota // pending, due later; by due time
	queueFirst                    // pending, due, never tried; by priority, then due
	queueRetries                  // pending, due, tried before; by priority, then due
	queueLeased                   // leased; by end of the lease
	queueCount
	queueNone
)

func newLane(name retrystore.Lane) *lane {
	l := &lane{name: name}
	for _, q := range []queueName{queueFuture, queueLeased} {
		l.queues[q].less = earlier
	}
	for _, q := range []queueName{queueFirst, queueRetries} {
		l.queues[q].less = moreUrgent
	}
	return l
}

func earlier(a, b *delivery) bool {
	if a.when != b.when {
		return a.when < b.when
	}
	if a.event.seq != b.event.seq {
		return a.event.seq < b.event.seq
	}
	return a.target < b.target
}

func moreUrgent(a, b *delivery) bool {
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return earlier(a, b)
}

func (l *lane) pending() int {
	return l.queues[queueFuture].len() + l.queues[queueFirst].len() + l.queues[queueRetries].len()
}

func (l *lane) leased() int { return l.queues[queueLeased].len() }

// open counts towards Submission.MaxPending.
func (l *lane) open() int { return l.pending() + l.leased() + l.reserved }

// hasRoom says that one more may wait. A bound of zero is none.
func (l *lane) hasRoom(bound int) bool { return bound <= 0 || l.open() < bound }

// add queues and counts d by its state. Every change of a delivery is remove,
// change, add, so that queues and counts cannot drift apart.
func (l *lane) add(d *delivery, now instant) {
	d.queue = queueNone
	switch d.state {
	case pending:
		switch {
		case d.when > now.wall:
			d.queue = queueFuture
		case d.attempts == 0:
			d.queue = queueFirst
		default:
			d.queue = queueRetries
		}
		if d.attempts > 0 {
			l.retrying++
		}
	case leased:
		d.queue = queueLeased
	case dead:
		l.dead++
	case delivered:
		l.settled++
	}
	if d.queue != queueNone {
		l.queues[d.queue].push(d)
	}
}

// remove is the inverse of add.
func (l *lane) remove(d *delivery) {
	if d.queue != queueNone {
		l.queues[d.queue].remove(d)
		d.queue = queueNone
	}
	switch d.state {
	case pending:
		if d.attempts > 0 {
			l.retrying--
		}
	case dead:
		l.dead--
	case delivered:
		l.settled--
	}
}

// advance moves what became due, and the deliveries of lapsed leases, to where
// Claim finds them.
func (l *lane) advance(now instant) {
	for {
		d := l.queues[queueFuture].top()
		if d == nil || d.when > now.wall {
			break
		}
		l.remove(d)
		l.add(d, now)
	}
	for {
		d := l.queues[queueLeased].top()
		if d == nil || d.when > now.mono {
			break
		}
		l.remove(d)
		d.state = pending
		d.when = now.wall // the token stays: see delivery.token
		l.add(d, now)
	}
}

// take removes the next delivery to try, or returns nil. retries says whether
// it may be one that was tried before.
func (l *lane) take(retries bool) *delivery {
	d := l.queues[queueFirst].top()
	if retries {
		// At equal priority first attempts go before retries.
		if r := l.queues[queueRetries].top(); d == nil || r != nil && r.priority > d.priority {
			d = r
		}
	}
	if d != nil {
		l.remove(d)
	}
	return d
}

// next is Claim.Next.
func (s *Store) next(l *lane, now instant) time.Time {
	if l.queues[queueFirst].len() > 0 || l.queues[queueRetries].len() > 0 {
		return s.options.Now()
	}
	// Retries are due by the wall clock, and leases end by the monotonic one. So compare
	// how far away both are.
	wait := int64(-1)
	if d := l.queues[queueFuture].top(); d != nil {
		wait = max(0, d.when-now.wall)
	}
	if d := l.queues[queueLeased].top(); d != nil {
		if until := max(0, d.when-now.mono); wait < 0 || until < wait {
			wait = until
		}
	}
	if wait < 0 {
		return time.Time{}
	}
	return s.options.Now().Add(time.Duration(wait) * time.Millisecond)
}

// follow notices when the wall clock was put back. It moves the times of later retries by
// as much, so that a retry in a minute is still due in a minute. A clock that was put
// forward only makes retries due early. The caller holds mu.
func (s *Store) follow(now instant) {
	offset := now.wall - now.mono
	if back := s.offset - offset; back >= clockSlack {
		for _, l := range s.index.lanes {
			for _, d := range l.queues[queueFuture].items { // all alike: the heap stays one
				d.when -= back
			}
		}
	}
	if gap := s.offset - offset; gap >= clockSlack || gap <= -clockSlack {
		s.offset = offset
	}
}

// clockSlack is by how many milliseconds the clocks may differ more than before until
// that is a step: NTP slews by less than a millisecond a second.
const clockSlack = 1000

// queue is a binary heap of deliveries that know their position.
type queue struct {
	less  func(a, b *delivery) bool
	items []*delivery
}

func (q *queue) len() int { return len(q.items) }

func (q *queue) top() *delivery {
	if len(q.items) == 0 {
		return nil
	}
	return q.items[0]
}

func (q *queue) push(d *delivery) {
	q.items = append(q.items, d)
	d.position = int32(len(q.items) - 1)
	q.up(len(q.items) - 1)
}

func (q *queue) remove(d *delivery) {
	i, last := int(d.position), len(q.items)-1
	q.swap(i, last)
	q.items[last] = nil
	q.items = q.items[:last]
	if i < last {
		q.down(i)
		q.up(i)
	}
}

func (q *queue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.less(q.items[i], q.items[parent]) {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *queue) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(q.items); c++ {
			if q.less(q.items[c], q.items[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}

func (q *queue) swap(i, j int) {
	q.items[i], q.items[j] = q.items[j], q.items[i]
	q.items[i].position, q.items[j].position = int32(i), int32(j)
}
