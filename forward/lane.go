package forward

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

const (
	// leaseMargin is how much longer a lease is than the attempt's timeout: time to
	// receive the lease and to tell the store the result.
	leaseMargin = 10 * time.Second
	// storeTimeout bounds one call of the store. It is well below leaseMargin, so that a
	// slow claim still leaves enough of the lease for the attempt.
	storeTimeout = 5 * time.Second

	// pollInterval is the longest time between two claims of a pump. Polling finds due
	// deliveries of which this process is not told: those of nodes that died, and
	// retries that another node scheduled.
	pollInterval = 10 * time.Second

	// If the store says that a delivery is due but does not hand it out, the pump asks
	// again after recheckMin, then after twice that, and so on up to recheckMax. Either
	// the store's clock is behind ours, or the retries have used up their share.
	recheckMin = 20 * time.Millisecond
	recheckMax = time.Second

	// If the store fails, the pump asks again after outageMin, then after twice that, and
	// so on up to outageMax.
	outageMin = 100 * time.Millisecond
	outageMax = 5 * time.Second
)

// lane is the queue of one destination at work: its slots and its pump.
type lane struct {
	queue Queue
	dest  Destination // defaults filled in
	opts  Options     // defaults filled in
	log   *zap.Logger

	retryShare int           // how many slots retries may take
	lease      time.Duration // of a delivery, from claim or acceptance

	ctx     context.Context // ends when attempts in flight are to be given up
	cancel  context.CancelFunc
	wake    chan struct{}  // nudges the pump; holds one, for there is nothing to count
	quit    chan struct{}  // closed: the pump ends
	drained chan struct{}  // closed: stopping, and every slot is free
	jobs    chan job       // to workers that are idle
	wg      sync.WaitGroup // the pump and the workers

	mu       sync.Mutex
	running  bool
	stopping bool // no new claims, no new reservations
	aborted  bool // no new workers start
	taken    int  // slots in use: reserved, held for a claim, or working
	retries  int  // of those, the ones working on a delivery that was attempted before
	asked    bool // something became due: claim, whatever claimAt says
	// backlog says that due deliveries wait in the store until attempts may be
	// made: for a slot, a token, the breaker. They go before newcomers: while it
	// is set nothing is reserved, and every slot that becomes free wakes the pump.
	backlog bool
	// heldBack says that due retries wait for one of the slots that retries
	// may take. First attempts do not wait with them.
	heldBack bool
	claimAt  time.Time // when the pump claims next, unless asked earlier

	pace pace
	// retryClaims counts the claims in a row that brought only retries, for as
	// long as tokens are short.
	retryClaims int
	breaker     breaker
	turns       turns
	announcing  bool // a goroutine is announcing the breaker's changes
}

func newLane(q Queue, dest Destination, o Options) *lane {
	dest.Retry = dest.Retry.withDefaults()
	if dest.Timeout == 0 {
		dest.Timeout = DefaultTimeout
	}
	if dest.MaxInFlight == 0 {
		dest.MaxInFlight = DefaultMaxInFlight
	}
	l := &lane{
		queue:      q,
		dest:       dest,
		opts:       o,
		log:        o.Logger.With(zap.String("endpoint", dest.Lane.Endpoint), zap.String("destination", dest.Lane.Destination)),
		retryShare: max(1, dest.MaxInFlight*3/4), // below MaxInFlight, unless that is 1
		lease:      dest.Timeout + leaseMargin,
		wake:       make(chan struct{}, 1),
		quit:       make(chan struct{}),
		drained:    make(chan struct{}),
		jobs:       make(chan job),
		asked:      true, // what the store holds from before
		pace:       newPace(dest.Rate),
		breaker:    newBreaker(dest.Breaker, o.Now()),
	}
	// All that the lane does descends from this context. It lives until Stop: longer than
	// the request or the configuration that created the lane.
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start begins pumping. It is called at most once, and not after stop.
func (l *lane) start() {
	l.mu.Lock()
	l.running = true
	l.wg.Add(1)
	l.mu.Unlock()
	safe.Go(l.log, "dispatcher: pump", func() {
		defer l.wg.Done()
		safe.Loop(l.quit, l.log, "dispatcher: pump", l.pump)
	})
}

// stop ends claiming and reserving. Idempotent.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return
	}
	l.stopping = true
	close(l.quit)
	if l.taken == 0 {
		close(l.drained)
	}
}

