package modeltest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// outcome is one of the things that an operation may do: what it answers, and
// the state it leaves.
type outcome struct {
	answer string
	next   *state
}

// Answers of operations that say no more than this.
const (
	answerOK       = "ok"
	answerLost     = "lease lost"
	answerNotFound = "not found"
	answerState    = "wrong state"
	answerFull     = "full"
	answerHeld     = "unavailable"
)

// numbersPerOp is how many leases one operation may make.
const numbersPerOp = 16

// lease is the number of the i-th lease that an operation makes.
func (o Op) lease(i int) int { return o.number*numbersPerOp + i }

// step returns everything that o may do in s, and leaves s as it is.
func (s *state) step(o Op) []outcome {
	switch o.kind {
	case KindAccept:
		return s.accept(o)
	case KindClaim:
		return s.claim(o)
	case KindHold, KindCommit, KindFree, KindRenewKey:
		return s.clone().guard(o)
	case KindReopen, KindCrash:
		return s.restart(o.kind == KindCrash)
	case KindBoth:
		return s.both(o.both[0], o.both[1])
	}
	c := s.clone()
	answer := answerOK
	switch o.kind {
	case KindSettle, KindRenew, KindRelease:
		answer = c.worker(o)
	case KindReplay, KindDelete:
		answer = c.byHand(o)
	case KindAdvance:
		c.advance(stepTicks)
	case KindFlush:
		c.flush()
	case KindLook:
		c.looked = true
		answer = c.view(o.shown)
	}
	return []outcome{{answer, c}}
}

// both lets either operation be first.
func (s *state) both(a, b Op) (all []outcome) {
	for _, first := range s.step(a) {
		for _, second := range first.next.step(b) {
			all = append(all, outcome{bothAnswers(first.answer, second.answer), second.next})
		}
	}
	for _, first := range s.step(b) {
		for _, second := range first.next.step(a) {
			all = append(all, outcome{bothAnswers(second.answer, first.answer), second.next})
		}
	}
	return all
}

func bothAnswers(a, b string) string { return a + " | " + b }

func (s *state) accept(o Op) []outcome {
	if o.key != 0 && s.remembers(o.key) {
		first := retrystore.Delivered
		if e := s.event(s.key(o.key).owner); e != nil {
			first = e.first()
		}
		return []outcome{{"duplicate of one that is " + first.String(), s}}
	}
	if o.key != 0 && s.held(o.key) {
		return []outcome{{answerHeld, s}}
	}
	if o.alone && s.occupied() {
		return []outcome{{answerFull, s}}
	}
	shapes := o.shapes()
	full, wanted := 0, 0 // of the targets
	for _, t := range shapes {
		wanted += bit(!t.dead)
		full += bit(!t.dead && s.full(t.lane, o.bound))
	}
	if wanted > 0 && full == wanted {
		return []outcome{{answerFull, s}}
	}
	c := s.clone()
	e := event{name: o.event, at: s.now}
	var answer strings.Builder
	answer.WriteString("stored")
	for i, t := range shapes {
		d := delivery{lane: t.lane, priority: t.priority}
		d.since = s.now
		d.pend(s.now)
		switch {
		case t.dead:
			d.state, d.fate = retrystore.Dead, deadFromStart
		case s.full(t.lane, o.bound):
			d.state, d.fate = retrystore.Dead, retrystore.ReasonFull
		}
		d.saved = []progress{d.progress}
		if t.leased && d.fate == "" {
			d.state, d.until, d.token = retrystore.Leased, s.now+leaseTicks, o.lease(i)
		}
		e.deliveries = append(e.deliveries, d)
		answer.WriteString(" " + acceptedText(t.lane, d.state, s.now, d.until-s.now))
	}
	c.events = append(c.events, e)
	c.flush()
	if o.key != 0 {
		*c.key(o.key) = keyState{expires: s.now + keyTicks, owner: o.event}
	}
	return []outcome{{answer.String(), c}}
}

