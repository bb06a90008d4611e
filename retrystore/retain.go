package retrystore

import "time"

// DefaultRetained bounds what a Retention keeps that names an age only.
const DefaultRetained = 100_000

// Retention says what a store keeps of events once all their deliveries are
// settled, so that people can look up what became of them: everything but,
// usually, the body. The zero Retention keeps nothing.
type Retention struct {
	// Count is how many delivered deliveries are kept, the latest of the whole
	// store. 0 means DefaultRetained with an Age, and nothing without.
	Count int
	// Age is for how long each is kept, from when the last delivery of its event
	// was settled. 0 means that only Count bounds it.
	Age time.Duration
	// Bodies says that the bodies of events are kept, too.
	Bodies bool
}

// Normal spells r without defaults: with a Count unless it keeps nothing. What is
// negative counts as zero.
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

// Retainer is what a Store may be besides: one that keeps delivered deliveries
// for inspection. They are Delivered to Get and List, and like all that are
// delivered, Replay and Delete refuse them with ErrState. Stats and MaxPending do
// not count them, and event keys are remembered no longer for them.
//
// The deliveries of one event are kept, and go, together, those left out that
// were deleted; so a bit less than Count may be there. What is kept is never in
// the way: a store that is full keeps nothing new, and drops the oldest.
type Retainer interface {
	// Retain says what to keep from now on. It returns at once; what exceeds r
	// goes in the background, soon, and with the zero Retention all of it. Until
	// it was called for the first time a store keeps nothing new and drops nothing.
	Retain(r Retention)
}
