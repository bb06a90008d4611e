package retrystore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Errors of a store. It wraps all other errors in ErrUnavailable.
var (
	// ErrFull means that each destination has MaxPending open deliveries, that the
	// endpoint has MaxBytes, or that the store reached another stated bound. Retryable.
	ErrFull = errors.New("store is full")
	// ErrUnavailable means that the store could not make the change durable,
	// or could not read; it wraps the cause. Retryable.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrLeaseLost means that the lease lapsed and was given to another worker,
	// or that the delivery was settled, replayed or removed meanwhile. A lease
	// that lapsed while nobody else took the delivery is not lost: its holder
	// may still settle, renew or release it.
	ErrLeaseLost = errors.New("lease was lost")
	// ErrNotFound means that there is no such delivery.
	ErrNotFound = errors.New("no such delivery")
	// ErrState means that the delivery's state does not allow the operation,
	// such as the replay of a leased delivery.
	ErrState = errors.New("delivery is in another state")
	// ErrCursor means that a list cursor is malformed.
	ErrCursor = errors.New("malformed cursor")
)

// Target is one destination that an accepted event goes to.
type Target struct {
	Destination string
	Priority    int // 0 to 10
	// Lease, when above zero, stores the delivery already leased to the caller
	// for that long, counted from the moment it is durable. Zero stores it pending and due.
	Lease time.Duration
	// Dead, when not empty, stores the delivery as a dead letter from the start, with
	// this as its reason: it counts towards no bound, is not leased, and can be
	// replayed. A Lease beside it is an error of the caller.
	Dead string
}

// Submission asks a store to keep an event.
type Submission struct {
	Key     Key           // zero: not deduplicated
	KeyTTL  time.Duration // how long the key is remembered, from now
	Event   *Event
	Targets []Target // one to MaxTargets
	// MaxPending bounds the open (pending or leased) deliveries of each destination; 0:
	// no bound. A destination with that many is full. If some targets are full and others
	// are not, the event is stored for all: for the full ones as a dead letter with
	// ReasonFull. So the outage of one destination does not stop another. If all are
	// full, nothing is stored: ErrFull.
	MaxPending int
	// MaxBytes bounds the endpoint's part of the store, in bytes of encoded events that are
	// pending, leased or dead, each counted once; 0: no bound. If the store holds that many
	// bytes or more, nothing is stored, whatever the destinations: ErrFull. The last event
	// may exceed the bound. Events that a Retention keeps do not count.
	MaxBytes int64
}

// Validate reports what is wrong with the submission, or nil. Every store calls it
// before it looks at anything else.
func (s *Submission) Validate() error {
	if n := len(s.Targets); n == 0 || n > MaxTargets {
		return fmt.Errorf("event has %d destinations, want 1 to %d", n, MaxTargets)
	}
	if !s.Key.IsZero() && s.KeyTTL <= 0 {
		return fmt.Errorf("event key %s has no lifetime", s.Key)
	}
	for _, t := range s.Targets {
		if t.Priority < 0 || t.Priority > MaxPriority {
			return fmt.Errorf("destination %s has priority %d, want 0 to %d", t.Destination, t.Priority, MaxPriority)
		}
		if t.Dead != "" && t.Lease > 0 {
			return fmt.Errorf("destination %s is to be leased, but dead: %s", t.Destination, t.Dead)
		}
	}
	return nil
}

// ReasonFull is the reason of a dead letter whose destination was full when the event came,
// while another destination of the event was not.
const ReasonFull = "destination_full"

// Receipt is the answer to a Submission.
type Receipt struct {
	// Duplicate says that the key was stored before; nothing was stored now.
	Duplicate bool
	// First is set for a duplicate: it is the state of the first event's deliveries. Of
	// several states it is the least settled (leased counts as pending); Delivered if
	// all are settled or forgotten.
	First State
	// Deliveries are the new deliveries in the order of Targets; none for a duplicate.
	Deliveries []*Delivery
}

// Acceptor takes events in.
type Acceptor interface {
	// Accept claims the key and stores one delivery per target in ONE atomic,
	// durable write, and returns after it is durable. If ctx ends first, Accept returns
	// its error. If the write succeeds all the same, the deliveries become pending and
	// due, because the caller will not try them.
	// A key that is held (see Guard) is undecided: ErrUnavailable.
	// An error of Submission.Validate is an error of the caller, and none of the values above.
	// Errors: ErrFull, ErrUnavailable, ErrClosed, ctx.Err().
	Accept(ctx context.Context, s *Submission) (Receipt, error)
}

// ClaimRequest asks for due deliveries of one lane.
type ClaimRequest struct {
	Lane Lane
	// Max bounds how many are leased; MaxRetries bounds how many of those may
	// have been attempted before, so that retries never crowd out first attempts.
	// Zero means none: with Max 0 a Claim only tells Next.
	Max, MaxRetries int
	Lease           time.Duration
}

