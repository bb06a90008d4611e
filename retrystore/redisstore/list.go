package redisstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Bounds of one List call.
const (
	// maxScan is how many deliveries are looked at; then the page ends early,
	// with a cursor.
	maxScan = 5000
	// stride is how many are looked at together where few of them may be selected.
	stride = 1000
	// chunkMin and chunkMax bound how many ids are fetched of each index at once.
	chunkMin, chunkMax = 16, 512
)

// rangeScript reads ids of an index, newest first.
//
//	KEYS  1 index
//	ARGV  1 upper and 2 lower bound as ZREVRANGEBYLEX wants them, 3 how many
//	returns the members
var rangeScript = newScript("list", `return redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])`)

// index is a set of ids that List merges with others: the open, dead or, of a
// whole shard, delivered ones.
type index struct {
	key   string
	shard int
	lane  *lane // nil for delivered ones, of which only the event knows the lane
	open  bool  // it has those that are pending or leased
}

// found is an id, where it was, and its lane, if known.
type found struct {
	id   deliveryID
	from *index
	lane *lane
}

// List returns a page of deliveries; see retrystore.Inspector. It merges the
// indexes, which are in the order of time, from the cursor on.
func (s *Store) List(ctx context.Context, f retrystore.Filter, cursor string, limit int) (retrystore.Page, error) {
	var page retrystore.Page
	upper := "+"
	if cursor != "" {
		id, ok := parseID(cursor)
		if !ok {
			return page, retrystore.ErrCursor
		}
		upper = "(" + id.member()
	} else if !f.Until.IsZero() {
		var b [6]byte
		putTime(b[:], f.Until.Add(time.Millisecond-1))
		upper = "(" + string(b[:])
	}
	limit = min(max(limit, 1), 1000)
	p, err := s.enter(ctx)
	if err != nil {
		return page, err
	}
	defer s.leave()
	_ = s.learnLanes(ctx, p) // those of other nodes

	indexes := s.indexes(p, &f)
	least := 1 // to look at
	if byLease(&f) || byEvent(&f) {
		least = stride
	}
	lower := "-"
	if !f.Since.IsZero() {
		var b [6]byte
		putTime(b[:], f.Since)
		lower = "[" + string(b[:])
	}
	for scanned := 0; ; {
		if err := ctx.Err(); err != nil {
			return retrystore.Page{}, err
		}
		room := limit - len(page.Deliveries)
		ids, more, err := s.newest(p, indexes, upper, lower, max(room, least))
		if err != nil {
			return retrystore.Page{}, err
		}
		scanned += len(ids)
		fit, err := s.screen(p, &f, ids)
		if err != nil {
			return retrystore.Page{}, err
		}
		if len(fit) > room {
			fit, more = fit[:room], true
			ids = fit
		}
		selected, err := s.summaries(p, &f, fit)
		if err != nil {
			return retrystore.Page{}, err
		}
		page.Deliveries = append(page.Deliveries, selected...)
		if len(ids) > 0 {
			last := ids[len(ids)-1].id
			upper, page.Next = "("+last.member(), last.String()
		}
		switch {
		case !more:
			page.Next = ""
			return page, nil
		case len(page.Deliveries) >= limit, scanned >= maxScan:
			return page, nil
		}
	}
}

// indexes are those that may hold what f selects.
func (s *Store) indexes(p *parts, f *retrystore.Filter) (all []*index) {
	wants := func(states ...retrystore.State) bool {
		return len(f.States) == 0 || slices.ContainsFunc(states, func(state retrystore.State) bool { return slices.Contains(f.States, state) })
	}
	for n, shard := range p.shards {
		for _, l := range p.lanes.all() {
			if f.Endpoint != "" && f.Endpoint != l.name.Endpoint || f.Destination != "" && f.Destination != l.name.Destination {
				continue
			}
			if wants(retrystore.Pending, retrystore.Leased) {
				all = append(all, &index{l.keys[n].open, n, l, true})
			}
			if wants(retrystore.Dead) {
				all = append(all, &index{l.keys[n].dead, n, l, false})
			}
		}
		if wants(retrystore.Delivered) {
			all = append(all, &index{shard.delivered(), n, nil, false})
		}
	}
	return all
}

