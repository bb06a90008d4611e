package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Timed returns the store, with the operations measured that webhooks and workers wait for.
func Timed(store retrystore.Store) retrystore.Store { return timedStore{store} }

type timedStore struct{ retrystore.Store }

// Unwrap shows the abilities of the store inside; see retrystore.As.
func (s timedStore) Unwrap() retrystore.Store { return s.Store }

// timed is deferred with the time at which the operation began.
func timed(op string, start time.Time, err *error) {
	storeTimes.WithLabelValues(op).Observe(time.Since(start).Seconds())
	switch {
	case *err == nil, errors.Is(*err, retrystore.ErrLeaseLost), errors.Is(*err, context.Canceled):
	case errors.Is(*err, retrystore.ErrFull):
		storeErrors.WithLabelValues(op, "full").Inc()
	case errors.Is(*err, retrystore.ErrUnavailable), errors.Is(*err, context.DeadlineExceeded):
		storeErrors.WithLabelValues(op, "unavailable").Inc()
	default:
		storeErrors.WithLabelValues(op, "other").Inc()
	}
}

// Accept implements retrystore.Acceptor.
func (s timedStore) Accept(ctx context.Context, sub *retrystore.Submission) (r retrystore.Receipt, err error) {
	defer timed("accept", time.Now(), &err)
	return s.Store.Accept(ctx, sub)
}

// Claim implements retrystore.Queue.
func (s timedStore) Claim(ctx context.Context, r retrystore.ClaimRequest) (c retrystore.Claim, err error) {
	defer timed("claim", time.Now(), &err)
	return s.Store.Claim(ctx, r)
}

// Settle implements retrystore.Queue.
func (s timedStore) Settle(ctx context.Context, d *retrystore.Delivery, r retrystore.Settlement) (err error) {
	defer timed("settle", time.Now(), &err)
	return s.Store.Settle(ctx, d, r)
}

// HoldKey implements retrystore.Guard.
func (s timedStore) HoldKey(ctx context.Context, key retrystore.Key, lease time.Duration) (h retrystore.Hold, err error) {
	defer timed("hold", time.Now(), &err)
	return s.Store.HoldKey(ctx, key, lease)
}

// CommitKey implements retrystore.Guard.
func (s timedStore) CommitKey(ctx context.Context, h retrystore.Hold, ttl time.Duration) (err error) {
	defer timed("commit", time.Now(), &err)
	return s.Store.CommitKey(ctx, h, ttl)
}
