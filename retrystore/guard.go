package retrystore

import (
	"context"
	"time"
)

// HoldState says what became of a wish to hold a key.
type HoldState uint8

const (
	// HoldGranted: the caller holds the key and must commit or release it.
	HoldGranted HoldState = iota
	// HoldTaken: somebody else holds it and has not decided yet.
	HoldTaken
	// HoldCommitted: the key was committed, or accepted, before.
	HoldCommitted
)

// Hold is the right to decide about a key until a time. The token fences, as
// that of a Lease does.
type Hold struct {
	Key   Key
	State HoldState
	Token uint64
	Until time.Time // of this hold, or of the one that is in the way
}

// Guard keeps the keys of events whose outcome only the caller knows, because
// it does the work itself. A held key is undecided: it is not remembered as
// seen, and when its holder dies it is free again after the lease.
type Guard interface {
	// HoldKey holds key, which must not be zero, for lease, if it is neither
	// committed nor held by another. Errors: ErrFull, ErrUnavailable, ErrClosed.
	HoldKey(ctx context.Context, key Key, lease time.Duration) (Hold, error)
	// RenewKey extends a hold to lease from now and updates h.Until. ErrLeaseLost
	// if it lapsed and was given to another.
	RenewKey(ctx context.Context, h *Hold, lease time.Duration) error
	// CommitKey remembers the key for ttl and ends the hold. Durable on return.
	// ErrLeaseLost if the hold lapsed and the key is another's, or free. After any
	// other error the hold goes on.
	CommitKey(ctx context.Context, h Hold, ttl time.Duration) error
	// ReleaseKey ends the hold: the key is free. ErrLeaseLost as above.
	ReleaseKey(ctx context.Context, h Hold) error
}