// abort gives up the attempts in flight. Idempotent; stop comes first.
func (l *lane) abort() {
	l.mu.Lock()
	l.aborted = true // from here on nobody adds to wg
	l.mu.Unlock()
	l.cancel()
}

// nudge wakes the pump, if it sleeps.
func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // a nudge is waiting already; the pump will see this one's cause too
	}
}

// ask makes the pump claim as soon as it can.
func (l *lane) ask() {
	l.mu.Lock()
	l.asked = true
	waiting := l.backlog // until attempts may be made: no use in waking it now
	l.mu.Unlock()
	if !waiting {
		l.nudge()
	}
}

// askAt makes the pump claim at t, unless it would earlier.
func (l *lane) askAt(t time.Time) {
	now := l.opts.Now()
	t = now.Add(t.Sub(now)) // see plan
	l.mu.Lock()
	earlier := t.Before(l.claimAt)
	if earlier {
		l.claimAt = t
	}
	l.mu.Unlock()
	if earlier {
		l.nudge()
	}
}

// reserve takes a slot for a newcomer.
func (l *lane) reserve() (generation uint64, ok bool) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.admits(now) {
		return 0, false
	}
	return l.hold(1), true
}

// admits reports whether there is a slot for a newcomer.
func (l *lane) admits(now time.Time) bool {
	return l.running && !l.stopping && !l.backlog && l.room(now) > 0
}

// room returns how many more attempts may be started now.
func (l *lane) room(now time.Time) int {
	return max(0, min(l.dest.MaxInFlight-l.taken, l.breaker.room(), l.pace.room(now)))
}

// hold takes slots, and for each a token and a right of the breaker in its present
// generation. There must be room for them.
func (l *lane) hold(slots int) (generation uint64) {
	l.taken += slots
	l.pace.take(slots)
	l.breaker.take(slots)
	return l.breaker.generation
}

// giveBack undoes hold for slots with which no attempt was started.
func (l *lane) giveBack(slots, retries int, generation uint64) {
	l.mu.Lock()
	l.pace.giveBack(slots)
	l.breaker.giveBack(slots, generation)
	l.mu.Unlock()
	l.free(slots, retries)
}

// free gives slots back. retries is how many of them worked on retries.
func (l *lane) free(slots, retries int) {
	if slots == 0 {
		return
	}
	l.mu.Lock()
	l.taken -= slots
	l.retries -= retries
	if retries > 0 && l.heldBack {
		l.heldBack = false
		l.asked = true
	}
	l.callNext()
	wanted := l.backlog || l.asked
	if l.stopping && l.taken == 0 {
		close(l.drained) // once: nothing is taken any more after stop
	}
	l.mu.Unlock()
	if wanted {
		l.nudge()
	}
}

// judge tells the breaker how an attempt ended. The attempt was started in the
// generation.
func (l *lane) judge(alive bool, generation uint64, began, now time.Time) {
	l.mu.Lock()
	l.turns.took(now.Sub(began))
	changed := l.breaker.ended(alive, generation, now)
	l.mu.Unlock()
	if changed {
		l.nudge() // the pump has another time to wait for, or none
		l.announce()
	}
}

// announce logs the breaker's changes and tells the observer, in their order. If another
// goroutine is already announcing, that one will announce these changes too.
func (l *lane) announce() {
	l.mu.Lock()
	if l.announcing {
		l.mu.Unlock()
		return
	}
	l.announcing = true
	for len(l.breaker.changes) > 0 {
		c := l.breaker.changes[0]
		l.breaker.changes = l.breaker.changes[1:]
		l.mu.Unlock()
		l.logBreaker(c.to)
		l.tellObserver(func(o Observer) { o.BreakerChanged(l.dest.Lane, c.from, c.to) })
		l.mu.Lock()
	}
	l.announcing = false
	l.mu.Unlock()
}

// tellObserver calls the observer. It logs a panic of the observer, which has no other
// effect.
func (l *lane) tellObserver(what func(Observer)) {
	_ = safe.Do(l.log, "dispatcher: observer", func() { what(l.opts.Observer) })
}

// logBreaker writes the one line about a change of the breaker's state.
func (l *lane) logBreaker(to BreakerState) {
	switch to.State {
	case BreakerOpen:
		l.log.Warn("breaker opened: the destination fails; its deliveries are held",
			zap.Int("failures", to.Failures), zap.Time("until", to.Until))
	case BreakerHalfOpen:
		l.log.Info("breaker is half-open: probing the destination", zap.Int("probes", l.breaker.conf.Probes))
	default:
		l.log.Info("breaker closed: the destination is back")
	}
}
