package retrystore

import "time"

// DefaultRetained is the Count of a Retention that has an Age only.
const DefaultRetained = 100_000

// Retention says what a store keeps of events after all their deliveries are settled, so
// that people can look them up: everything except, by default, the body. The zero Retention keeps nothing.
type Retention struct {
	// Count is how many delivered deliveries are kept, the latest of the whole
	// store. 0 means DefaultRetained with an Age, and nothing without.
	Count int
	// Age is how long a delivery is kept after the last delivery of its event was
	// settled. 0 means that only Count bounds it.
	Age time.Duration
	// Bodies says that the bodies of events are kept, too.
	Bodies bool
}

// Normal returns r with the defaults filled in: with a Count, unless r keeps nothing.
// Negative fields count as zero.
func (r Retention) Normal() Retention {
	r.Count, r.Age = max(r.Count, 0), max(r.Age, 0)
	switch {
	case r.Count == 0 && r.Age == 0:
		return Retention{}
	case r.Count == 0:
		r.Count = DefaultRetained
	}
	return r
}

// On reports whether r keeps anything.
func (r Retention) On() bool { return r.Normal().Count > 0 }

// Retainer is a Store that keeps delivered deliveries for inspection. Get and List return
// them in the state Delivered. Replay and Delete refuse them with ErrState. Stats and
// MaxPending do not count them. The event's key is not remembered longer because of them.
//
// The deliveries of one event are kept and dropped together, except for those that were
// deleted. So a store may hold slightly fewer than Count. Kept deliveries never take room
// from new events: a full store keeps no more of them, and drops the oldest.
type Retainer interface {
	// Retain says what to keep from now on. It returns at once; the store soon drops what
	// exceeds r in the background. With the zero Retention that is everything. Before
	// the first call the store keeps nothing new and drops nothing.
	Retain(r Retention)
}
