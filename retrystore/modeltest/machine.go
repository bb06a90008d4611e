package modeltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// machine is a real store, and the states in which it may be by the model.
type machine struct {
	ctx    context.Context
	h      Harness
	store  retrystore.Store
	worlds []*state

	ahead      time.Duration     // of Harness.Now, that its callers have passed
	number     int               // of the latest operation
	deliveries map[string]*bound // by name
	ids        map[string]*bound // every one there ever was
	gone       []*bound          // the latest that nobody can see any more
	holds      [][]hold          // by key, the latest ones
	trace      []Op
}

// bound is a real delivery that has a name in the model.
type bound struct {
	name          string
	event, target int
	id            string
	content       *retrystore.Event
	leases        []lease // the latest ones
	tokens        map[uint64]bool
}

// lease is what a worker has in hand.
type lease struct {
	number   int
	delivery *retrystore.Delivery
}

type hold struct {
	number int
	hold   retrystore.Hold
}

// How many spent leases, holds and ended deliveries each Look tries.
const (
	spentKept = 2
	goneKept  = 2
)

func newMachine(ctx context.Context, h Harness, keys int) (*machine, error) {
	store, err := h.Open()
	if err != nil {
		return nil, err
	}
	return &machine{
		ctx: ctx, h: h, store: store, worlds: []*state{newState(h.Rules, keys)},
		deliveries: make(map[string]*bound), ids: make(map[string]*bound), holds: make([][]hold, keys),
	}, nil
}

func (m *machine) close() error {
	err := m.store.Close()
	if m.h.Close != nil {
		m.h.Close()
	}
	return err
}

// errInapplicable means that an operation refers to what is not there, as it may
// when others were left out of a sequence.
var errInapplicable = errors.New("there is nothing it could be done to")

// do does o, and returns an error that explains the answer if the model does
// not allow it.
func (m *machine) do(o Op) error {
	o, ok := m.resolve(o)
	if !ok {
		return errInapplicable
	}
	m.trace = append(m.trace, o)
	r := m.call(o)
	if err := m.bindAll(o, r); err != nil {
		return err
	}
	answer := m.answer(o, r)
	var next []*state
	var allowed []string
	for _, w := range m.worlds {
		for _, out := range w.step(o) {
			if out.answer == answer {
				next = append(next, out.next)
			} else if !slices.Contains(allowed, out.answer) {
				allowed = append(allowed, out.answer)
			}
		}
	}
	if len(next) == 0 {
		if r.err != nil && o.kind != KindLook {
			answer += fmt.Sprintf(" (%v)", r.err)
		}
		return fmt.Errorf("%s answered: %s\nallowed: %s", o, answer, strings.Join(allowed, "\n     or: "))
	}
	m.worlds = distinct(next)
	m.tidy()
	return nil
}

// resolve numbers o and finds the lease or hold that it is about.
func (m *machine) resolve(o Op) (Op, bool) {
	m.number++
	o.number = m.number
	switch o.kind {
	case KindBoth:
		a, okA := m.resolve(o.both[0])
		b, okB := m.resolve(o.both[1])
		a.loose, b.loose = m.h.Rules.ClaimsInSteps, m.h.Rules.ClaimsInSteps
		o.both = &[2]Op{a, b}
		return o, okA && okB
	case KindAccept:
		return o, m.deliveries[deliveryName(o.event, 0)] == nil
	case KindSettle, KindRenew, KindRelease, KindReplay, KindDelete:
		b := m.deliveries[deliveryName(o.event, o.target)]
		if b == nil {
			return o, false
		}
		if o.kind == KindReplay || o.kind == KindDelete {
			return o, true
		}
		o.token = m.latestLease(b).number
		return o, o.token != 0
	case KindCommit, KindFree, KindRenewKey:
		holds := m.holds[o.key-1]
		if len(holds) == 0 {
			return o, false
		}
		o.token = holds[len(holds)-1].number
		if n := m.worlds[0].key(o.key).hold; slices.ContainsFunc(holds, func(h hold) bool { return h.number == n }) {
			o.token = n
		}
	case KindLook:
		o.shown = m.comparableKeys()
	case KindFlush:
		return o, m.h.Flush != nil
	}
	return o, true
}

// latestLease is that of b that is good for something, or else the latest.
func (m *machine) latestLease(b *bound) (l lease) {
	for _, l = range b.leases {
		if d := m.worlds[0].find(b.event, b.target); d != nil && d.token == l.number {
			return l
		}
	}
	return l
}