// newest returns up to n of the newest ids between the bounds, and whether there
// may be more. It asks each index for a few. Of an index that had more than that
// only what is newer than its last one can be merged; the next call goes on there.
func (s *Store) newest(p *parts, indexes []*index, upper, lower string, n int) (ids []found, more bool, err error) {
	if len(indexes) == 0 {
		return nil, false, nil
	}
	chunk := min(max(2*n/len(indexes), chunkMin), chunkMax)
	calls := make([]*call, len(indexes))
	for i, x := range indexes {
		calls[i] = rangeScript.call(p.line(x.shard), []string{x.key}, upper, lower, chunk)
	}
	s.direct(calls)
	known := "" // down to here all are fetched
	for i, c := range calls {
		if c.err != nil {
			return nil, false, c.err
		}
		members, _ := c.reply.([]any)
		var garbage []string
		for _, m := range members {
			if member := text(m); ours(member, indexes[i].shard) {
				ids = append(ids, found{deliveryID([]byte(member)), indexes[i], indexes[i].lane})
			} else {
				garbage = append(garbage, member)
			}
		}
		if len(garbage) > 0 {
			if err := s.evict(c.line, []string{indexes[i].key}, garbage); err != nil {
				return nil, false, err
			}
		}
		if len(members) == chunk {
			more, known = true, max(known, text(members[chunk-1]))
		}
	}
	slices.SortFunc(ids, func(a, b found) int { return strings.Compare(b.id.member(), a.id.member()) })
	// A delivery that moved between two indexes meanwhile was seen in both.
	ids = slices.CompactFunc(ids, func(a, b found) bool { return a.id == b.id })
	if more {
		ids = slices.DeleteFunc(ids, func(f found) bool { return f.id.member() < known })
	}
	if len(ids) > n {
		ids, more = ids[:n], true
	}
	return ids, more, nil
}

// summaries looks deliveries up and returns those that f selects, without the
// bodies of their events.
func (s *Store) summaries(p *parts, f *retrystore.Filter, ids []found) (selected []*retrystore.Delivery, err error) {
	if ids, err = s.withLanes(p, ids); err != nil {
		return nil, err
	}
	calls := make([]*call, len(ids))
	for i, id := range ids {
		calls[i] = inspectCall(p, id.lane, id.id, headSize-1, false)
	}
	s.inTrips(calls)
	for i, id := range ids {
		d, err := s.summary(p, id.lane, id.id, calls[i])
		if err != nil {
			return nil, err
		}
		if d != nil && matches(f, d) {
			d.History, d.BodyDropped = nil, false
			selected = append(selected, d)
		}
	}
	return selected, nil
}

// summary reads an answer. The few events whose summary is longer than what was
// fetched are fetched again.
func (s *Store) summary(p *parts, l *lane, id deliveryID, c *call) (*retrystore.Delivery, error) {
	if c.err != nil {
		return nil, c.err
	}
	d, err := s.delivery(l, id, c, decodeSummary)
	if err == nil || d == nil {
		return d, err
	}
	again := inspectCall(p, l, id, -1, false)
	if s.direct([]*call{again}); again.err != nil {
		return nil, again.err
	}
	d, err = s.delivery(l, id, again, decodeSummary)
	if d == nil {
		return nil, err
	}
	return d, nil // a damaged one is shown as far as it goes
}

// withLanes leaves out what is gone. The few delivered ones whose head is longer
// than what was fetched are asked for their lanes.
func (s *Store) withLanes(p *parts, ids []found) ([]found, error) {
	all := ids[:0:0]
	for _, id := range ids {
		if id.lane == nil {
			at, err := s.locate(p, id.id.String())
			switch {
			case err == nil:
				id.lane = at.lane
			case isGone(err):
				continue
			default:
				return nil, err
			}
		}
		all = append(all, id)
	}
	return all, nil
}

func matches(f *retrystore.Filter, d *retrystore.Delivery) bool {
	received := d.Event.ReceivedAt
	return (len(f.States) == 0 || slices.Contains(f.States, d.State)) &&
		(f.Endpoint == "" || f.Endpoint == d.Endpoint) &&
		(f.Destination == "" || f.Destination == d.Destination) &&
		(f.Since.IsZero() || !received.Before(f.Since)) &&
		(f.Until.IsZero() || received.Before(f.Until)) &&
		(f.EventType == "" || f.EventType == d.Event.EventType) &&
		(f.EventID == "" || f.EventID == d.Event.EventID)
}
