package retrystore

import (
	"context"
	"time"
)

// HoldState is the answer to HoldKey.
type HoldState uint8

const (
	// HoldGranted: the caller holds the key and must commit or release it.
	HoldGranted HoldState = iota
	// HoldTaken: another caller holds the key and has not decided yet.
	HoldTaken
	// HoldCommitted: the key was committed, or accepted, before.
	HoldCommitted
)

// Hold is the right to decide about a key until a time. Its token fences, as the token of
// a Lease does.
type Hold struct {
	Key   Key
	State HoldState
	Token uint64
	Until time.Time // the end of this hold, or of the other caller's
}

// Guard keeps the keys of events that the caller processes itself, so that only the caller
// knows their outcome. A held key is undecided: it does not count as seen. If its holder
// dies, the key is free after the lease.
type Guard interface {
	// HoldKey holds key for the duration lease, if key is neither committed nor held by
	// another caller. key must not be zero. Errors: ErrFull, ErrUnavailable, ErrClosed.
	HoldKey(ctx context.Context, key Key, lease time.Duration) (Hold, error)
	// RenewKey extends a hold to lease from now and updates h.Until. ErrLeaseLost
	// if the hold lapsed and another caller got the key.
	RenewKey(ctx context.Context, h *Hold, lease time.Duration) error
	// CommitKey remembers the key for ttl and ends the hold. Durable on return.
	// ErrLeaseLost if the hold lapsed and the key is free or held by another caller.
	// After any other error the hold continues.
	CommitKey(ctx context.Context, h Hold, ttl time.Duration) error
	// ReleaseKey ends the hold: the key is free. ErrLeaseLost as above.
	ReleaseKey(ctx context.Context, h Hold) error
}