// tidy drops what no world knows any more.
func (m *machine) tidy() {
	for name, b := range m.deliveries {
		if slices.ContainsFunc(m.worlds, func(w *state) bool { return w.event(b.event) != nil }) {
			continue
		}
		delete(m.deliveries, name)
		m.gone = append(m.gone, b)
		m.gone = m.gone[max(0, len(m.gone)-goneKept):]
	}
}

// result is what one real operation returned.
type result struct {
	err     error
	receipt retrystore.Receipt
	event   *retrystore.Event
	claim   retrystore.Claim
	hold    retrystore.Hold
	until   time.Time
	seen    string
	both    *[2]result
}

// call does o. Two calls may be under way at once.
func (m *machine) call(o Op) (r result) {
	switch o.kind {
	case KindAccept:
		sub := m.submission(o)
		r.event = sub.Event
		r.receipt, r.err = m.store.Accept(m.ctx, sub)
	case KindClaim:
		r.claim, r.err = m.store.Claim(m.ctx, retrystore.ClaimRequest{
			Lane: lane(o.lane), Max: o.max, MaxRetries: o.retries, Lease: m.duration(leaseTicks),
		})
	case KindSettle, KindRenew, KindRelease:
		// A copy, as in a worker of its own.
		d := *m.leaseNumbered(o).delivery
		r.err = m.work(o, &d)
		r.until = d.Lease.Until
	case KindReplay:
		r.err = m.store.Replay(m.ctx, m.deliveries[deliveryName(o.event, o.target)].id)
	case KindDelete:
		r.err = m.store.Delete(m.ctx, m.deliveries[deliveryName(o.event, o.target)].id)
	case KindHold:
		r.hold, r.err = m.store.HoldKey(m.ctx, realKey(o.key), m.duration(holdTicks))
	case KindCommit, KindFree, KindRenewKey:
		h := m.holdNumbered(o)
		r.err = m.guard(o.kind, &h)
		r.until = h.Until
	case KindBoth:
		r.both = m.together(o.both[0], o.both[1])
	default:
		r.seen, r.err = m.exclusive(o)
	}
	return r
}

// together does two operations at once.
func (m *machine) together(a, b Op) *[2]result {
	var r [2]result
	start, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		close(start)
		r[1] = m.call(b)
	}()
	<-start
	r[0] = m.call(a)
	<-done
	return &r
}

// exclusive does what nothing else is done beside.
func (m *machine) exclusive(o Op) (seen string, err error) {
	switch o.kind {
	case KindAdvance:
		m.h.Advance(m.duration(stepTicks))
		if m.h.Rules.ServerClock {
			m.ahead += m.duration(stepTicks)
		}
	case KindFlush:
		err = m.h.Flush(m.store)
	case KindReopen, KindCrash:
		if o.kind == KindReopen {
			err = m.store.Close()
		} else {
			err = m.h.Crash(m.store)
		}
		if err == nil {
			m.store, err = m.h.Open()
		}
	case KindLook:
		return m.look(o)
	}
	return "", err
}

func (m *machine) work(o Op, d *retrystore.Delivery) error {
	switch o.kind {
	case KindRenew:
		return m.store.Renew(m.ctx, d, m.duration(leaseTicks))
	case KindRelease:
		return m.store.Release(m.ctx, d)
	}
	st := retrystore.Settlement{Attempt: retrystore.Attempt{At: m.callerNow()}}
	st.Attempt.Status, st.Attempt.Error, st.Reason = outcomeOf(o.result)
	switch o.result {
	case Delivered:
		st.State = retrystore.Delivered
	case Dead:
		st.State = retrystore.Dead
	case Retry:
		st.NextAttemptAt = m.h.Now().Add(m.duration(retryTicks))
	case RetryNow:
		st.NextAttemptAt = m.h.Now()
	}
	return m.store.Settle(m.ctx, d, st)
}

func (m *machine) guard(kind Kind, h *retrystore.Hold) error {
	switch kind {
	case KindCommit:
		return m.store.CommitKey(m.ctx, *h, m.duration(keyTicks))
	case KindFree:
		return m.store.ReleaseKey(m.ctx, *h)
	}
	return m.store.RenewKey(m.ctx, h, m.duration(holdTicks))
}

func (m *machine) leaseNumbered(o Op) lease {
	all := m.deliveries[deliveryName(o.event, o.target)].leases
	return all[slices.IndexFunc(all, func(l lease) bool { return l.number == o.token })]
}

func (m *machine) holdNumbered(o Op) retrystore.Hold {
	all := m.holds[o.key-1]
	return all[slices.IndexFunc(all, func(h hold) bool { return h.number == o.token })].hold
}