// claim lets a Claim choose in every order that the contract allows.
func (s *state) claim(o Op) (all []outcome) {
	var choose func(c *state, picked, retries int, answer string)
	choose = func(c *state, picked, retries int, answer string) {
		var due []*delivery
		var names []string
		for i := range c.events {
			e := &c.events[i]
			for j := range e.deliveries {
				d := &e.deliveries[j]
				if d.lane == o.lane && c.dueNow(d) && (!d.retrying() || retries < o.retries) {
					due, names = append(due, d), append(names, deliveryName(e.name, j))
				}
			}
		}
		if picked == o.max || len(due) == 0 {
			all = append(all, outcome{"claimed" + answer + ", next " + c.next(o.lane), c})
			return
		}
		for i, d := range due {
			if !o.loose && slices.ContainsFunc(due, func(other *delivery) bool { return other != d && other.before(d) }) {
				continue
			}
			next, tried := c.clone(), retries
			if d.retrying() {
				tried++
			}
			n := next.sameDelivery(c, d)
			n.state, n.until, n.token = retrystore.Leased, s.now+leaseTicks, o.lease(picked)
			choose(next, picked+1, tried, answer+" "+claimedText(names[i], n.attempts, n.budget, sinceText(n.since-s.now, s.rules), n.lastText()))
		}
	}
	choose(s.clone(), 0, 0, "")
	return all
}

// sameDelivery returns the delivery of s that is d in other, of which s is a clone.
func (s *state) sameDelivery(other *state, d *delivery) *delivery {
	for i := range other.events {
		for j := range other.events[i].deliveries {
			if &other.events[i].deliveries[j] == d {
				return &s.events[i].deliveries[j]
			}
		}
	}
	return nil
}

// next is Claim.Next after a claim.
func (s *state) next(lane string) string {
	next := never
	for i := range s.events {
		for j := range s.events[i].deliveries {
			d := &s.events[i].deliveries[j]
			switch {
			case d.lane != lane:
			case d.state == retrystore.Leased:
				next = min(next, d.until)
			case d.state == retrystore.Pending:
				next = min(next, max(d.due, s.now))
			}
		}
	}
	return nextText(next-s.now, next == never)
}

// worker is what the holder of a lease does.
func (s *state) worker(o Op) string {
	d := s.find(o.event, o.target)
	if d == nil || d.token == 0 || d.token != o.token {
		return answerLost
	}
	switch o.kind {
	case KindRenew:
		d.state, d.until = retrystore.Leased, s.now+leaseTicks
		return untilText(leaseTicks)
	case KindRelease:
		d.token = 0
		d.pend(s.now)
		return answerOK
	}
	d.token = 0
	d.history = append(slices.Clip(d.history[:d.attempts]), attempt{o.result, s.now})
	d.attempts++
	d.last = o.result
	switch o.result {
	case Delivered:
		d.state = retrystore.Delivered
	case Dead:
		d.state = retrystore.Dead
	case Retry:
		d.pend(s.now + retryTicks)
	case RetryNow:
		d.pend(s.now)
	}
	s.save(d)
	s.settled()
	return answerOK
}

// byHand is what people do.
func (s *state) byHand(o Op) string {
	d := s.find(o.event, o.target)
	if d == nil {
		return answerNotFound
	}
	if d.state != retrystore.Pending && d.state != retrystore.Dead {
		return answerState
	}
	d.token = 0
	if o.kind == KindReplay {
		d.pend(s.now)
		d.budget, d.since = d.attempts, s.now
	} else {
		d.state = removed
	}
	s.save(d)
	s.flush()
	return answerOK
}

// restart is the end of the process, and its next start.
func (s *state) restart(crash bool) []outcome {
	c := s.clone()
	c.looked = false
	if s.rules.LeasesOutlive {
		return []outcome{{answerOK, c}}
	}
	all := []*state{c}
	for i := range s.events {
		for j := range s.events[i].deliveries {
			kept := s.events[i].deliveries[j].saved
			if !crash {
				kept = kept[len(kept)-1:]
			}
			var next []*state
			for _, c := range all {
				for _, p := range kept {
					r := c.clone()
					r.events[i].deliveries[j].restore(p, s.now)
					next = append(next, r)
				}
			}
			all = next
		}
	}
	outcomes := make([]outcome, len(all))
	for i, c := range all {
		for j := range c.keys {
			c.keys[j].hold = 0
		}
		c.flush()
		outcomes[i] = outcome{answerOK, c}
	}
	return outcomes
}

// restore brings d to what was kept of it.
func (d *delivery) restore(p progress, now int) {
	d.progress, d.saved, d.token = p, []progress{p}, 0
	if d.state == retrystore.Pending && d.due <= now {
		d.due, d.dueLatest = always, now // since when is not kept
	}
}

func deliveryName(event, target int) string { return fmt.Sprintf("%d/%d", event, target) }
