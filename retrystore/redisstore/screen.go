package redisstore

import (
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Most of what List comes across is not what a rare filter selects. To look at
// everything about each of those would take seconds, so List first asks, for many
// at a time, for the little that tells most of them.

const (
	// screenMost is how many deliveries a script looks at: Redis serves no other
	// client meanwhile.
	screenMost = 128
	// maxTrip is how many calls of a list share a round trip. All of them must be
	// answered within the time of one, and other clients wait for a part of it.
	maxTrip = 128
)

// headsScript reads the beginnings of records.
//
//	KEYS  events
//	ARGV  1 last byte to return
//	returns for each the bytes; none if there is no such event
var headsScript = newScript("list", `
local out = {}
for i, key in ipairs(KEYS) do out[i] = redis.call('GETRANGE', key, 0, ARGV[1]) end
return out
`)

// leasedScript tells which deliveries are leased. A lease that lapsed is none.
//
//	KEYS  1 leases
//	ARGV  members
//	returns for each 1 if it is, else 0
var leasedScript = newScript("list", luaNow+`
local band = `+luaBand+`
local out = {}
for i, member in ipairs(ARGV) do
  local held = redis.call('ZSCORE', KEYS[1], member)
  out[i] = held and held % band > now and 1 or 0
end
return out
`)

// screen leaves out what f does not select by its lease or event, and finds the
// lanes of delivered ones. What cannot be told so is kept.
func (s *Store) screen(p *parts, f *retrystore.Filter, ids []found) ([]found, error) {
	ids, err := s.screenLeases(p, f, ids)
	if err != nil {
		return nil, err
	}
	return s.screenEvents(p, f, ids)
}

// byLease reports whether f wants pending ones but no leased ones, or the other way round.
func byLease(f *retrystore.Filter) bool {
	return len(f.States) > 0 && slices.Contains(f.States, retrystore.Leased) != slices.Contains(f.States, retrystore.Pending)
}

func byEvent(f *retrystore.Filter) bool { return f.EventType != "" || f.EventID != "" }

// screenLeases tells leased from pending ones, which share an index.
func (s *Store) screenLeases(p *parts, f *retrystore.Filter, ids []found) ([]found, error) {
	if !byLease(f) {
		return ids, nil
	}
	leased := slices.Contains(f.States, retrystore.Leased)
	drop := make([]bool, len(ids))
	var calls []*call
	var asked [][]int // positions in ids, by call
	for _, group := range groups(ids, func(id found) *index { return id.from }) {
		x := ids[group[0]].from
		if !x.open {
			continue
		}
		members := make([]any, len(group))
		for i, at := range group {
			members[i] = []byte(ids[at].id.member())
		}
		calls = append(calls, leasedScript.call(p.line(x.shard), []string{x.lane.keys[x.shard].leased}, members...))
		asked = append(asked, group)
	}
	err := s.trips(calls, asked, func(at int, answer any) { drop[at] = leased != (integer(answer) == 1) })
	return without(ids, drop), err
}

// screenEvents compares types and ids of events. It reads those of delivered
// ones in any case, as only the event knows their lane.
func (s *Store) screenEvents(p *parts, f *retrystore.Filter, ids []found) ([]found, error) {
	drop := make([]bool, len(ids))
	var calls []*call
	var asked [][]int
	for _, group := range groups(ids, func(id found) int { return id.from.shard }) {
		group = slices.DeleteFunc(group, func(at int) bool { return !byEvent(f) && ids[at].lane != nil })
		if len(group) == 0 {
			continue
		}
		shard := ids[group[0]].from.shard
		keys := make([]string, len(group))
		for i, at := range group {
			keys[i] = p.shards[shard].event(ids[at].id.event())
		}
		calls = append(calls, headsScript.call(p.line(shard), keys, headSize-1))
		asked = append(asked, group)
	}
	err := s.trips(calls, asked, func(at int, answer any) {
		h, e, err := decodeSummary([]byte(text(answer)))
		if h != nil && ids[at].lane == nil {
			if name, ok := h.lane(ids[at].id); ok {
				ids[at].lane = p.lanes.get(name)
			}
		}
		// One that cannot be read from its beginning is kept, to be looked at.
		drop[at] = err == nil && (f.EventType != "" && f.EventType != e.EventType || f.EventID != "" && f.EventID != e.EventID)
	})
	return without(ids, drop), err
}

// groups sorts positions in ids by what they have in common, into groups of at
// most screenMost, in the order of the first of each.
func groups[K comparable](ids []found, common func(found) K) (all [][]int) {
	open := make(map[K]int) // the group in all that takes the next one
	for at, id := range ids {
		k := common(id)
		g, ok := open[k]
		if !ok || len(all[g]) == screenMost {
			g = len(all)
			open[k] = g
			all = append(all, nil)
		}
		all[g] = append(all[g], at)
	}
	return all
}

// trips runs the calls and hands over each of their answers, which are one for
// each position asked for.
func (s *Store) trips(calls []*call, asked [][]int, take func(at int, answer any)) error {
	s.inTrips(calls)
	for i, c := range calls {
		if c.err != nil {
			return c.err
		}
		answers, _ := c.reply.([]any)
		if len(answers) != len(asked[i]) {
			return unexpected(c)
		}
		for j, at := range asked[i] {
			take(at, answers[j])
		}
	}
	return nil
}

// inTrips is direct for any number of calls.
func (s *Store) inTrips(calls []*call) {
	for trip := range slices.Chunk(calls, maxTrip) {
		s.direct(trip)
	}
}

func without(ids []found, drop []bool) []found {
	kept := ids[:0:0]
	for at, id := range ids {
		if !drop[at] {
			kept = append(kept, id)
		}
	}
	return kept
}