// Claim is the answer to a ClaimRequest.
type Claim struct {
	// Deliveries are leased to the caller. Higher priorities come first; within one
	// priority first attempts come before retries, then the longest due.
	Deliveries []*Delivery
	// Next is when to ask again. It is now if due deliveries remain, for example because
	// of Max or MaxRetries. Otherwise it is when the next pending delivery is due or the
	// next lease lapses, leases of this claim included. It is zero if the lane holds
	// nothing pending or leased.
	Next time.Time
}

// Settlement says how an attempt of a delivery ended.
type Settlement struct {
	State         State     // Delivered, Pending (try again) or Dead
	NextAttemptAt time.Time // for Pending
	Reason        string    // for Dead
	Attempt       Attempt   // recorded in the history
}

// Queue hands out deliveries and takes back results. Every method but Claim
// is fenced by the delivery's lease token and fails with ErrLeaseLost.
type Queue interface {
	// Claim leases due deliveries. A record that cannot be read becomes dead with the
	// reason "corrupt_record", and blocks no other delivery.
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)
	// Settle ends the lease with a result. It need not wait for durability: after a crash
	// the delivery may be made again, but is never lost. It cuts the attempt's answer to
	// MaxAnswer bytes.
	Settle(ctx context.Context, d *Delivery, s Settlement) error
	// Renew extends the lease to lease from now and updates d.Lease.
	Renew(ctx context.Context, d *Delivery, lease time.Duration) error
	// Release ends the lease without an attempt: the delivery is pending and due at once.
	Release(ctx context.Context, d *Delivery) error
}

// Filter selects deliveries; zero fields select everything.
type Filter struct {
	States       []State
	Endpoint     string
	Destination  string
	EventType    string
	EventID      string
	Since, Until time.Time // on ReceivedAt; Since inclusive, Until exclusive
}

// Page is a part of a list, newest first.
type Page struct {
	Deliveries []*Delivery // Event has no Body and no Header; History is empty
	Next       string      // cursor of the next page; empty at the end
}

// LaneStats counts the deliveries of one lane.
type LaneStats struct {
	Lane
	Pending, Leased, Dead int
	Retrying              int       // pending ones that were attempted before
	OldestPending         time.Time // ReceivedAt of the oldest pending or leased one; zero if none
}

// EndpointStats says how much the store holds of one endpoint.
type EndpointStats struct {
	Endpoint string
	Bytes    int64 // counts towards Submission.MaxBytes
}

// Stats describes a store.
type Stats struct {
	Lanes     []LaneStats     // the lanes that hold something, sorted by endpoint, then destination
	Endpoints []EndpointStats // the endpoints that hold something, sorted by name
	Keys      int             // event keys remembered; -1 if that cannot be counted cheaply
	Bytes     int64           // size on disk or in the server's memory; 0 if unknown
}

// EndpointBytes makes Stats.Endpoints of bytes by endpoint.
func EndpointBytes(bytes map[string]int64) []EndpointStats {
	all := make([]EndpointStats, 0, len(bytes))
	for _, endpoint := range slices.Sorted(maps.Keys(bytes)) {
		if n := bytes[endpoint]; n > 0 {
			all = append(all, EndpointStats{endpoint, n})
		}
	}
	return all
}

// Inspector lets people inspect and repair a store.
type Inspector interface {
	// Get returns one delivery with event and history, or ErrNotFound.
	Get(ctx context.Context, id string) (*Delivery, error)
	// List returns up to limit deliveries, newest first; a limit outside 1 to
	// 1000 counts as the nearest of these. A cursor stays valid while deliveries come
	// and go. A store may end a page early if it has read many deliveries that f does
	// not select. Only an empty Next means the end.
	List(ctx context.Context, f Filter, cursor string, limit int) (Page, error)
	// Replay makes a pending or dead delivery due now with a fresh retry
	// budget. Durable on return. ErrState if it is leased or delivered.
	Replay(ctx context.Context, id string) error
	// Delete removes a pending or dead delivery for good; its event key stays
	// remembered. Durable on return. ErrState if it is leased.
	Delete(ctx context.Context, id string) error
	// Stats counts. It is cheap enough for every scrape of metrics.
	Stats(ctx context.Context) (Stats, error)
}

// Store is a whole backend. It is safe for concurrent use.
type Store interface {
	Acceptor
	Guard
	Queue
	Inspector

	// Notify registers wake. The store calls wake with the lane whenever a delivery becomes
	// due at once: it was stored without a lease, released, abandoned or replayed. The
	// store also calls it when a delivery was settled to be retried later, because another
	// process than the one that settled it may make the next attempt. The store holds no
	// lock during the call. wake must return quickly and must not wait for the store,
	// whose writer may be calling it. stop unregisters wake; a call that is under way may
	// end after stop has returned.
	Notify(wake func(Lane)) (stop func())
	// Close makes everything settled so far durable and releases the backend.
	Close() error
}
