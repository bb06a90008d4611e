package forward

import (
	"slices"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// patience bounds how long a newcomer waits for a slot.
const patience = 50 * time.Millisecond

// reserveSoon is reserve for an event that can wait a moment. If all slots of the lane are
// taken, but attempts are so short that one will be free within some milliseconds, it
// waits for a slot, for patience at most. An event that goes the short way spares the
// store a claim and a read. If newcomers never waited, a lane that was once overloaded
// would use the long way for as long as the load lasts. There is no wait if the
// destination is slow, has a rate or an open breaker, or if many events are stored
// already.
//
// The caller must not hold a slot of another lane: that slot would be idle meanwhile.
func (d *Dispatcher) reserveSoon(l retrystore.Lane) (s slot, ok bool) {
	lane := d.lanes[l]
	if lane == nil {
		return slot{}, false
	}
	generation, ok := lane.reserveSoon()
	if !ok {
		return slot{}, false
	}
	return slot{lane: lane, generation: generation}, true
}

// turns are the newcomers that wait for a slot, in their order, and the numbers by which
// reserveSoon decides whether to wait. The lane's lock guards them.
type turns struct {
	waiting  []chan uint64 // each gets the breaker's generation with its slot
	attempt  time.Duration // how long attempts take, an average in which the latest count most; 0: not known
	overflow int           // about how many newcomers were turned away and were not claimed yet
}

// took notes how long an attempt took.
func (t *turns) took(d time.Duration) {
	if t.attempt == 0 {
		t.attempt = d
	}
	t.attempt += (d - t.attempt) / 8
}

// near reports whether one more newcomer would get one of the slots in time, after the
// newcomers before it.
func (t *turns) near(slots int) bool {
	before := t.overflow + len(t.waiting)
	return t.attempt > 0 && t.attempt <= patience && t.attempt*time.Duration(before+1) <= patience*time.Duration(slots)
}

// leave removes a newcomer, unless it got its slot already.
func (t *turns) leave(turn chan uint64) (left bool) {
	i := slices.Index(t.waiting, turn)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	return i >= 0
}

// reserveSoon takes a slot for a newcomer, if necessary after a wait.
func (l *lane) reserveSoon() (generation uint64, ok bool) {
	l.mu.Lock()
	now := l.opts.Now()
	if len(l.turns.waiting) == 0 && l.admits(now) {
		defer l.mu.Unlock()
		return l.hold(1), true
	}
	if !l.running || l.stopping || l.breaker.state.State != BreakerClosed || l.dest.Rate > 0 || !l.turns.near(l.dest.MaxInFlight) {
		defer l.mu.Unlock()
		l.turns.overflow++
		return 0, false
	}
	turn := make(chan uint64, 1)
	l.turns.waiting = append(l.turns.waiting, turn)
	l.mu.Unlock()
	return l.await(turn)
}

// await waits for a turn.
func (l *lane) await(turn chan uint64) (generation uint64, ok bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case generation = <-turn:
		return generation, true
	case <-timer.C:
	case <-l.quit:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns.leave(turn) {
		l.turns.overflow++
		return 0, false
	}
	return <-turn, true
}

// callNext gives free slots to newcomers that wait. The caller holds mu.
func (l *lane) callNext() {
	for len(l.turns.waiting) > 0 && l.admits(l.opts.Now()) {
		l.turns.waiting[0] <- l.hold(1)
		l.turns.waiting = l.turns.waiting[1:]
	}
}
