package oracle

import (
	"fmt"
	"time"
)

// Fault is something that was done to the system, for as long as it lasted.
type Fault struct {
	Name     string
	From, To time.Time
	// Before is the age up to which the proxy may forget a success because of the fault; After is how long
	// the fault may have effects after its end.
	Before, After time.Duration
	// Destination is the one that it concerns; empty: all.
	Destination string
}

// covers reports whether the fault may undo what happened at that time.
func (f *Fault) covers(at time.Time, destination string) bool {
	return (f.Destination == "" || f.Destination == destination) &&
		!at.Before(f.From.Add(-f.Before)) && !at.After(f.To.Add(f.After))
}

// Explain names the fault that may have undone what happened at that time at a
// destination, and how long before the fault that was; empty: none.
func Explain(faults []Fault, at time.Time, destination string) (name string, gap time.Duration) {
	for i := range faults {
		if f := &faults[i]; f.covers(at, destination) {
			if before := max(0, f.From.Sub(at)); name == "" || before < gap {
				name, gap = f.Name, before
			}
		}
	}
	return name, gap
}

// following tells of the first fault after that time, which its Before may have been too short for.
func following(faults []Fault, at time.Time, destination string) string {
	var next *Fault
	for i := range faults {
		f := &faults[i]
		if (f.Destination == "" || f.Destination == destination) && f.From.After(at) && (next == nil || f.From.Before(next.From)) {
			next = f
		}
	}
	if next == nil {
		return "; no fault followed"
	}
	return fmt.Sprintf("; the next one, %s, came %s later", next.Name, next.From.Sub(at).Round(time.Millisecond))
}

// Between names a fault that may have had an effect at some time from a to b.
func Between(faults []Fault, a, b time.Time, destination string) (name string) {
	for i := range faults {
		f := &faults[i]
		if (f.Destination == "" || f.Destination == destination) &&
			!b.Before(f.From.Add(-f.Before)) && !a.After(f.To.Add(f.After)) {
			return f.Name
		}
	}
	return ""
}

// Repeats are events that a destination took although it had taken them and said so.
type Repeats struct {
	By          map[string]int // how often, by the fault that explains it
	Unexplained []string       // no fault does
	Furthest    time.Duration  // longest time between a success and the fault that undid it
	// Unheard counts events that the destination took before without anybody hearing its answer: it caused
	// these repeats.
	Unheard int
}

// Count is the number of explained ones.
func (r *Repeats) Count() (n int) {
	for _, by := range r.By {
		n += by
	}
	return n
}

// FindRepeats looks for events that a destination took more than once.
func FindRepeats(records []Record, destination string, faults []Fault) Repeats {
	found := Repeats{By: make(map[string]int)}
	for i := range records {
		r := &records[i]
		var before *Arrival // the latest success
		for j := range r.Arrivals[destination] {
			arrival := &r.Arrivals[destination][j]
			if before != nil {
				found.repeat(r, before, destination, faults)
				before = nil // it is explained, or reported, once
			}
			if arrival.Took {
				before = arrival
			}
		}
	}
	return found
}

// repeat looks into one success that was followed by another attempt.
func (f *Repeats) repeat(r *Record, forgotten *Arrival, destination string, faults []Fault) {
	if !forgotten.Said {
		f.Unheard++
		return
	}
	name, gap := Explain(faults, forgotten.Done, destination)
	if name == "" {
		f.Unexplained = append(f.Unexplained, fmt.Sprintf("%s took event %s at %s and got it again, and no fault explains it%s",
			destination, r.Event.ID, forgotten.Done.Format("15:04:05.000"), following(faults, forgotten.Done, destination)))
		return
	}
	f.By[name]++
	f.Furthest = max(f.Furthest, gap)
}

// FindLost returns the ids of the events that the destination ought to have
// taken and has not: those that were acknowledged and that wants, if not nil, says yes to.
func FindLost(records []Record, destination string, wants func(*Record) bool) (lost []string) {
	for i := range records {
		r := &records[i]
		if !r.Acked.IsZero() && !r.Took(destination) && (wants == nil || wants(r)) {
			lost = append(lost, r.Event.ID)
		}
	}
	return lost
}

// BadAttempts reports attempt numbers that do not rise, without a fault between
// the two attempts that made the proxy forget the first.
func BadAttempts(records []Record, destination string, faults []Fault) (bad []string) {
	for i := range records {
		r := &records[i]
		for j := 1; j < len(r.Arrivals[destination]); j++ {
			a, b := &r.Arrivals[destination][j-1], &r.Arrivals[destination][j]
			if b.Attempt > a.Attempt || Between(faults, a.At, b.At, destination) != "" {
				continue
			}
			bad = append(bad, fmt.Sprintf("%s got event %s as attempt %d at %s, after attempt %d at %s", destination, r.Event.ID,
				b.Attempt, b.At.Format("15:04:05.000"), a.Attempt, a.At.Format("15:04:05.000")))
		}
	}
	return bad
}

// ChangedIDs reports events that came to a destination as one delivery and then as
// another. Only a fault that made the store forget what it had not acknowledged
// explains that, and only for an event that was not acknowledged when it came first.
func ChangedIDs(records []Record, destination string, faults []Fault) (changed []string) {
	for i := range records {
		r := &records[i]
		for j := 1; j < len(r.Arrivals[destination]); j++ {
			a, b := &r.Arrivals[destination][j-1], &r.Arrivals[destination][j]
			acknowledged := !r.Acked.IsZero() && r.Acked.Before(a.At)
			if a.DeliveryID == b.DeliveryID || !acknowledged && Between(faults, a.At, b.At, destination) != "" {
				continue
			}
			changed = append(changed, fmt.Sprintf("%s got event %s as delivery %s, and before as %s",
				destination, r.Event.ID, b.DeliveryID, a.DeliveryID))
		}
	}
	return changed
}

// Latest returns the longest time from an acknowledgement to the first success
// at a destination, among the events that no fault concerned meanwhile, and how
// many these are: what others do must not delay them.
func Latest(records []Record, destination string, faults []Fault) (longest time.Duration, among int, of string) {
	for i := range records {
		r := &records[i]
		first := firstTaken(r.Arrivals[destination])
		if r.Acked.IsZero() || first.IsZero() || Between(faults, r.Acked, first, destination) != "" {
			continue
		}
		among++
		if late := first.Sub(r.Acked); late > longest {
			longest, of = late, r.Event.ID
		}
	}
	return longest, among, of
}

func firstTaken(arrivals []Arrival) time.Time {
	for _, a := range arrivals {
		if a.Took {
			return a.At
		}
	}
	return time.Time{}
}
