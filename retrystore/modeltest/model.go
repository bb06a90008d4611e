package modeltest

import (
	"math"
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Durations, in ticks. None is a multiple of the step by which time passes, so
// that nothing ends in the very moment in which something is tried.
const (
	stepTicks  = 4  // what Advance lets pass
	leaseTicks = 6  // lapses with the second step
	retryTicks = 2  // due after one step
	holdTicks  = 6  // like leases
	keyTicks   = 10 // forgotten with the third step
)

// never is a time that does not come, always one before all others.
const (
	never  = math.MaxInt
	always = math.MinInt
)

// Rules say what the contract leaves to the backend.
type Rules struct {
	// Forgets says that a crash may forget results that no durable write
	// followed. What is durable (an Accept, a Replay, …) carries the results
	// before it.
	Forgets bool
	// LeasesOutlive says that leases and holds go on when the store is closed, or
	// its process dies; else they end.
	LeasesOutlive bool
	// ClaimsInSteps says that Claim chooses first, and then leases what is still
	// due: what others change meanwhile may come in another order than it should.
	ClaimsInSteps bool
	// CountsKeys says that Stats counts every remembered key.
	CountsKeys bool
	// ServerClock says that Harness.Advance moves only the clock of a server, by
	// which the store goes, and Harness.Now stays.
	ServerClock bool
}

// state is everything that matters of a store. Times are ticks since the start.
type state struct {
	rules  Rules
	now    int
	events []event // in the order of acceptance
	keys   []keyState
	looked bool // nothing lapsed or became due since everything was looked at
}

// event is one that was accepted. It stays here after its end as long as a crash
// may forget that.
type event struct {
	name       int // of the Accept that stored it
	at         int
	deliveries []delivery
}

// removed is the state of a delivery that was deleted while siblings are left.
const removed = retrystore.Dead + 1

type delivery struct {
	lane     string
	priority int
	fate     string // the reason of one that was stored as a dead letter
	progress
	token int // number of the latest lease while it is good for something; 0: none
	until int // while leased: when it lapses
	// saved are the versions of which a crash leaves one. The last is the latest.
	saved   []progress
	history []attempt // of which progress.attempts count
}

// progress is what outlives the process.
type progress struct {
	state    retrystore.State
	attempts int
	last     Result // of the latest attempt; 0: none
	budget   int    // attempts when the budget began
	since    int    // when that was
	// While pending it is due at a time from due to dueLatest. They differ where
	// the contract does not say since when a delivery counts as due: after its
	// lease lapsed, or a restart.
	due, dueLatest int
}

type attempt struct {
	result Result
	at     int
}

// keyState is what is known of an event key.
type keyState struct {
	expires int // until then it is remembered
	owner   int // name of the event that was accepted with it; 0: it was committed
	hold    int // number of the latest hold while it is good for something; 0: none
	until   int // when that lapses
}

func newState(rules Rules, keys int) *state {
	return &state{rules: rules, keys: make([]keyState, keys), looked: true}
}

func (s *state) clone() *state {
	c := *s
	c.keys = slices.Clone(s.keys)
	c.events = make([]event, len(s.events))
	for i, e := range s.events {
		e.deliveries = slices.Clone(e.deliveries)
		for j := range e.deliveries {
			d := &e.deliveries[j]
			d.saved, d.history = slices.Clip(d.saved), slices.Clip(d.history)
		}
		c.events[i] = e
	}
	return &c
}

// event returns the event of this name, or nil.
func (s *state) event(name int) *event {
	for i := range s.events {
		if s.events[i].name == name {
			return &s.events[i]
		}
	}
	return nil
}

// find returns a delivery that people and workers can see, or nil.
func (s *state) find(name, target int) *delivery {
	e := s.event(name)
	if e == nil || e.finished() || target >= len(e.deliveries) || e.deliveries[target].state == removed {
		return nil
	}
	return &e.deliveries[target]
}

func (s *state) key(number int) *keyState { return &s.keys[number-1] }

func (s *state) remembers(number int) bool { return s.key(number).expires > s.now }

// held reports whether a caller holds the key.
func (s *state) held(number int) bool {
	k := s.key(number)
	return k.hold != 0 && k.until > s.now
}

// full says that a lane has as many open deliveries as it may.
func (s *state) full(lane string, bound int) bool {
	n := 0
	for _, e := range s.events {
		for _, d := range e.deliveries {
			n += bit(d.lane == lane && (d.state == retrystore.Pending || d.state == retrystore.Leased))
		}
	}
	return bound > 0 && n >= bound
}

// occupied says that something is stored that was not delivered or removed.
func (s *state) occupied() bool {
	return slices.ContainsFunc(s.events, func(e event) bool { return !e.finished() })
}

// finished reports whether the event cannot be seen any more.
func (e *event) finished() bool {
	return !slices.ContainsFunc(e.deliveries, func(d delivery) bool { return d.state != retrystore.Delivered && d.state != removed })
}

// first is Receipt.First of a repetition.
func (e *event) first() retrystore.State {
	first := retrystore.Delivered
	for _, d := range e.deliveries {
		switch d.state {
		case retrystore.Pending, retrystore.Leased:
			return retrystore.Pending
		case retrystore.Dead:
			first = retrystore.Dead
		}
	}
	return first
}

// pend makes d pending and due at a time that is known.
func (d *delivery) pend(due int) {
	d.state, d.due, d.dueLatest = retrystore.Pending, due, due
}

// save notes the progress of d as what a store will keep.
func (s *state) save(d *delivery) {
	if !s.rules.Forgets {
		d.saved = nil
	}
	d.saved = append(slices.Clip(d.saved), d.progress)
}

// flush makes all results durable, and forgets the events that have ended.
func (s *state) flush() {
	for i := range s.events {
		for j := range s.events[i].deliveries {
			d := &s.events[i].deliveries[j]
			d.saved = d.saved[len(d.saved)-1:]
		}
	}
	s.events = slices.DeleteFunc(s.events, func(e event) bool { return e.finished() })
}

// settled ends an event if nothing is left of it to wait for.
func (s *state) settled() {
	if !s.rules.Forgets {
		s.flush()
	}
}

// advance lets time pass. A delivery whose lease lapses is pending, but its token stays
// valid until another worker takes the delivery.
func (s *state) advance(ticks int) {
	before := s.now
	s.now += ticks
	for i := range s.events {
		for j := range s.events[i].deliveries {
			d := &s.events[i].deliveries[j]
			switch {
			case d.state == retrystore.Leased && d.until <= s.now:
				d.state, d.due, d.dueLatest = retrystore.Pending, d.until, never
				s.looked = false
			case d.state == retrystore.Pending && d.due > before && d.due <= s.now:
				s.looked = false
			}
		}
	}
}

// retrying says that d was tried before.
func (d *delivery) retrying() bool { return d.attempts > 0 }

// dueNow says that a Claim may take d.
func (s *state) dueNow(d *delivery) bool { return d.state == retrystore.Pending && d.due <= s.now }

// before says that a Claim must take d before other.
func (d *delivery) before(other *delivery) bool {
	switch {
	case d.priority != other.priority:
		return d.priority > other.priority
	case d.retrying() != other.retrying():
		return !d.retrying()
	}
	return d.dueLatest < other.due
}
