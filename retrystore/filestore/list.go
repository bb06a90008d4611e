package filestore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// keptSlice is how many kept events one look into the file decodes at most.
const keptSlice = 1024

// listed is a delivery and its place in a list.
type listed struct {
	at position
	*retrystore.Delivery
}

// stretch is a part of a list: all that was looked for, down to a position.
type stretch struct {
	found []listed
	to    position
	more  bool // below
	work  int  // events decoded
}

// before says that p comes before q in a list, which is newest first.
func (p position) before(q position) bool {
	return p.seq > q.seq || p.seq == q.seq && p.target > q.target
}

// stretch lists what comes after from, up to n deliveries: those of the index,
// and then those that are kept. An event that a commit moves from the one to the
// other meanwhile is found in one of them, or in both.
func (s *Store) stretch(f *retrystore.Filter, from position, n int) (stretch, error) {
	open, err := s.stretchOpen(f, from, n)
	if err != nil || len(f.States) > 0 && !slices.Contains(f.States, retrystore.Delivered) {
		return open, err
	}
	kept, err := s.stretchKept(f, from, n)
	if err != nil {
		return stretch{}, err
	}
	return merge(open, kept, n), nil
}

// merge merges two stretches from the same place, down to where both are known.
func merge(a, b stretch, n int) stretch {
	m := stretch{found: append(a.found, b.found...), more: a.more || b.more, work: a.work + b.work}
	slices.SortStableFunc(m.found, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.at.seq, a.at.seq), cmp.Compare(b.at.target, a.at.target))
	})
	m.found = slices.CompactFunc(m.found, func(a, b listed) bool { return a.at == b.at })
	switch {
	case a.more && (!b.more || a.to.before(b.to)):
		m.to = a.to
	case b.more:
		m.to = b.to
	}
	if m.more {
		m.found = slices.DeleteFunc(m.found, func(l listed) bool { return m.to.before(l.at) })
	}
	if len(m.found) > n {
		m.found, m.more = m.found[:n], true
		m.to = m.found[n-1].at
	}
	return m
}

// stretchOpen lists what is in the index.
func (s *Store) stretchOpen(f *retrystore.Filter, from position, n int) (stretch, error) {
	found, to, more, err := s.scan(f, from, n)
	if err != nil {
		return stretch{}, err
	}
	if err := s.load(found, retrystore.DecodeEventSummary); err != nil {
		return stretch{}, err
	}
	out := stretch{to: to, more: more, work: len(found)}
	for i := range found {
		if p := &found[i]; !errors.Is(p.err, errGone) && matchEvent(f, p.Event) {
			out.found = append(out.found, listed{position{p.seq, p.target}, p.Delivery})
		}
	}
	return out, nil
}

// stretchKept lists what is kept of delivered events.
func (s *Store) stretchKept(f *retrystore.Filter, from position, n int) (out stretch, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		out = stretch{}
		bucket := tx.Bucket(bucketRetained)
		if bucket == nil {
			return nil
		}
		c := bucket.Cursor()
		k, v := c.Seek(eventKey(from.seq))
		switch {
		case k == nil:
			k, v = c.Last()
		case len(k) == 8 && binary.BigEndian.Uint64(k) > from.seq:
			k, v = c.Prev()
		}
		for ; k != nil; k, v = c.Prev() {
			if out.work == keptSlice {
				out.more = true
				return nil
			}
			out.work++
			if len(k) == 8 && !out.add(f, from, binary.BigEndian.Uint64(k), v, n) {
				out.more = true
				return nil
			}
		}
		return nil
	})
	return out, err
}

// add lists the deliveries of a kept event, and reports whether all had room.
func (out *stretch) add(f *retrystore.Filter, from position, seq uint64, value []byte, n int) bool {
	last := position{seq: seq} // of the event in a list
	k, ok := decodeKeptEvent(seq, value)
	if !ok {
		out.to = last
		return true
	}
	e, err := retrystore.DecodeEventSummary(k.event)
	if err != nil {
		out.to = last
		return true
	}
	for i := len(k.deliveries) - 1; i >= 0; i-- {
		at := position{seq: seq, target: k.deliveries[i].target}
		if !from.before(at) {
			continue
		}
		if len(out.found) == n {
			return false
		}
		out.to = at
		if d, ok := k.delivery(i, e); ok && matchLane(f, d.Lane, e.ReceivedAt) && matchEvent(f, e) {
			out.found = append(out.found, listed{at, d})
		}
	}
	out.to = last
	return true
}
