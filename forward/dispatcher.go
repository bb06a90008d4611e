// Package forward gets stored deliveries to the application: it leases due deliveries,
// tries them through a Sender, classifies the results and tells the store.
//
// Each destination is a lane with its own slots (deliveries in flight) and its
// own pump (the goroutine that claims what is due), so that a slow or dead
// destination harms no other. A new event takes the short way: Accept reserves a
// slot, stores the event already leased, and hands it to a worker. All other
// deliveries (retries, lapsed leases, overflow, other nodes' work) come through
// the pump.
//
// A Dispatcher is made by New, works from Start to Stop, and takes events by
// Accept. Breakers tells how its destinations stand.
package forward

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Sender makes one attempt at a delivery.
type Sender interface {
	// Send gives d to the application and returns its answer. d.Attempts is
	// the number of finished attempts: this is number d.Attempts+1. Send must
	// not change d and must return soon after ctx ends: its slot is taken
	// until then, and Stop waits for it.
	//
	// An error means that there was no whole answer; Answer.Status is then
	// recorded but not believed. A panic is recorded like an error, and so is
	// the end of the goroutine by runtime.Goexit.
	// Send is called from many goroutines at once.
	Send(ctx context.Context, d *retrystore.Delivery) (Answer, error)
}

// Answer is what the destination said to an attempt: with an HTTP status, or, where it has none, as a
// queue, with Taken or Refused.
type Answer struct {
	// Taken is whether a destination without statuses has confirmed that it keeps the delivery.
	Taken bool
	// Refused says in a word why a destination without statuses will never take the delivery, which is then
	// dead for that reason; empty: it may take the delivery later.
	Refused string

	Status     int    // HTTP status; 0 if there was none
	RetryAfter string // the Retry-After header as it came; empty if there was none
	// Cause is the error of a handler that refused, if Status comes from that error and
	// not from a written answer. It is kept as the attempt's error; the outcome does not
	// depend on it.
	Cause error
	// Header may be nil. It is not stored: it is for the done of Accept, which may relay
	// the answer. The receiver owns it.
	Header http.Header
	// Body is the beginning of the answer's body, of any length. The history
	// keeps its first retrystore.MaxAnswer bytes. The receiver owns it.
	Body []byte
}

// Queue is the part of a retrystore.Store that the dispatcher needs. The dispatcher never
// renews a lease: leases are longer than the timeout of an attempt.
type Queue interface {
	retrystore.Acceptor
	Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error)
	Settle(ctx context.Context, d *retrystore.Delivery, s retrystore.Settlement) error
	Release(ctx context.Context, d *retrystore.Delivery) error
	Notify(wake func(retrystore.Lane)) (stop func())
}

// Observer learns what happens, for metrics. Its methods are called from many
// goroutines at once, must return quickly and must not change d.
type Observer interface {
	// Attempted is called after every attempt that had an outcome (shutdown is
	// none), before the store learns of it. s.State is Delivered, Pending (it will
	// be tried again) or Dead; s.Attempt is filled in.
	Attempted(d *retrystore.Delivery, s retrystore.Settlement)
	// Settled is called after the store has taken the settlement.
	Settled(d *retrystore.Delivery, s retrystore.Settlement)
	// LeaseLost is called if the store refuses a settlement because another worker holds
	// the delivery, or because it is gone. The delivery may be made twice.
	LeaseLost(d *retrystore.Delivery)
	// BreakerChanged is called after each change of a breaker's state. The changes of one
	// lane are told one at a time, in their order.
	BreakerChanged(l retrystore.Lane, from, to BreakerState)
}

// Defaults and bounds of a Destination.
const (
	DefaultTimeout     = 30 * time.Second
	DefaultMaxInFlight = 32
	MaxRate            = 1e6 // attempts per second: more is a slip
)

// Destination is where the deliveries of one lane go, and how.
type Destination struct {
	Lane   retrystore.Lane // unique in a dispatcher
	Sender Sender
	Retry  Retry
	// DeadOn are the statuses, from 300 to 599, that are not worth a retry. nil: 410.
	// Empty but not nil: none.
	DeadOn []int
	// Timeout bounds one attempt. Default: 30s.
	Timeout time.Duration
	// MaxInFlight is how many deliveries may be tried at once. Retries take at
	// most three quarters of it and, unless it is 1, never all of it.
	// Default: 32.
	MaxInFlight int
	// Rate is how many attempts per second may be started, retries included.
	// Deliveries above the rate wait in the store without a lease, higher priority
	// first. Attempts are evenly spaced; only after a pause may those of a tenth of a
	// second, or one, start at once. If retries of a higher priority are due, every
	// fourth claim still asks for first attempts only. Each process counts by itself.
	// Zero: no limit; at most MaxRate.
	Rate float64
	// Breaker says when the destination gets no attempts because it fails.
	Breaker Breaker
}

