package modeltest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// What a store answers and what the model says is compared as text, in which
// times are ticks from now: that is what a failure is read from.

const answerCommitted = "committed"

func acceptedText(lane string, state retrystore.State, now, left int) string {
	if state == retrystore.Leased {
		return fmt.Sprintf("%s:leased%+d", lane, left)
	}
	return lane + ":" + state.String()
}

func claimedText(name string, attempts, budget int, since, last string) string {
	return fmt.Sprintf("%s(attempt %d, budget from %d%s, last %s)", name, attempts, budget, since, last)
}

func nextText(ticks int, none bool) string {
	switch {
	case none:
		return "none"
	case ticks <= 0:
		return "now"
	}
	return fmt.Sprintf("%+d", ticks)
}

// sinceText is when a budget began. With a server's clock it is not compared:
// Accept takes that time from the clock of the process.
func sinceText(ticks int, rules Rules) string {
	if rules.ServerClock {
		return ""
	}
	return fmt.Sprintf(" at %+d", ticks)
}

func untilText(ticks int) string   { return fmt.Sprintf("until %+d", ticks) }
func grantedText(ticks int) string { return fmt.Sprintf("granted until %+d", ticks) }
func takenText(ticks int) string   { return fmt.Sprintf("taken until %+d", ticks) }

// deadFromStart is the reason of deliveries that are stored as dead letters.
const deadFromStart = "type_unknown"

// outcomeOf is the attempt that a result comes with, and the reason of death.
func outcomeOf(r Result) (status int, text, reason string) {
	switch r {
	case Delivered:
		return 200, "", ""
	case Dead:
		return 500, "broken", "max_attempts"
	case RetryNow:
		return 429, "slow down", ""
	}
	return 503, "unavailable", ""
}

func attemptText(status int, text string) string {
	if status == 0 && text == "" {
		return "-"
	}
	return fmt.Sprintf("%d %q", status, text)
}

// lastText is the latest attempt of d.
func (d *delivery) lastText() string {
	if d.attempts == 0 {
		return attemptText(0, "")
	}
	status, text, _ := outcomeOf(d.last)
	return attemptText(status, text)
}

// deliveryView is what can be seen of a delivery.
type deliveryView struct {
	name             string
	lane             string
	priority         int
	state            retrystore.State
	due              int // of no meaning unless pending
	attempts, budget int
	since            string
	last, reason     string
	history          []string
}

func (v *deliveryView) String() string {
	state := v.state.String()
	if v.state == retrystore.Pending {
		state += " " + nextText(v.due, false)
	}
	return fmt.Sprintf("%s in %s, priority %d: %s, %d attempts, budget from %d%s, last %s, reason %q, history %v\n",
		v.name, v.lane, v.priority, state, v.attempts, v.budget, v.since, v.last, v.reason, v.history)
}

func historyText(status int, text string, at int) string {
	return fmt.Sprintf("%s at %+d", attemptText(status, text), at)
}

// laneView is what Stats says of a lane.
type laneView struct {
	lane                            string
	pending, retrying, leased, dead int
	oldest                          int
	open                            bool // oldest has a meaning
}

func (v *laneView) String() string {
	oldest := "none"
	if v.open {
		oldest = fmt.Sprintf("%+d", v.oldest)
	}
	return fmt.Sprintf("lane %s: %d pending, %d of them retries, %d leased, %d dead, oldest %s\n", v.lane, v.pending, v.retrying, v.leased, v.dead, oldest)
}

// viewText is the whole view. It sorts by name, because no
// order is promised for events of the same time.
func viewText(deliveries []deliveryView, lanes []laneView, keys []string) string {
	slices.SortFunc(deliveries, func(a, b deliveryView) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(lanes, func(a, b laneView) int { return cmp.Compare(a.lane, b.lane) })
	var b strings.Builder
	b.WriteString("\n")
	for i := range deliveries {
		b.WriteString(deliveries[i].String())
	}
	for i := range lanes {
		b.WriteString(lanes[i].String())
	}
	for i, k := range keys {
		fmt.Fprintf(&b, "key %d: %s\n", i+1, k)
	}
	return b.String()
}

// view is what Look must see. shown are the keys that it compares, as bits.
func (s *state) view(shown int) string {
	var deliveries []deliveryView
	var lanes []laneView
	for i := range s.events {
		e := &s.events[i]
		if e.finished() {
			continue
		}
		for j := range e.deliveries {
			d := &e.deliveries[j]
			if d.state == removed {
				continue
			}
			deliveries = append(deliveries, s.viewOf(e, j))
			lanes = s.count(lanes, e, d)
		}
	}
	keys := make([]string, len(s.keys))
	for i := range s.keys {
		keys[i] = keyHidden
		if shown&(1<<i) != 0 {
			keys[i] = s.keyView(i + 1)
		}
	}
	return viewText(deliveries, lanes, keys)
}

func (s *state) viewOf(e *event, target int) deliveryView {
	d := &e.deliveries[target]
	v := deliveryView{
		name: deliveryName(e.name, target), lane: d.lane, priority: d.priority, state: d.state,
		attempts: d.attempts, budget: d.budget, since: sinceText(d.since-s.now, s.rules), last: d.lastText(),
	}
	if d.state == retrystore.Pending && d.due > s.now {
		v.due = d.due - s.now
	}
	if d.state == retrystore.Dead {
		v.reason = d.fate // unless an attempt says another
	}
	for _, a := range d.history[:d.attempts] {
		status, text, reason := outcomeOf(a.result)
		v.history = append(v.history, historyText(status, text, a.at-s.now))
		if d.state == retrystore.Dead {
			v.reason = reason
		}
	}
	return v
}

func (s *state) count(lanes []laneView, e *event, d *delivery) []laneView {
	if d.state == retrystore.Delivered {
		return lanes
	}
	i := slices.IndexFunc(lanes, func(v laneView) bool { return v.lane == d.lane })
	if i < 0 {
		i, lanes = len(lanes), append(lanes, laneView{lane: d.lane})
	}
	v := &lanes[i]
	switch d.state {
	case retrystore.Pending:
		v.pending++
		if d.retrying() {
			v.retrying++
		}
	case retrystore.Leased:
		v.leased++
	case retrystore.Dead:
		v.dead++
		return lanes
	}
	if !v.open || e.at-s.now < v.oldest {
		v.open, v.oldest = true, e.at-s.now
	}
	return lanes
}

// Views of a key. A free one is held and released to see that it is free, which
// must not happen to one whose holder is late: it would lose the hold.
const (
	keyFree      = "free"
	keyLapsed    = "held for too long"
	keyHidden    = "not looked at"
	keyDuplicate = "remembered, " // and the first one's state
)

// kindOfKey is what a view of a key begins with.
func kindOfKey(view string) string {
	kind, _, _ := strings.Cut(view, " ")
	return kind
}

func (s *state) keyView(number int) string {
	k := s.key(number)
	switch {
	case s.remembers(number):
		return keyDuplicate + s.accept(Op{key: number})[0].answer
	case s.held(number):
		return takenText(k.until - s.now)
	case k.hold != 0:
		return keyLapsed
	}
	return keyFree
}
