package main

import (
	"errors"
	"fmt"
	"time"
)

// account compares what a store was sent, what it answered and what arrived.
type account struct {
	Sent      int // webhooks
	Events    int
	Accepted  int // events, once or more
	Duplicate int // webhooks answered so
	Refused   int // webhooks answered 503: the provider may send them again
	Taken     int // deliveries
	Failed    int // events that were taken after the application had refused them once

	Replayed int // dead letters, some more than once
	Purged   int // dead letters
	DeadLeft int // dead letters, at the end
	// Unrepaired is how often replay or removal failed. How many it was done to
	// nevertheless, nobody knows.
	Unrepaired int
	Untaken    int // accepted events that the application refused until they were removed

	Lost     int
	Repeated int // deliveries more than there should be
	Expired  int // events that were accepted again after they had been forgotten, which is right
	Late     int // deliveries of events whose answer was 503, which is right, too
	Wrong    []string
}

// story is what happened to one event.
type story struct {
	accepted, refused, duplicates, taken int
	firstAccepted                        int64 // ns, when it was answered
}

// settleAccount looks at every event. Differences from the plan are in Wrong.
func settleAccount(p *soakPlan, exchanges []exchange, deliveries []delivery) account {
	stories := make(map[uint32]*story)
	a := account{Sent: len(exchanges)}
	for _, e := range exchanges {
		s := stories[e.number]
		if s == nil {
			s = new(story)
			stories[e.number] = s
		}
		switch {
		case e.status == 202:
			a.accept(p, e, s)
		case e.status == 200 && e.word == "duplicate":
			s.duplicates++
			a.Duplicate++
		case e.status == 503:
			s.refused++
			a.Refused++
		default:
			a.wrongf("event %d was answered %d %s", e.number, e.status, e.word)
		}
	}
	for _, d := range deliveries {
		if stories[d.number] == nil {
			a.wrongf("event %d arrived, but was never sent", d.number)
			continue
		}
		stories[d.number].taken++
	}
	a.Events, a.Taken = len(stories), len(deliveries)
	for number, s := range stories {
		a.settle(number, s)
	}
	return a
}

// accept notes an answer 202. A second one is right once the first is forgotten.
func (a *account) accept(p *soakPlan, e exchange, s *story) {
	s.accepted++
	switch {
	case s.accepted == 1:
		a.Accepted++
		s.firstAccepted = e.answered
	case max(e.answered, s.firstAccepted)-min(e.sent, s.firstAccepted) > p.ttl.Nanoseconds():
		a.Expired++
	default:
		a.wrongf("event %d was accepted twice", e.number)
	}
}

// settle compares the deliveries of an event with what was promised.
func (a *account) settle(number uint32, s *story) {
	f := fateOf(number)
	if s.duplicates > 0 && s.accepted+s.refused == 0 {
		a.wrongf("event %d was only ever answered duplicate", number)
	}
	switch missing := s.accepted - s.taken; {
	case missing > 0 && f.dies():
		a.Untaken += missing
	case missing > 0:
		a.Lost += missing
		a.wrongf("event %d was accepted, and did not arrive", number)
	case missing < 0 && -missing <= s.refused:
		a.Late -= missing
	case missing < 0:
		a.Repeated -= missing
		a.wrongf("event %d was accepted %d times and arrived %d times", number, s.accepted, s.taken)
	}
	switch {
	case s.taken > 0 && (f == dead || f == exhausting):
		a.wrongf("event %d was taken, although the application refuses it", number)
	case s.taken > 0 && f != taken:
		a.Failed++
	}
}

func (a *account) wrongf(format string, args ...any) {
	a.Wrong = append(a.Wrong, fmt.Sprintf(format, args...))
}

// refusable is how many webhooks may be answered 503: 1 %, and those of a few seconds in
// which a busy machine keeps the store from answering.
func (p *soakPlan) refusable() int {
	const share, stall = .01, 5 * time.Second
	return int(max(p.rate*stall.Seconds(), share*p.rate*p.duration.Seconds()))
}

// check says what should not have happened, or nothing.
func (a *account) check(refusable int) error {
	wrong := a.Wrong
	// One that was refused may have been stored nevertheless, and be a dead letter.
	removed := a.Purged + a.DeadLeft
	if a.Untaken > removed && a.Unrepaired == 0 || a.Untaken < removed && a.Refused == 0 {
		wrong = append(wrong, fmt.Sprintf("%d events were neither taken nor lost, but %d dead letters removed or left", a.Untaken, removed))
	}
	if a.Refused > refusable {
		wrong = append(wrong, fmt.Sprintf("%d of %d webhooks were refused", a.Refused, a.Sent))
	}
	if a.Failed == 0 || a.Duplicate == 0 || a.Replayed == 0 || a.Purged == 0 {
		wrong = append(wrong, fmt.Sprintf("not everything was tried: %d refused ones taken later, %d duplicates, %d replayed, %d removed", a.Failed, a.Duplicate, a.Replayed, a.Purged))
	}
	var errs []error
	for _, w := range wrong[:min(len(wrong), 10)] {
		errs = append(errs, errors.New(w))
	}
	return errors.Join(errs...)
}

// growthAllowed is by how much a quantity may have grown from the second quarter of a
// soak to the last, besides its slack.
const growthAllowed = .10

// growth is how a quantity developed. The first quarter is for warming up and for keys to reach their age.
type growth struct {
	Second, Last spread // of the quarters
	// Trend is the slope of the line through the second half that has the least
	// squares, per hour.
	Trend number
}

// grown compares the second and the last quarter.
func grown(samples []sample, q quantity, d time.Duration) growth {
	within := func(from, to float64) (values, hours []number) {
		for _, s := range samples {
			if part := s.at.Seconds() / d.Seconds(); part >= from && part <= to && s.of(q).known() {
				values, hours = append(values, s.of(q)), append(hours, number(s.at.Hours()))
			}
		}
		return values, hours
	}
	second, _ := within(.25, .5)
	last, _ := within(.75, 2)
	values, hours := within(.5, 2)
	return growth{Second: spreadOf(second), Last: spreadOf(last), Trend: slope(hours, values)}
}

// flat compares medians: a value that is high for a moment does not count, one that stays high does. A
// quantity that was never seen is not flat.
func (g growth) flat(q quantity) bool {
	return q.slack == reported || g.Last.Median <= g.Second.Median*(1+growthAllowed)+q.slack
}

// slope of the line through the points that has the least squares.
func slope(xs, ys []number) number {
	n := number(len(xs))
	var x, y, xx, xy number
	for i := range xs {
		x, y = x+xs[i]/n, y+ys[i]/n
	}
	for i := range xs {
		xx += (xs[i] - x) * (xs[i] - x)
		xy += (xs[i] - x) * (ys[i] - y)
	}
	return xy / xx
}

// shortestJudged is the shortest soak that says something about growth. The embedded store
// drops keys in slots of ten minutes, so it has its full number of them only after some 15: the
// second quarter must not begin before.
const shortestJudged = time.Hour