// Validate reports everything that is wrong with the settings, or nil. It names each setting as
// the config does. It looks at neither Lane nor Sender.
func (t *Destination) Validate() error {
	var errs []error
	if t.MaxInFlight < 0 {
		errs = append(errs, fmt.Errorf("max_in_flight is %d: want a positive number", t.MaxInFlight))
	}
	if t.Timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout is %s: want a positive duration", t.Timeout))
	}
	errs = append(errs, validateRate(t.Rate), ValidateDeadOn(t.DeadOn), t.Breaker.Validate(), t.Retry.Validate())
	return errors.Join(errs...)
}

// ValidateDeadOn refuses statuses that no failed attempt has; see Destination.DeadOn.
func ValidateDeadOn(statuses []int) error {
	var errs []error
	for _, status := range statuses {
		if status < 300 || status > 599 {
			errs = append(errs, fmt.Errorf("dead_on %d: want statuses from 300 to 599", status))
		}
	}
	return errors.Join(errs...)
}

// Options are a dispatcher's log, clock, randomness and observer. The zero value is usable.
type Options struct {
	Logger   *zap.Logger      // default: none
	Now      func() time.Time // default: time.Now
	Rand     func() float64   // in [0, 1), for jitter, safe for concurrent use; default: math/rand/v2
	Observer Observer         // default: none
}

// withDefaults fills the zero fields.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	return o
}

// Dispatcher delivers. It is safe for concurrent use.
type Dispatcher struct {
	queue Queue
	log   *zap.Logger
	lanes map[retrystore.Lane]*lane // never changed after New

	mu         sync.Mutex
	started    bool
	stopped    bool
	stopNotify func() // set while registered with the queue
}

// New makes a dispatcher. It delivers after Start. The error names everything that is
// wrong with the destinations.
func New(q Queue, dests []Destination, o Options) (*Dispatcher, error) {
	if q == nil {
		return nil, errors.New("dispatcher: no queue")
	}
	o = o.withDefaults()
	d := &Dispatcher{queue: q, log: o.Logger, lanes: make(map[retrystore.Lane]*lane, len(dests))}
	var errs []error
	for _, dest := range dests {
		err := dest.Validate()
		if dest.Sender == nil {
			err = errors.Join(err, errors.New("no sender"))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("destination %s: %w", dest.Lane, err))
			continue
		}
		if d.lanes[dest.Lane] != nil {
			errs = append(errs, fmt.Errorf("destination %s: configured twice", dest.Lane))
			continue
		}
		d.lanes[dest.Lane] = newLane(q, dest, o)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("dispatcher: %w", err)
	}
	return d, nil
}

// Start begins to deliver. Only the first call has an effect, and only before Stop.
func (d *Dispatcher) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started || d.stopped {
		return
	}
	d.started = true
	// Register before the first claim, so that no delivery is missed in between.
	d.stopNotify = d.queue.Notify(d.wake)
	for _, l := range d.lanes {
		l.start()
	}
}

// Stop ends delivering. From its call on nothing is claimed, and what is accepted is stored only. It
// waits for attempts in flight, and for calls of Accept that hold slots, until ctx ends; then it
// cancels the attempts and gives their deliveries back to the store, with no
// attempt spent. When it returns, every goroutine of the dispatcher has ended;
// after ctx that takes as long as the Senders and the store need to notice.
//
// Stop may be called before Start, twice, and concurrently; the ctx that ends
// first counts. A slot that is Run afterwards gives its delivery back.
func (d *Dispatcher) Stop(ctx context.Context) {
	d.mu.Lock()
	d.stopped = true
	stopNotify := d.stopNotify
	d.stopNotify = nil
	d.mu.Unlock()

	if stopNotify != nil {
		stopNotify()
	}
	for _, l := range d.lanes {
		l.stop()
	}
	for _, l := range d.lanes {
		select {
		case <-l.drained:
		case <-ctx.Done():
		}
	}
	for _, l := range d.lanes {
		l.abort()
	}
	for _, l := range d.lanes {
		l.wg.Wait()
	}
}

// wake makes the lane's pump ask the store. It does not block.
func (d *Dispatcher) wake(l retrystore.Lane) {
	if lane := d.lanes[l]; lane != nil {
		lane.ask()
	}
}

// Breakers returns the states of the breakers of all lanes whose breaker is not off.
func (d *Dispatcher) Breakers() map[retrystore.Lane]BreakerState {
	states := make(map[retrystore.Lane]BreakerState, len(d.lanes))
	for name, l := range d.lanes {
		if l.dest.Breaker.Off {
			continue
		}
		l.mu.Lock()
		states[name] = l.breaker.state
		l.mu.Unlock()
	}
	return states
}

// unobserved is the Observer if Options has none.
type unobserved struct{}

func (unobserved) Attempted(*retrystore.Delivery, retrystore.Settlement) {}
func (unobserved) Settled(*retrystore.Delivery, retrystore.Settlement)   {}
func (unobserved) LeaseLost(*retrystore.Delivery)                        {}
func (unobserved) BreakerChanged(_ retrystore.Lane, _, _ BreakerState)   {}
