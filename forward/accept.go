package forward

import (
	"context"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Accept stores an event and delivers it. It returns after the event is durable, or
// with the store's error; it does not wait for attempts.
//
// Each target that can be tried at once is stored leased, and its first attempt
// begins when the event is durable. The other targets are stored pending, and the
// dispatcher claims them when they can be tried: in this process or, where several
// share a store, in another one. That holds for an unknown destination, too, and
// before Start and after Stop. Accept sets the Lease of every target; the caller
// sets Dead, Priority and Destination. s belongs to Accept until it returns.
//
// An event with one target may wait for a slot, 50 ms at most, if attempts are so
// short that one will be free by then. See reserveSoon.
//
// done, if it is not nil, learns the result of the first target's first attempt. It
// is called exactly once if the event was stored, and never if Accept returns an
// error or a duplicate.
//
// made says that there was an attempt with an outcome: a is what the application
// answered (zero if it did not answer), with as much of its body as the Sender gave;
// st is what became of the delivery; st.Attempt.Error says why there was no answer.
// All that is also told if the store could not take the outcome.
//
// Without made no attempt was made now: the target was stored pending or as a dead
// letter, or shutdown or an opened breaker came in between. Then a and st are zero,
// and no attempt is spent.
//
// done is called by Accept before it returns, or by the goroutine that made the
// attempt. That goroutine's slot is taken until done returns, and Stop waits for
// it. A panic of done is logged, and has no other effect.
func (d *Dispatcher) Accept(ctx context.Context, s *retrystore.Submission, done func(a Answer, st retrystore.Settlement, made bool)) (retrystore.Receipt, error) {
	slots := d.reserveAll(s)
	defer func() {
		for i := range slots {
			slots[i].cancel() // no effect on slots that ran
		}
	}()
	receipt, err := d.queue.Accept(ctx, s)
	if err != nil || receipt.Duplicate {
		return receipt, err
	}
	for i, stored := range receipt.Deliveries {
		d.begin(&slots[i], stored, done)
		done = nil // done learns of the first target only
	}
	return receipt, nil
}

// reserveAll takes a slot for each target that can be tried at once, and sets the
// targets' leases accordingly. Targets without a slot have a zero one.
func (d *Dispatcher) reserveAll(s *retrystore.Submission) []slot {
	slots := make([]slot, len(s.Targets))
	reserve := d.reserve
	if len(s.Targets) == 1 { // no slot of another destination is idle meanwhile
		reserve = d.reserveSoon
	}
	for i := range s.Targets {
		target := &s.Targets[i]
		target.Lease = 0
		if target.Dead != "" {
			continue
		}
		var ok bool
		if slots[i], ok = reserve(retrystore.Lane{Endpoint: s.Event.Endpoint, Destination: target.Destination}); ok {
			target.Lease = slots[i].lane.lease
		}
	}
	return slots
}

// begin starts the first attempt at a delivery that was just stored, if the delivery has
// a slot. Otherwise it asks the pump to claim the delivery.
func (d *Dispatcher) begin(in *slot, stored *retrystore.Delivery, done func(Answer, retrystore.Settlement, bool)) {
	dead := stored.State == retrystore.Dead // stored as a dead letter
	if in.lane != nil && !dead {
		in.run(stored, done)
		return
	}
	finish(d.log, stored, done, Answer{}, retrystore.Settlement{}, false)
	switch l := d.lanes[stored.Lane]; {
	case l == nil: // the delivery waits for a process or a configuration that has the destination
	case dead:
		l.storedDead(stored)
	default:
		l.ask()
	}
}

// storedDead logs a delivery that was stored as a dead letter, and tells the Observer of
// it as if an attempt had settled it.
func (l *lane) storedDead(dead *retrystore.Delivery) {
	l.log.Warn("delivery settled", zap.String("delivery_id", dead.ID),
		zap.String("event_id", dead.Event.EventID), zap.String("event_type", dead.Event.EventType),
		zap.String("correlation_id", dead.Event.CorrelationID),
		zap.String("outcome", OutcomeName(retrystore.Dead)), zap.String("reason", dead.Reason))
	l.tellObserver(func(o Observer) {
		o.Settled(dead, retrystore.Settlement{State: retrystore.Dead, Reason: dead.Reason})
	})
}
