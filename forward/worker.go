package forward

import (
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// idleTime is how long a worker waits for its next delivery before it ends.
const idleTime = time.Second

// job is a delivery to be tried in a slot that is held for it.
type job struct {
	d          *retrystore.Delivery
	leaseEnd   time.Time
	retries    int    // 1 if it was attempted before, else 0
	generation uint64 // of the breaker, when the attempt starts
	done       func(Answer, retrystore.Settlement, bool)
}

// work gives d to a worker, which frees the slot when the attempt has ended. The slot was
// held in the generation. work returns false if no attempt may be made any more.
func (l *lane) work(d *retrystore.Delivery, leasedAt time.Time, retries int, generation uint64, done func(Answer, retrystore.Settlement, bool)) bool {
	j := job{d: d, leaseEnd: leasedAt.Add(l.lease), retries: retries, done: done}
	now := l.opts.Now()
	l.mu.Lock()
	if l.aborted || !l.breaker.admits(generation) {
		l.mu.Unlock()
		return false
	}
	j.generation = l.breaker.generation // the one it starts in
	l.pace.start(now)
	select {
	case l.jobs <- j:
		l.mu.Unlock()
		return true
	default:
	}
	l.wg.Add(1)
	l.mu.Unlock()
	safe.Go(l.log, "dispatcher: worker", func() { l.worker(j) })
	return true
}

// worker does j, and then further jobs until none has come for idleTime. It does not end
// sooner because its stack has grown by then: growing a new stack for each delivery
// costs as much as storing the delivery.
func (l *lane) worker(j job) {
	defer l.wg.Done()
	l.do(j)
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		select {
		case j = <-l.jobs:
			l.do(j)
			idle.Reset(idleTime)
		case <-idle.C:
			return
		case <-l.quit:
			return
		}
	}
}

// do makes the attempt, tells its result and frees the slot. After a panic outside of the
// Sender the delivery stays leased, and is retried when the lease lapses.
func (l *lane) do(j job) {
	defer l.free(1, j.retries)
	at := l.opts.Now()
	answer, err := Answer{}, errGoexit
	// Deferred, because runtime.Goexit in a handler ends this function, too.
	defer func() {
		var a Answer
		var s retrystore.Settlement
		made := false
		_ = safe.Do(l.log, "dispatcher: worker", func() { a, s, made = l.conclude(j, at, answer, err) })
		finish(l.log, j.d, j.done, a, s, made)
	}()
	answer, err = l.send(j.d)
}
