package retrystore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Errors a store answers with. Others are wrapped in ErrUnavailable.
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
	// none. A destination that has as many is full. What it shares with one that has
	// room is stored all the same, so that nobody's outage is another's: for the full
	// one as a dead letter with ReasonFull. Where all are full nothing is stored: ErrFull.
	MaxPending int
	// MaxBytes bounds what the store holds of the endpoint, in bytes of encoded events
	// that are pending, leased or dead, each counted once; 0: none. Where it holds as
	// much, nothing is stored, whatever the destinations: ErrFull. The last one may
	// exceed it. What a Retention keeps does not count.
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

// ReasonFull is why a delivery is dead for which its destination had no room, while
// another one of its event had.
const ReasonFull = "destination_full"

// Receipt is the answer to a Submission.
type Receipt struct {
	// Duplicate says that the key was stored before; nothing was stored now.
	Duplicate bool
	// First, for a duplicate, is the state of the first one's deliveries: the
	// least settled of them (leased counts as pending), or Delivered when all
	// are settled or forgotten.
	First State
	// Deliveries, otherwise, are the new deliveries in the order of Targets.
	Deliveries []*Delivery
}

// Acceptor takes events in.
type Acceptor interface {
	// Accept claims the key and stores one delivery per target in ONE atomic,
	// durable write, and returns after it is durable. When ctx ends first,
	// Accept returns its error; should the write still succeed, the deliveries
	// become pending and due, so that nobody waits for a worker that left.
	// A key that somebody holds (see Guard) is undecided: ErrUnavailable.
	// What Submission.Validate refuses is an error of the caller, with none of the values above.
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
	// Deliveries are leased to the caller: higher priority first; within one
	// priority first attempts before retries, then the longest due.
	Deliveries []*Delivery
	// Next is when to ask again: now if due deliveries remain, also those that
	// Max or MaxRetries held back; else when the earliest pending one is due or
	// the earliest lease lapses, those of this claim included; zero when the
	// lane holds nothing pending or leased.
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
	// Claim leases due deliveries. A record that cannot be read becomes dead
	// with the reason "corrupt_record" and blocks nothing.
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)
	// Settle ends the lease with a result. It need not wait for durability: a
	// crash right after it may deliver again, never lose. It cuts the attempt's
	// answer to MaxAnswer bytes.
	Settle(ctx context.Context, d *Delivery, s Settlement) error
	// Renew extends the lease to lease from now and updates d.Lease.
	Renew(ctx context.Context, d *Delivery, lease time.Duration) error
	// Release gives the lease back without an attempt: pending and due at once.
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

// EndpointStats tells what is held of one endpoint.
type EndpointStats struct {
	Endpoint string
	Bytes    int64 // counts towards Submission.MaxBytes
}

// Stats describes a store.
type Stats struct {
	Lanes     []LaneStats     // those that hold something, sorted by endpoint, then destination
	Endpoints []EndpointStats // those that hold something, sorted by endpoint
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

// Inspector lets people see and repair.
type Inspector interface {
	// Get returns one delivery with event and history, or ErrNotFound.
	Get(ctx context.Context, id string) (*Delivery, error)
	// List returns up to limit deliveries, newest first; a limit outside 1 to
	// 1000 is brought into these bounds. A cursor stays valid while deliveries
	// come and go. A store that has looked at many deliveries that f does not
	// select may end a page early: only an empty Next is the end.
	List(ctx context.Context, f Filter, cursor string, limit int) (Page, error)
	// Replay makes a pending or dead delivery due now with a fresh retry
	// budget. Durable on return. ErrState if it is leased or delivered.
	Replay(ctx context.Context, id string) error
	// Delete removes a pending or dead delivery for good; its event key stays
	// remembered. Durable on return. ErrState if it is leased.
	Delete(ctx context.Context, id string) error
	// Stats counts; cheap enough to be called at every metrics scrape.
	Stats(ctx context.Context) (Stats, error)
}

// Store is a whole backend. It is safe for concurrent use.
type Store interface {
	Acceptor
	Guard
	Queue
	Inspector

	// Notify registers wake, which is called, holding no lock, whenever a delivery of a lane
	// became due other than by the passing of time: stored without a lease,
	// released, abandoned or replayed; and whenever one was settled to be tried
	// again later, since not whoever settles it may be who tries it next. wake
	// must return quickly and must not wait for the store, whose writer may be
	// calling it. stop unregisters wake; a call under way may end after stop
	// returned.
	Notify(wake func(Lane)) (stop func())
	// Close makes everything settled so far durable and releases the backend.
	Close() error
}
