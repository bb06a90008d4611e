package forward

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// maxRetryClaims is how many claims in a row may bring only retries if a rate limits the
// attempts. The next claim asks for first attempts only, so that they do not wait behind
// retries of a higher priority.
const maxRetryClaims = 3

// pump claims due deliveries whenever there are slots for them, until stop.
func (l *lane) pump() {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	outage := backoff{min: outageMin, max: outageMax}
	recheck := backoff{min: recheckMin, max: recheckMax}

	for {
		t, wait := l.take()
		l.announce() // that the breaker is half-open
		if t.slots == 0 {
			timer.Reset(wait)
			select {
			case <-l.wake:
			case <-timer.C:
			case <-l.quit:
				return
			}
			continue
		}

		if err := l.claim(t, &recheck); err != nil {
			if outage.idle() && l.ctx.Err() == nil {
				l.log.Error("cannot claim deliveries; will keep trying", zap.Error(err))
			}
			// Nudges do not shorten this wait: the store must not be asked more often.
			timer.Reset(outage.next())
			select {
			case <-timer.C:
			case <-l.quit:
				return
			}
			continue
		}
		if !outage.idle() {
			l.log.Info("claiming deliveries again")
			outage.reset()
		}
	}
}

// take is the slots that the pump took for a claim.
type take struct {
	slots      int    // 0: do not claim now
	maxRetries int    // how many of them may become retries
	generation uint64 // of the breaker
}

// take decides whether to claim now. If so, it takes slots for the deliveries. If not, it
// returns how long the pump should wait, unless it is nudged.
func (l *lane) take() (t take, wait time.Duration) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breaker.tick(now)
	if l.breaker.state.State == BreakerOpen {
		l.backlog = true // deliveries that became due meanwhile go before newcomers
		return t, min(l.breaker.state.Until.Sub(now), pollInterval)
	}
	if !l.asked && !l.backlog && now.Before(l.claimAt) {
		return t, min(l.claimAt.Sub(now), pollInterval)
	}
	t.slots = l.room(now)
	if l.stopping || t.slots == 0 {
		// Due deliveries get the next free slot, even if newcomers would take every one.
		l.backlog = true
		if wait = l.pace.wait(now); wait == 0 {
			wait = pollInterval // slots or probes are short, and nudge
		}
		return take{}, min(wait, pollInterval)
	}
	if !l.backlog {
		// Leave half of the slots to newcomers while the claim runs. If all newcomers were
		// turned away, they would be stored for the pump. The pump's next claim would turn
		// away others, and the lane would never return to the short way under load.
		t.slots = (t.slots + 1) / 2
	}
	l.asked = false
	l.claimAt = now.Add(pollInterval)
	t.generation = l.hold(t.slots)
	t.maxRetries = max(0, min(t.slots, l.retryShare-l.retries))
	if l.retryClaims >= maxRetryClaims {
		t.maxRetries = 0
	}
	return t, 0
}

// claim fills the slots, which the caller took, with deliveries.
func (l *lane) claim(t take, recheck *backoff) error {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	leasedAt := l.opts.Now()        // the leases begin now at the earliest
	left, leftRetries := t.slots, 0 // slots that no worker has
	defer func() { l.giveBack(left, leftRetries, t.generation) }()
	c, err := l.claimSafely(ctx, t)
	if err != nil {
		l.mu.Lock()
		l.asked = true
		l.mu.Unlock()
		return err
	}

	retries := 0
	for _, d := range c.Deliveries {
		if d.Attempts > 0 {
			retries++
		}
	}
	stopping := l.plan(c, t, retries, recheck)
	leftRetries = retries
	for _, d := range c.Deliveries {
		retry := min(d.Attempts, 1)
		left, leftRetries = left-1, leftRetries-retry
		if stopping || !l.work(d, leasedAt, retry, t.generation, nil) {
			l.release(d)
			l.giveBack(1, retry, t.generation)
		}
	}
	return nil
}

// claimSafely turns a panic of the store into an error.
func (l *lane) claimSafely(ctx context.Context, t take) (c retrystore.Claim, err error) {
	panicked := safe.Do(l.log, "dispatcher: claim", func() {
		c, err = l.queue.Claim(ctx, retrystore.ClaimRequest{
			Lane: l.dest.Lane, Max: t.slots, MaxRetries: t.maxRetries, Lease: l.lease,
		})
	})
	if panicked != nil {
		return retrystore.Claim{}, panicked
	}
	return c, err
}

// plan decides after a claim when to claim next, and whether deliveries are left that go
// before newcomers. It returns whether the lane is stopping.
func (l *lane) plan(c retrystore.Claim, t take, retries int, recheck *backoff) (stopping bool) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retries += retries
	l.backlog, l.heldBack = false, false
	if l.dest.Rate > 0 && retries > 0 && retries == len(c.Deliveries) {
		l.retryClaims++
	} else {
		l.retryClaims = 0
	}

	l.turns.overflow = max(0, l.turns.overflow-len(c.Deliveries))
	due := !c.Next.IsZero() && !c.Next.After(now)
	// Stores tell times of the wall clock. Turn them into monotonic times, so that a step
	// of the wall clock does no harm from here on.
	next := now.Add(c.Next.Sub(now))
	if !due || len(c.Deliveries) > 0 {
		recheck.reset()
	}
	if !due {
		l.turns.overflow = 0
	}
	switch {
	case c.Next.IsZero():
		// Nothing is left. claimAt is a poll away, or where askAt moved it.
	case !due:
		l.claimAt = earlier(l.claimAt, next)
	case len(c.Deliveries) == t.slots:
		l.backlog = true
	case retries == t.maxRetries && l.retries < l.retryShare:
		// A retry ended during the claim and left its slot to another, or none
		// was asked for.
		l.asked = true
	default:
		// The store has retries beyond their share, or deliveries that are due by our
		// clock but not yet by the store's. A free slot ends the first case, time both.
		l.heldBack = retries == t.maxRetries
		l.claimAt = earlier(l.claimAt, now.Add(recheck.next()))
	}
	l.callNext() // slots that became free while deliveries in the store went first
	return l.stopping
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// backoff doubles a wait from min to max. It is for waits for our own store, which need no
// jitter and no strategies.
type backoff struct {
	min, max, last time.Duration
}

// next returns the next wait.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.min), b.max)
	return b.last
}

// idle reports whether next was not called since the last reset.
func (b *backoff) idle() bool { return b.last == 0 }

func (b *backoff) reset() { b.last = 0 }
