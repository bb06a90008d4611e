//go:build linux

package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// verdict is the result of a run.
type verdict struct {
	plan *Plan

	sent, again, acknowledged, delivered, repeated, lost, dead, held int
	repeatedBy                                                       map[string]int
	unheard                                                          int           // repeats after an answer that the application kept to itself
	steady                                                           time.Duration // longest time until destSteady took an event, of so many:
	timed                                                            int
	stalled                                                          time.Duration // how long the machine kept the proxy or its store waiting
	took                                                             time.Duration
	leftOut                                                          map[string]int
	violations                                                       []string
	about                                                            []string // ids of events in violations
}

func (v *verdict) wrong(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

// steadyLimit is how late the steady destination may get an event while nothing is wrong with the proxy
// and its store. Attempts elsewhere take up to 2 s, and there are dozens at a time: if it had to wait for
// these, it would show.
const steadyLimit = 5 * time.Second

// calm is how long ago a fault of the proxy or its store must be for that: by then
// it has caught up.
const calm = 1500 * time.Millisecond

// compare holds the admin API's numbers and lists against the books, when all
// is quiet: what is not delivered is dead for a reason, or held.
func (w *world) compare(v *verdict) {
	if w.over.Err() != nil {
		return
	}
	records := make(map[string]*oracle.Record)
	all := w.books.Records()
	for i := range all {
		records[all[i].Event.ID] = &all[i]
	}
	listed := make(map[[2]string]delivery) // by destination and event
	for _, state := range []string{"dead", "pending"} {
		list, err := w.nodes[0].list(state)
		if err != nil {
			v.wrong("%v", err)
			return
		}
		for _, d := range list {
			place := [2]string{d.Destination, d.EventID}
			if other, twice := listed[place]; twice {
				v.wrong("event %s is listed twice for %s: %+v and %+v", d.EventID, d.Destination, other, d)
			}
			listed[place] = d
			w.checkListed(v, d, records[d.EventID])
		}
		if state == "dead" {
			v.dead = len(list)
		} else {
			v.held = len(list)
		}
	}
	for i := range all {
		for _, destination := range destinations {
			_, kept := listed[[2]string{destination, all[i].Event.ID}]
			if w.wants(&all[i], destination) && !all[i].Took(destination) && !kept {
				v.wrong("event %s was acknowledged, and is neither at %s nor in the store", all[i].Event.ID, destination)
				v.about = append(v.about, all[i].Event.ID)
				v.lost++
			}
		}
	}
	w.compareStats(v, len(records))
}

// checkListed looks into one delivery that is still in the store.
func (w *world) checkListed(v *verdict, d delivery, r *oracle.Record) {
	fail := func(why string) {
		v.wrong("%s: %+v", why, d)
		v.about = append(v.about, d.EventID)
	}
	if r == nil || r.Event.Bad != "" {
		fail("an event is in the store that no provider sent")
		return
	}
	arrivals := r.Arrivals[d.Destination]
	var last oracle.Arrival
	if len(arrivals) > 0 {
		last = arrivals[len(arrivals)-1]
	}
	switch {
	case d.State == "pending" && d.Destination != destHeld:
		fail("a delivery is pending although nothing is wrong with its destination")
	case d.State == "pending":
	case d.Reason == fmt.Sprint("status_", http.StatusGone):
		if !strings.HasPrefix(last.Answer, fmt.Sprint(http.StatusGone)) {
			fail(fmt.Sprintf("a delivery is dead, but the application answered %q", last.Answer))
		}
	case d.Reason == "max_attempts" && d.Destination == destMortal:
		if d.Attempts != mortalAttempts || fateOf(w.plan.Seed, d.EventID) != fateFail {
			fail("a delivery is dead that should not be")
		}
	default:
		fail("a delivery is dead without a reason in the plan")
	}
}

// compareStats holds the numbers against the lists.
func (w *world) compareStats(v *verdict, events int) {
	for _, n := range w.nodes {
		s, err := n.stats()
		if err != nil {
			v.wrong("%v", err)
			continue
		}
		dead, pending := 0, 0
		for _, l := range s.Destinations {
			dead += l.Dead
			pending += l.Pending
		}
		if dead != v.dead || pending != v.held {
			v.wrong("%s counts %d dead and %d pending, the lists have %d and %d", n.name, dead, pending, v.dead, v.held)
		}
		if acked := w.books.Acknowledged(); w.plan.Store == storeFile && (s.EventKeys < acked || s.EventKeys > events) {
			v.wrong("%s remembers %d event keys: %d events were acknowledged, %d sent", n.name, s.EventKeys, acked, events)
		}
	}
}

// wants says whether an acknowledged event has to get to a destination. One that
// came while the config lacked the destination may or may not.
func (w *world) wants(r *oracle.Record, destination string) bool {
	if r.Acked.IsZero() || r.Event.Bad != "" || !goesTo(&r.Event, destination) {
		return false
	}
	return destination != destApp || r.Event.Scheme == oracle.Stripe ||
		oracle.Between(w.absences, r.Tries[0].Sent, r.Acked, "") == ""
}

// judge looks at the books when everything has been taken.
func (w *world) judge(v *verdict) {
	records := w.books.Records()
	failovers := w.store.failovers()
	w.faults = append(w.faults, failovers...)
	w.slow = append(w.slow, failovers...)
	stalls, stalled := w.unplanned()
	v.stalled = stalled
	w.faults = append(w.faults, stalls...)
	w.slow = append(w.slow, stalls...)
	v.leftOut = w.leftOut
	v.repeatedBy = make(map[string]int)
	for i := range records {
		r := &records[i]
		if r.Event.Bad != "" {
			continue
		}
		v.sent++
		v.again += len(r.Tries) - 1
		if !r.Acked.IsZero() {
			v.acknowledged++
		}
	}
	for _, destination := range destinations {
		wants := func(r *oracle.Record) bool { return w.wants(r, destination) }
		if w.over.Err() == nil {
			for _, id := range oracle.FindLost(records, destination, wants) {
				v.lost++
				v.wrong("event %s was acknowledged, and %s never took it", id, destination)
				v.about = append(v.about, id)
			}
		}
		repeats := oracle.FindRepeats(records, destination, w.faults)
		v.repeated += repeats.Count()
		v.unheard += repeats.Unheard
		for name, n := range repeats.By {
			v.repeatedBy[name] += n
		}
		v.violations = append(v.violations, repeats.Unexplained...)
		v.violations = append(v.violations, oracle.BadAttempts(records, destination, append(slices.Clone(w.faults), w.slow...))...)
		v.violations = append(v.violations, oracle.ChangedIDs(records, destination, failovers)...)
		for i := range records {
			if records[i].Took(destination) {
				v.delivered++
			}
		}
	}
	var latest string
	if v.steady, v.timed, latest = oracle.Latest(records, destSteady, w.slow); v.steady > steadyLimit {
		v.wrong("%s got event %s only after %s", destSteady, latest, v.steady)
		v.about = append(v.about, latest)
	}
	v.violations = append(v.violations, w.books.Problems()...)
	for _, n := range w.nodes {
		v.violations = append(v.violations, n.alarms()...)
	}
	v.violations = append(v.violations, w.store.alarms()...)
}

// line is the verdict in one line of counts.
func (v *verdict) line() string {
	words := "ok"
	if len(v.violations) > 0 {
		words = fmt.Sprintf("WRONG: %d violations", len(v.violations))
	}
	return fmt.Sprintf("seed %-6d %-8s sent %d (again %d), acknowledged %d, delivered %d, repeated %d%s (and %d unheard), dead %d, held %d, lost %d; steady %d within %s; stalled %s of %s; %s",
		v.plan.Seed, v.plan.Store, v.sent, v.again, v.acknowledged, v.delivered, v.repeated, byName(v.repeatedBy), v.unheard,
		v.dead, v.held, v.lost, v.timed, v.steady.Round(10*time.Millisecond), v.stalled.Round(100*time.Millisecond), v.took.Round(100*time.Millisecond), words)
}

func byName(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
