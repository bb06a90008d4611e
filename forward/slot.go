package forward

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Slot is the right to deliver one event that is about to be stored. It ends
// with the first call of Run, RunThen or Cancel; later calls do nothing, so
// that Cancel may be deferred.
type Slot struct {
	lane       *lane
	generation uint64 // of the breaker, when the slot was taken
	used       atomic.Bool
}

// Lease is how long the delivery must be leased (retrystore.Target.Lease).
func (s *Slot) Lease() time.Duration { return s.lane.lease }

// Run delivers d, which was just stored leased for Lease. It does not wait for
// that, unless no attempt may be made any more, because the dispatcher was
// stopped or the breaker has opened meanwhile: then d is given back to the
// store before Run returns.
func (s *Slot) Run(d *retrystore.Delivery) { s.RunThen(d, nil) }

// RunThen is like Run, and calls done exactly once, after the attempt ended and
// the store was told of its outcome.
//
// made says that there was an attempt with an outcome: a is what the
// application answered (zero if it did not), and so much of its body as the
// Sender gave; st is what became of the delivery, st.Attempt.Error why there
// was no answer. That the store refused or could not take the outcome changes
// nothing in that. Without made, shutdown or an opened breaker came in between,
// a and st are zero, no attempt is spent, and the delivery is back in the store.
//
// done is called by the worker, whose slot is taken until it returns and for
// which Stop waits; or by RunThen itself when there is no worker any more. A
// panic of done is logged, and has no other effect.
func (s *Slot) RunThen(d *retrystore.Delivery, done func(a Answer, st retrystore.Settlement, made bool)) {
	if s.used.Swap(true) {
		return
	}
	l := s.lane
	if !l.work(d, l.opts.Now(), 0, s.generation, done) {
		l.release(d)
		l.giveBack(1, 0, s.generation)
		l.finish(d, done, Answer{}, retrystore.Settlement{}, false)
	}
}

// Cancel gives the slot back, such as when the event could not be stored.
func (s *Slot) Cancel() {
	if !s.used.Swap(true) {
		s.lane.giveBack(1, 0, s.generation)
	}
}

// finish calls done, if there is one.
func (l *lane) finish(d *retrystore.Delivery, done func(Answer, retrystore.Settlement, bool), a Answer, s retrystore.Settlement, made bool) {
	if done == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			safe.Count("dispatcher: receiver of an outcome")
			l.log.Error("receiver of an outcome panicked", zap.String("delivery_id", d.ID),
				zap.String("error", errorText(fmt.Errorf("panic: %v", p))), zap.ByteString("stack", debug.Stack()))
		}
	}()
	done(a, s, made)
}
