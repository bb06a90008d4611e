package forward

import (
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// slot is the right to make one attempt at an event that is about to be stored. It
// ends with the first call of run or cancel; later calls do nothing, so that cancel
// may be deferred. The zero slot is the right to nothing. It is not safe for
// concurrent use.
type slot struct {
	lane       *lane
	generation uint64 // of the breaker, when the slot was taken
	used       bool
}

// reserve takes a free slot of the lane for an event that is about to be stored,
// leased for the lane's lease. ok is false if the lane is unknown or full, if its
// rate or its breaker allows no attempt now, if deliveries that were stored earlier
// still wait, and if the dispatcher is not running. Then the event is stored without
// a lease, and the pump is asked to claim it.
func (d *Dispatcher) reserve(l retrystore.Lane) (s slot, ok bool) {
	lane := d.lanes[l]
	if lane == nil {
		return slot{}, false
	}
	generation, ok := lane.reserve()
	if !ok {
		return slot{}, false
	}
	return slot{lane: lane, generation: generation}, true
}

// run has a worker deliver d, which was just stored with a lease, and returns at
// once. If no attempt may be made any more, because the dispatcher was stopped or
// the breaker has opened meanwhile, run gives d back to the store before it returns.
// done is told of the outcome, as Accept says; it may be nil.
func (s *slot) run(d *retrystore.Delivery, done func(a Answer, st retrystore.Settlement, made bool)) {
	if s.used {
		return
	}
	s.used = true
	l := s.lane
	if !l.work(d, l.opts.Now(), 0, s.generation, done) {
		l.release(d)
		l.giveBack(1, 0, s.generation)
		finish(l.log, d, done, Answer{}, retrystore.Settlement{}, false)
	}
}

// cancel gives the slot back, such as when the event could not be stored.
func (s *slot) cancel() {
	if s.lane != nil && !s.used {
		s.used = true
		s.lane.giveBack(1, 0, s.generation)
	}
}

// finish calls done, if there is one.
func finish(log *zap.Logger, d *retrystore.Delivery, done func(Answer, retrystore.Settlement, bool), a Answer, s retrystore.Settlement, made bool) {
	if done == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			safe.Count("dispatcher: receiver of an outcome")
			log.Error("receiver of an outcome panicked", zap.String("delivery_id", d.ID),
				zap.String("error", errorText(fmt.Errorf("panic: %v", p))), zap.ByteString("stack", debug.Stack()))
		}
	}()
	done(a, s, made)
}
