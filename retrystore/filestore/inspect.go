package filestore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Bounds of one List call: entries of the index looked at, and events decoded
// because a filter asks for something that memory does not keep. Past either
// the page ends early, with a cursor.
const (
	maxScan   = 200_000
	maxDecode = 5_000
	// scanSlice is how many entries are looked at without letting others have
	// the lock.
	scanSlice = 4096
)

// Get returns one delivery; see retrystore.Inspector.
func (s *Store) Get(ctx context.Context, id string) (*retrystore.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	d, err := s.findDelivery(id)
	if errors.Is(err, retrystore.ErrNotFound) {
		s.mu.Unlock()
		return s.getKept(id)
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	p := s.snapshot(d)
	s.mu.Unlock()

	err = s.view(func(tx *bbolt.Tx) error {
		p.complete(tx, retrystore.DecodeEvent)
		return p.history(tx)
	})
	if err != nil {
		return nil, err
	}
	if errors.Is(p.err, errGone) {
		return s.getKept(id) // since a moment ago
	}
	return p.Delivery, nil
}

// findDelivery looks a delivery up for people. The caller holds mu.
func (s *Store) findDelivery(id string) (*delivery, error) {
	if s.closed {
		return nil, retrystore.ErrClosed
	}
	d := s.index.delivery(id)
	if d == nil {
		return nil, notFound(id)
	}
	d.lane.advance(s.instant())
	return d, nil
}

// position is where a delivery stands in a list: newest event first, last
// target first.
type position struct {
	seq    uint64
	target byte
}

// end is before everything in a list, as no event has this seq.
var end = position{seq: ^uint64(0)}

func (p position) cursor() string {
	return base64.RawURLEncoding.EncodeToString(deliveryKey(p.seq, p.target))
}

func parseCursor(cursor string) (position, error) {
	if cursor == "" {
		return end, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 9 {
		return position{}, retrystore.ErrCursor
	}
	return position{seq: binary.BigEndian.Uint64(b), target: b[8]}, nil
}

// List returns a page of deliveries; see retrystore.Inspector.
func (s *Store) List(ctx context.Context, f retrystore.Filter, cursor string, limit int) (retrystore.Page, error) {
	var page retrystore.Page
	from, err := parseCursor(cursor)
	if err != nil {
		return page, err
	}
	limit = min(max(limit, 1), 1000)
	decoded := 0
	for scanned := 0; scanned < maxScan && decoded < maxDecode; scanned += scanSlice {
		if err := ctx.Err(); err != nil {
			return retrystore.Page{}, err
		}
		part, err := s.stretch(&f, from, limit-len(page.Deliveries))
		if err != nil {
			return retrystore.Page{}, err
		}
		decoded += part.work
		for _, l := range part.found {
			page.Deliveries = append(page.Deliveries, l.Delivery)
		}
		if !part.more {
			page.Next = ""
			return page, nil
		}
		from = part.to
		page.Next = from.cursor()
		if len(page.Deliveries) == limit {
			return page, nil
		}
	}
	return page, nil
}

// scan looks at the entries before from and returns up to n that match as far
// as memory can tell, where it ended, and whether there are more.
func (s *Store) scan(f *retrystore.Filter, from position, n int) (found []snapshot, next position, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, next, false, retrystore.ErrClosed
	}
	now := s.instant()
	for _, l := range s.index.lanes {
		l.advance(now)
	}
	i, exact := s.index.find(from.seq)
	if !exact {
		i--
	}
	next = from
	for looked := 0; i >= 0; i-- {
		e := s.index.slots[i].event
		if e == nil {
			continue
		}
		for t := len(e.deliveries) - 1; t >= 0; t-- {
			if e.seq == from.seq && t >= int(from.target) {
				continue
			}
			if looked == scanSlice || len(found) == n {
				return found, next, true, nil
			}
			looked++
			next = position{seq: e.seq, target: byte(t)}
			if d := &e.deliveries[t]; matchDelivery(f, d) {
				found = append(found, s.snapshot(d))
			}
		}
	}
	return found, next, false, nil
}

func matchDelivery(f *retrystore.Filter, d *delivery) bool {
	return d.state != removed &&
		(len(f.States) == 0 || slices.Contains(f.States, retrystore.State(d.state))) &&
		matchLane(f, d.lane.name, time.UnixMilli(d.event.received))
}

func matchLane(f *retrystore.Filter, l retrystore.Lane, received time.Time) bool {
	return (f.Endpoint == "" || f.Endpoint == l.Endpoint) &&
		(f.Destination == "" || f.Destination == l.Destination) &&
		(f.Since.IsZero() || !received.Before(f.Since)) &&
		(f.Until.IsZero() || received.Before(f.Until))
}

func matchEvent(f *retrystore.Filter, e *retrystore.Event) bool {
	return (f.EventType == "" || f.EventType == e.EventType) && (f.EventID == "" || f.EventID == e.EventID)
}

// Replay makes a delivery due now; see retrystore.Inspector. After an error
// other than ErrNotFound and ErrState it may have happened all the same.
func (s *Store) Replay(ctx context.Context, id string) error {
	lane, err := s.alter(ctx, id, func(d *delivery, now instant) {
		r := s.storedRow(d)
		d.state, d.when = pending, now.wall
		d.budgetAttempts, d.budgetSince = d.attempts, now.wall
		d.lane.add(d, now)
		r.reason = ""
		s.save(d, r)
	})
	if err != nil {
		return err
	}
	s.wakeLanes(lane)
	return s.flush(ctx)
}

// Delete removes a delivery; see retrystore.Inspector. After an error other
// than ErrNotFound and ErrState it may have happened all the same.
func (s *Store) Delete(ctx context.Context, id string) error {
	_, err := s.alter(ctx, id, func(d *delivery, now instant) {
		d.state = removed
		if d.event.finished() {
			s.conclude(d.event)
			return
		}
		s.save(d, row{})
	})
	if err != nil {
		return err
	}
	return s.flush(ctx)
}

// alter takes a pending or dead delivery out of its lane and changes it.
func (s *Store) alter(ctx context.Context, id string, change func(*delivery, instant)) (retrystore.Lane, error) {
	if err := ctx.Err(); err != nil {
		return retrystore.Lane{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.findDelivery(id)
	if errors.Is(err, retrystore.ErrNotFound) {
		if d, keptErr := s.getKept(id); keptErr == nil {
			return retrystore.Lane{}, wrongState(id, d.State)
		}
	}
	if err != nil {
		return retrystore.Lane{}, err
	}
	if d.state != pending && d.state != dead {
		return retrystore.Lane{}, wrongState(id, retrystore.State(d.state))
	}
	d.lane.remove(d)
	d.token = 0 // a worker whose lease lapsed is too late now
	change(d, s.instant())
	return d.lane.name, nil
}

func wrongState(id string, state retrystore.State) error {
	return fmt.Errorf("delivery %s is %s: %w", id, state, retrystore.ErrState)
}

// storedRow reads the row of d. It reads the file while holding mu, which only
// what people do by hand may.
func (s *Store) storedRow(d *delivery) (r row) {
	p := s.snapshot(d)
	_ = s.view(func(tx *bbolt.Tx) error { p.loadRow(tx); return nil }) // without it only the last error is lost
	return row{lastStatus: p.LastStatus, lastError: p.LastError}
}

// flush waits until the changes made so far are durable.
func (s *Store) flush(ctx context.Context) error {
	return s.submit(ctx, &request{done: make(chan struct{})})
}

// Stats counts; see retrystore.Inspector. Lanes that hold nothing are left out.
func (s *Store) Stats(ctx context.Context) (retrystore.Stats, error) {
	if err := ctx.Err(); err != nil {
		return retrystore.Stats{}, err
	}
	var stats retrystore.Stats
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return stats, retrystore.ErrClosed
	}
	now := s.instant()
	waiting := make(map[*lane]int) // lanes with open deliveries → index in stats
	for _, l := range s.index.lanes {
		l.advance(now)
		n := retrystore.LaneStats{Lane: l.name, Pending: l.pending(), Leased: l.leased(), Dead: l.dead, Retrying: l.retrying}
		if n.Pending+n.Leased+n.Dead == 0 {
			continue
		}
		if n.Pending+n.Leased > 0 {
			waiting[l] = len(stats.Lanes)
		}
		stats.Lanes = append(stats.Lanes, n)
	}
	bytes := make(map[string]int64, len(s.index.stored))
	for endpoint, has := range s.index.stored {
		bytes[endpoint] = has.bytes
	}
	stats.Endpoints = retrystore.EndpointBytes(bytes)
	stats.Keys = s.index.keys.size()
	s.mu.Unlock()

	s.findOldest(waiting, stats.Lanes)
	slices.SortFunc(stats.Lanes, func(a, b retrystore.LaneStats) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Destination, b.Destination))
	})
	if info, err := os.Stat(s.path); err == nil {
		stats.Bytes = info.Size()
	}
	return stats, nil
}

// findOldest fills in OldestPending of the waiting lanes: the first open
// delivery of each in the order of acceptance, which is soon found unless many
// dead letters are older.
func (s *Store) findOldest(waiting map[*lane]int, lanes []retrystore.LaneStats) {
	for seq := uint64(0); len(waiting) > 0; {
		s.mu.Lock()
		i, _ := s.index.find(seq)
		stop := min(i+scanSlice, len(s.index.slots))
		for ; i < stop; i++ {
			seq = s.index.slots[i].seq + 1
			e := s.index.slots[i].event
			if e == nil {
				continue
			}
			for t := range e.deliveries {
				d := &e.deliveries[t]
				if n, ok := waiting[d.lane]; ok && (d.state == pending || d.state == leased) {
					lanes[n].OldestPending = time.UnixMilli(e.received)
					delete(waiting, d.lane)
				}
			}
		}
		done := i == len(s.index.slots)
		s.mu.Unlock()
		if done {
			return
		}
	}
}
