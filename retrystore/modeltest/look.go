package modeltest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// look sees everything that can be seen of the store. The error says how it
// contradicts itself, or that it took something that is spent.
func (m *machine) look(o Op) (string, error) {
	listed, err := m.list(retrystore.Filter{}, 2)
	if err != nil {
		return "", err
	}
	var deliveries []deliveryView
	for _, d := range listed {
		v, err := m.see(d)
		if err != nil {
			return "", err
		}
		deliveries = append(deliveries, v)
	}
	if err := m.checkFilter(listed); err != nil {
		return "", err
	}
	lanes, err := m.lanes(o)
	if err != nil {
		return "", err
	}
	keys := make([]string, len(m.holds))
	for i := range keys {
		if keys[i], err = m.keyView(o, i+1); err != nil {
			return "", err
		}
	}
	return viewText(deliveries, lanes, keys), m.trySpent()
}

// list pages through everything that f selects.
func (m *machine) list(f retrystore.Filter, limit int) (all []*retrystore.Delivery, err error) {
	for cursor := ""; ; {
		p, err := m.store.List(m.ctx, f, cursor, limit)
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		all = append(all, p.Deliveries...)
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if !slices.IsSortedFunc(all, func(a, b *retrystore.Delivery) int { return b.Event.ReceivedAt.Compare(a.Event.ReceivedAt) }) {
		return nil, errors.New("list: not the newest first")
	}
	return all, nil
}

// see gets a delivery that was listed.
func (m *machine) see(listed *retrystore.Delivery) (v deliveryView, err error) {
	b := m.ids[listed.ID]
	if b == nil {
		return v, fmt.Errorf("list: nobody knows the delivery %q", listed.ID)
	}
	got, err := m.store.Get(m.ctx, listed.ID)
	if err != nil {
		return v, fmt.Errorf("get %s, which is listed: %w", b.name, err)
	}
	if !reflect.DeepEqual(got.Event, b.content) {
		return v, fmt.Errorf("get %s: event\n%+v, want\n%+v", b.name, got.Event, b.content)
	}
	summary := *b.content
	summary.Header, summary.Body = nil, nil
	if !reflect.DeepEqual(listed.Event, &summary) {
		return v, fmt.Errorf("list: %s has the event\n%+v, want\n%+v", b.name, listed.Event, summary)
	}
	v = m.viewOf(b, got)
	history := v.history
	v.history = nil
	if l := m.viewOf(b, listed); !reflect.DeepEqual(l, v) {
		return v, fmt.Errorf("list and get disagree:\n%s%s", &l, &v)
	}
	v.history = history
	return v, nil
}

func (m *machine) viewOf(b *bound, d *retrystore.Delivery) deliveryView {
	v := deliveryView{
		name: b.name, lane: d.Destination, priority: d.Priority, state: d.State, attempts: d.Attempts, budget: d.Budget.Attempts,
		since: sinceText(m.ticks(d.Budget.Since), m.h.Rules), last: attemptText(d.LastStatus, d.LastError), reason: d.Reason,
	}
	if d.State == retrystore.Pending {
		v.due = max(0, m.ticks(d.NextAttemptAt))
	}
	for _, a := range d.History {
		v.history = append(v.history, historyText(a.Status, a.Error, m.callerTicks(a.At)))
	}
	return v
}

// checkFilter compares a list by state, another one each time, with the whole list.
func (m *machine) checkFilter(all []*retrystore.Delivery) error {
	state := retrystore.State(m.number % int(retrystore.Dead+1))
	some, err := m.list(retrystore.Filter{States: []retrystore.State{state}}, 1000)
	if err != nil {
		return err
	}
	var got, want []string
	for _, d := range some {
		got = append(got, d.ID)
	}
	for _, d := range all {
		if d.State == state {
			want = append(want, d.ID)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("list: %d are %s, want %d", len(got), state, len(want))
	}
	return nil
}

func (m *machine) lanes(o Op) (lanes []laneView, err error) {
	s, err := m.store.Stats(m.ctx)
	if err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	for _, l := range s.Lanes {
		v := laneView{lane: l.Destination, pending: l.Pending, retrying: l.Retrying, leased: l.Leased, dead: l.Dead, open: !l.OldestPending.IsZero()}
		if v.open {
			v.oldest = m.callerTicks(l.OldestPending)
		}
		lanes = append(lanes, v)
	}
	if len(s.Endpoints) != bit(len(s.Lanes) > 0) {
		return nil, fmt.Errorf("stats: bytes of endpoints are %v, while lanes hold %+v", s.Endpoints, s.Lanes)
	}
	remembered := 0
	for i := range m.holds {
		if o.shown&(1<<i) != 0 && m.worlds[0].remembers(i+1) {
			remembered++
		}
	}
	if m.h.Rules.CountsKeys && s.Keys < remembered {
		return nil, fmt.Errorf("stats: %d keys, want %d at least", s.Keys, remembered)
	}
	return lanes, nil
}

// comparableKeys are those of which all worlds say the same, as bits.
func (m *machine) comparableKeys() (shown int) {
	for i := range m.holds {
		view := m.worlds[0].keyView(i + 1)
		same := func(w *state) bool { return kindOfKey(w.keyView(i+1)) == kindOfKey(view) }
		if view != keyLapsed && !slices.ContainsFunc(m.worlds, func(w *state) bool { return !same(w) }) {
			shown |= 1 << i
		}
	}
	return shown
}

// keyView finds out about a key without changing anything, if the store is as
// the model says. See state.keyView.
func (m *machine) keyView(o Op, number int) (string, error) {
	if o.shown&(1<<(number-1)) == 0 {
		return keyHidden, nil
	}
	if m.worlds[0].remembers(number) {
		probe := Op{kind: KindAccept, key: number, targets: "a-"}
		r := m.call(probe)
		if r.err == nil && !r.receipt.Duplicate {
			return "", fmt.Errorf("key %d: stored again while it should be remembered", number)
		}
		h, err := m.store.HoldKey(m.ctx, realKey(number), m.duration(holdTicks))
		if err != nil || h.State != retrystore.HoldCommitted {
			return "", fmt.Errorf("key %d: held while it should be remembered: %s, %w", number, m.held(h), err)
		}
		return keyDuplicate + m.answer(probe, r), nil
	}
	h, err := m.store.HoldKey(m.ctx, realKey(number), m.duration(holdTicks))
	if err != nil || h.State != retrystore.HoldGranted {
		return m.held(h), err
	}
	return keyFree, m.store.ReleaseKey(m.ctx, h)
}

// trySpent tries all that should be good for nothing.
func (m *machine) trySpent() error {
	for _, b := range m.deliveries {
		if err := m.tryLeases(b); err != nil {
			return err
		}
	}
	for _, b := range m.gone {
		if err := m.tryLeases(b); err != nil {
			return err
		}
		_, err := m.store.Get(m.ctx, b.id)
		for name, err := range map[string]error{"get": err, "replay": m.store.Replay(m.ctx, b.id), "delete": m.store.Delete(m.ctx, b.id)} {
			if !errors.Is(err, retrystore.ErrNotFound) {
				return fmt.Errorf("%s of %s, which is gone: %v", name, b.name, err)
			}
		}
	}
	for i, all := range m.holds {
		for _, h := range all {
			if slices.ContainsFunc(m.worlds, func(w *state) bool { return w.keys[i].hold == h.number }) {
				continue
			}
			for _, kind := range []Kind{KindCommit, KindFree, KindRenewKey} {
				copied := h.hold
				if err := m.guard(kind, &copied); !errors.Is(err, retrystore.ErrLeaseLost) {
					return fmt.Errorf("%s with a hold that is lost: %v", Op{kind: kind, key: i + 1}, err)
				}
			}
		}
	}
	return nil
}

func (m *machine) tryLeases(b *bound) error {
	for _, l := range b.leases {
		if slices.ContainsFunc(m.worlds, func(w *state) bool { d := w.find(b.event, b.target); return d != nil && d.token == l.number }) {
			continue
		}
		for _, o := range []Op{Settle(b.event, b.target, Delivered), Renew(b.event, b.target), Release(b.event, b.target)} {
			d := *l.delivery
			if err := m.work(o, &d); !errors.Is(err, retrystore.ErrLeaseLost) {
				return fmt.Errorf("%s with a lease that is spent: %v", o, err)
			}
		}
	}
	return nil
}
