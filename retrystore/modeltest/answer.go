package modeltest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const endpoint = "shop"

func lane(destination string) retrystore.Lane {
	return retrystore.Lane{Endpoint: endpoint, Destination: destination}
}

func realKey(number int) (k retrystore.Key) {
	sum := sha256.Sum256([]byte{byte(number)})
	copy(k[:], sum[:])
	return k
}

// duration turns ticks into time, and ticks is the inverse.
func (m *machine) duration(ticks int) time.Duration {
	return time.Duration(ticks) * m.h.Unit / stepTicks
}

func (m *machine) ticks(t time.Time) int {
	return int(math.Round(float64(t.Sub(m.h.Now())) / float64(m.duration(1))))
}

// callerNow is the time of the store's callers. It passes also when a server's clock is
// moved.
func (m *machine) callerNow() time.Time {
	return m.h.Now().Add(m.ahead).Truncate(time.Millisecond).UTC()
}

func (m *machine) callerTicks(t time.Time) int { return m.ticks(t.Add(-m.ahead)) }

// submission is the real event of an Accept. No two are alike.
func (m *machine) submission(o Op) *retrystore.Submission {
	sub := &retrystore.Submission{MaxPending: o.bound, Event: &retrystore.Event{
		Endpoint: endpoint, Provider: "stripe", EventID: fmt.Sprintf("evt_%d", o.event), EventType: "invoice.paid",
		ReceivedAt: m.callerNow(), Method: "POST", Scheme: "https", Host: "hooks.example.com", URI: "/hooks",
		Header: http.Header{"X-Number": {fmt.Sprint(o.event)}},
		Body:   bytes.Repeat([]byte{byte(o.event)}, 1+o.event%7),
	}}
	if o.alone {
		sub.MaxBytes = 1
	}
	if o.key != 0 {
		sub.Key, sub.KeyTTL = realKey(o.key), m.duration(keyTicks)
	}
	for _, t := range o.shapes() {
		target := retrystore.Target{Destination: t.lane, Priority: t.priority}
		if t.dead {
			target.Dead = deadFromStart
		}
		if t.leased {
			target.Lease = m.duration(leaseTicks)
		}
		sub.Targets = append(sub.Targets, target)
	}
	return sub
}

// bindAll gives the deliveries, leases and holds of a result their names.
func (m *machine) bindAll(o Op, r result) error {
	if r.both != nil {
		// An Accept first: the other one may have claimed what it stored.
		i := 0
		if o.both[1].kind == KindAccept {
			i = 1
		}
		return errors.Join(m.bindAll(o.both[i], r.both[i]), m.bindAll(o.both[1-i], r.both[1-i]))
	}
	if o.kind == KindHold && r.err == nil && r.hold.State == retrystore.HoldGranted {
		all := &m.holds[o.key-1]
		for _, h := range *all {
			if h.hold.Token == r.hold.Token {
				return fmt.Errorf("%s: the hold has the token %d of an earlier one", o, h.hold.Token)
			}
		}
		*all = append(*all, hold{o.lease(0), r.hold})
		*all = (*all)[max(0, len(*all)-spentKept):]
	}
	for i, d := range r.receipt.Deliveries {
		if d.ID == "" || m.ids[d.ID] != nil {
			return fmt.Errorf("%s: the id %q was given before", o, d.ID)
		}
		b := &bound{name: deliveryName(o.event, i), event: o.event, target: i, id: d.ID, content: r.event, tokens: make(map[uint64]bool)}
		m.ids[d.ID], m.deliveries[b.name] = b, b
		if d.State == retrystore.Leased {
			if err := b.lease(o.lease(i), d); err != nil {
				return fmt.Errorf("%s: %w", o, err)
			}
		}
	}
	for i, d := range r.claim.Deliveries {
		b := m.ids[d.ID]
		if b == nil {
			return fmt.Errorf("%s: nobody knows the delivery %q that it claimed", o, d.ID)
		}
		if !reflect.DeepEqual(d.Event, b.content) {
			return fmt.Errorf("%s: %s was claimed with the event\n%+v, want\n%+v", o, b.name, d.Event, b.content)
		}
		if err := b.lease(o.lease(i), d); err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
	}
	return nil
}

// lease notes a lease of b.
func (b *bound) lease(number int, d *retrystore.Delivery) error {
	token := d.Lease.Token
	if token == 0 || b.tokens[token] {
		return fmt.Errorf("the lease of %s has the token %d of an earlier one", b.name, token)
	}
	b.tokens[token] = true
	b.leases = append(b.leases, lease{number, d})
	b.leases = b.leases[max(0, len(b.leases)-spentKept):]
	return nil
}

// answer is what a result is in the words of the model.
func (m *machine) answer(o Op, r result) string {
	if r.both != nil {
		return bothAnswers(m.answer(o.both[0], r.both[0]), m.answer(o.both[1], r.both[1]))
	}
	switch {
	case errors.Is(r.err, retrystore.ErrLeaseLost):
		return answerLost
	case errors.Is(r.err, retrystore.ErrNotFound):
		return answerNotFound
	case errors.Is(r.err, retrystore.ErrState):
		return answerState
	case errors.Is(r.err, retrystore.ErrFull):
		return answerFull
	case errors.Is(r.err, retrystore.ErrUnavailable) && o.kind == KindAccept:
		return answerHeld
	case r.err != nil:
		return "error: " + r.err.Error()
	}
	switch o.kind {
	case KindAccept:
		return m.accepted(o, r.receipt)
	case KindClaim:
		return m.claimed(r.claim)
	case KindRenew, KindRenewKey:
		return untilText(m.ticks(r.until))
	case KindHold:
		return m.held(r.hold)
	case KindLook:
		return r.seen
	}
	return answerOK
}

func (m *machine) accepted(o Op, r retrystore.Receipt) string {
	if r.Duplicate {
		return "duplicate of one that is " + r.First.String()
	}
	if len(r.Deliveries) != len(o.shapes()) {
		return fmt.Sprintf("stored %d deliveries", len(r.Deliveries))
	}
	text := "stored"
	for _, d := range r.Deliveries {
		text += " " + acceptedText(d.Destination, d.State, 0, m.ticks(d.Lease.Until))
	}
	return text
}

func (m *machine) claimed(c retrystore.Claim) string {
	var text strings.Builder
	text.WriteString("claimed")
	for _, d := range c.Deliveries {
		if d.State != retrystore.Leased || m.ticks(d.Lease.Until) != leaseTicks {
			fmt.Fprintf(&text, " (%s until %+d)", d.State, m.ticks(d.Lease.Until))
		}
		text.WriteString(" " + claimedText(m.ids[d.ID].name, d.Attempts, d.Budget.Attempts, sinceText(m.ticks(d.Budget.Since), m.h.Rules), attemptText(d.LastStatus, d.LastError)))
	}
	next := ""
	if c.Next.IsZero() {
		next = nextText(0, true)
	} else {
		next = nextText(m.ticks(c.Next), false)
	}
	return text.String() + ", next " + next
}

func (m *machine) held(h retrystore.Hold) string {
	switch h.State {
	case retrystore.HoldGranted:
		return grantedText(m.ticks(h.Until))
	case retrystore.HoldTaken:
		return takenText(m.ticks(h.Until))
	}
	return answerCommitted
}
