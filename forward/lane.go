package forward

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const (
	// leaseMargin is by how much a lease outlasts the attempt's timeout: time
	// to receive the lease and to tell the store the result.
	leaseMargin = 10 * time.Second
	// storeTimeout bounds one call of the store. It is well below leaseMargin,
	// so that a claim that was long on its way still leaves the attempt its time.
	storeTimeout = 5 * time.Second

	// pollInterval is how long a pump goes without asking the store. It finds
	// what nobody tells this process about: leases of nodes that died, retries
	// that another node scheduled.
	pollInterval = 10 * time.Second

	// A store that says that something is due but does not hand it out (its
	// clock is behind ours, or the retries have used up their share) is asked
	// again after recheckMin, then twice that, … up to recheckMax.
	recheckMin = 20 * time.Millisecond
	recheckMax = time.Second

	// A store that fails is tried again after outageMin, then twice that, … up
	// to outageMax.
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
	wg      sync.WaitGroup // the pump and the workers

	mu       sync.Mutex
	running  bool
	stopping bool // no new claims, no new reservations
	aborted  bool // no new workers
	taken    int  // slots in use: reserved, held for a claim, or working
	retries  int  // of those, the ones working on a delivery that was attempted before
	asked    bool // something became due: claim, whatever claimAt says
	// backlog says that due deliveries wait in the store for a slot. They go
	// before newcomers: while it is set nothing is reserved, and every slot
	// that becomes free wakes the pump.
	backlog bool
	// heldBack says that due retries wait for one of the slots that retries
	// may take. First attempts do not wait with them.
	heldBack bool
	claimAt  time.Time // when the pump claims next, unless asked earlier
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
		asked:      true, // what the store holds from before
	}
	// The root of everything the lane does: it lives until Stop, not as long
	// as the request or the configuration that happened to create it.
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start begins pumping. It is called at most once, and not after stop.
func (l *lane) start() {
	l.mu.Lock()
	l.running = true
	l.wg.Add(1)
	l.mu.Unlock()
	go l.pump()
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
	waiting := l.backlog // for a slot: no use in waking it now
	l.mu.Unlock()
	if !waiting {
		l.nudge()
	}
}

// askAt makes the pump claim at t, unless it would earlier.
func (l *lane) askAt(t time.Time) {
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
func (l *lane) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running || l.stopping || l.backlog || l.taken >= l.dest.MaxInFlight {
		return false
	}
	l.taken++
	return true
}

// free gives slots back; retries of them worked on retries.
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
	wanted := l.backlog || l.asked
	if l.stopping && l.taken == 0 {
		close(l.drained) // once: nothing is taken any more after stop
	}
	l.mu.Unlock()
	if wanted {
		l.nudge()
	}
}

// work starts a worker, which gives the slot back when it is done. It reports
// false when it is too late for that.
func (l *lane) work(d *retrystore.Delivery, leasedAt time.Time, retries int) bool {
	l.mu.Lock()
	if l.aborted {
		l.mu.Unlock()
		return false
	}
	l.wg.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.wg.Done()
		defer l.free(1, retries)
		l.deliver(d, leasedAt.Add(l.lease))
	}()
	return true
}

// Slot is the right to deliver one event that is about to be stored. It ends
// with the first call of Run or Cancel; later calls do nothing, so that
// Cancel may be deferred.
type Slot struct {
	lane *lane
	used atomic.Bool
}

// Lease is how long the delivery must be leased (retrystore.Target.Lease).
func (s *Slot) Lease() time.Duration { return s.lane.lease }

// Run delivers d, which was just stored leased for Lease. It does not wait for
// that, unless the dispatcher was stopped meanwhile: then d is given back to
// the store before Run returns.
func (s *Slot) Run(d *retrystore.Delivery) {
	if s.used.Swap(true) {
		return
	}
	l := s.lane
	if !l.work(d, l.opts.Now(), 0) {
		l.release(d)
		l.free(1, 0)
	}
}

// Cancel gives the slot back, such as when the event could not be stored.
func (s *Slot) Cancel() {
	if !s.used.Swap(true) {
		s.lane.free(1, 0)
	}
}
