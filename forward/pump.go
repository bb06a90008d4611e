package forward

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// pump claims what is due whenever there are slots for it, until stop.
func (l *lane) pump() {
	defer l.wg.Done()
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	outage := backoff{min: outageMin, max: outageMax}
	recheck := backoff{min: recheckMin, max: recheckMax}

	for {
		slots, maxRetries, wait := l.take()
		if slots == 0 {
			timer.Reset(wait)
			select {
			case <-l.wake:
			case <-timer.C:
			case <-l.quit:
				return
			}
			continue
		}

		if err := l.claim(slots, maxRetries, &recheck); err != nil {
			if outage.idle() && l.ctx.Err() == nil {
				l.log.Error("cannot claim deliveries; will keep trying", zap.Error(err))
			}
			// Nudges do not shorten this wait: the store needs the rest.
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

// take decides whether to claim now. If so it takes the slots for what may
// come and says how many of them may become retries; else it says how long to
// wait, unless nudged.
func (l *lane) take() (slots, maxRetries int, wait time.Duration) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.asked && !l.backlog && now.Before(l.claimAt) {
		return 0, 0, min(l.claimAt.Sub(now), pollInterval)
	}
	slots = l.dest.MaxInFlight - l.taken
	if l.stopping || slots == 0 {
		// What is due goes first once a slot is free, even if newcomers never
		// leave one free for long.
		l.backlog = true
		return 0, 0, pollInterval
	}
	if !l.backlog {
		// Leave newcomers half of the slots for as long as the claim takes.
		// Were they all turned away, each would be stored for the pump, whose
		// next claim would turn away others: a lane that was once overtaken
		// would never return to the short way while the load lasts.
		slots = (slots + 1) / 2
	}
	l.asked = false
	l.claimAt = now.Add(pollInterval)
	l.taken += slots
	return slots, max(0, min(slots, l.retryShare-l.retries)), 0
}

// claim fills the slots, which the caller took, with deliveries.
func (l *lane) claim(slots, maxRetries int, recheck *backoff) error {
	ctx, cancel := context.WithTimeout(l.ctx, storeTimeout)
	defer cancel()
	leasedAt := l.opts.Now() // or later: it is on the safe side
	c, err := l.queue.Claim(ctx, retrystore.ClaimRequest{
		Lane: l.dest.Lane, Max: slots, MaxRetries: maxRetries, Lease: l.lease,
	})
	if err != nil {
		l.mu.Lock()
		l.asked = true
		l.mu.Unlock()
		l.free(slots, 0)
		return err
	}

	retries := 0
	for _, d := range c.Deliveries {
		if d.Attempts > 0 {
			retries++
		}
	}
	stopping := l.plan(c, slots, retries, maxRetries, recheck)
	for _, d := range c.Deliveries {
		retry := min(d.Attempts, 1)
		if stopping || !l.work(d, leasedAt, retry) {
			l.release(d)
			l.free(1, retry)
		}
	}
	l.free(slots-len(c.Deliveries), 0)
	return nil
}

// plan draws the conclusions from a claim: when to ask next, and whether
// deliveries are left that go before newcomers. It reports whether the lane is
// stopping.
func (l *lane) plan(c retrystore.Claim, slots, retries, maxRetries int, recheck *backoff) (stopping bool) {
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retries += retries
	l.backlog, l.heldBack = false, false

	due := !c.Next.IsZero() && !c.Next.After(now)
	if !due || len(c.Deliveries) > 0 {
		recheck.reset()
	}
	switch {
	case c.Next.IsZero():
		// Nothing is left. claimAt is a poll away, or where askAt moved it.
	case !due:
		l.claimAt = earlier(l.claimAt, c.Next)
	case len(c.Deliveries) == slots:
		l.backlog = true
	case retries == maxRetries && l.retries < l.retryShare:
		l.asked = true // a retry ended during the claim and left its slot to another
	default:
		// What is left are retries beyond their share, or, in our clock but
		// not in the store's, due. A freed slot ends the first; time both.
		l.heldBack = retries == maxRetries
		l.claimAt = earlier(l.claimAt, now.Add(recheck.next()))
	}
	return l.stopping
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// backoff doubles a wait from min to max. Unlike Retry it is about our own
// store, where jitter and strategies have no use.
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
