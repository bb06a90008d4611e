package limiter

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// DefaultMaxKeys is how many keys a Local remembers per tier.
const DefaultMaxKeys = 100_000

// maxShards and minShardKeys: a tier has as many locks as it has room for
// shards of that size, at most maxShards. Small shards fill unevenly.
const (
	maxShards    = 64
	minShardKeys = 256
)

// LocalOptions are the options of NewLocal. A zero field means its default.
type LocalOptions struct {
	// MaxKeys bounds how many keys each tier remembers. A key takes about 350 bytes;
	// with SlidingWindow, the busier it is, up to 1.4 kB. Default: DefaultMaxKeys.
	//
	// Only keys that are full again are forgotten, so that no client gets tokens by
	// pushing others out. While there is no such key, new keys share one budget per scope
	// (see Ask), of the Limit they ask with, instead of getting a fresh one each.
	MaxKeys int
	// Now is the clock. Its monotonic reading is used if it has one. Default: time.Now.
	Now func() time.Time
}

// Local is a Backend in the memory of the process. It needs no goroutine and no closing.
type Local struct {
	start int64                // microseconds since 1970
	since func() time.Duration // since start, by the monotonic clock if there is one
	tiers [tierCount]table
}

var _ Backend = (*Local)(nil)

// table is the keys of one tier. Each tier has a bound of its own, so that a
// flood of addresses takes no room from endpoints.
type table struct {
	seed   maphash.Seed
	shards []shard
	shared shard // one entry per scope, for keys that the shards have no room for
}

// NewLocal returns a Local in which no key has been used yet.
func NewLocal(o LocalOptions) *Local {
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	var l *Local
	if o.Now == nil {
		start := time.Now()
		l = &Local{start: start.UnixMicro(), since: func() time.Duration { return time.Since(start) }}
	} else {
		start := o.Now()
		l = &Local{start: start.UnixMicro(), since: func() time.Duration { return o.Now().Sub(start) }}
	}
	n := min(max(o.MaxKeys/minShardKeys, 1), maxShards)
	for i := range l.tiers {
		t := &l.tiers[i]
		t.seed = maphash.MakeSeed()
		t.shards = make([]shard, n)
		for j := range t.shards {
			t.shards[j].init(o.MaxKeys / n)
		}
		t.shared.init(0) // not bounded: scopes come from the configuration
	}
	return l
}

// Len returns how many keys are remembered, those that are due to be forgotten included.
func (l *Local) Len() int {
	n := 0
	for i := range l.tiers {
		t := &l.tiers[i]
		for j := range t.shards {
			n += t.shards[j].len()
		}
		n += t.shared.len()
	}
	return n
}

// now returns the time in microseconds since 1970, before which it stands
// still. It is read under the locks, so that no State sees a steady clock go backwards.
func (l *Local) now() int64 {
	since := l.since()
	n := l.start + int64(since/time.Microsecond)
	if since%time.Microsecond < 0 {
		n-- // round down, not towards start
	}
	return max(n, 0)
}

// place is where an ask is answered.
type place struct {
	ask    *Ask
	shard  *shard // the key's own; locked
	shared *shard // the tier's shared one, if the entry is in that; locked
	entry  *entry
}

// Take implements Backend. It waits for nothing but short locks, so it does
// not look at the context; the only errors are those of Check.
//
// Locks are taken in one order, whatever the order of the asks: the shards of
// the tiers, then the shared shards of the tiers.
func (l *Local) Take(_ context.Context, asks ...Ask) (Decision, error) {
	if err := Check(asks); err != nil {
		return Decision{}, err
	}
	if len(asks) == 0 {
		return Decision{Allowed: true}, nil
	}
	var places [tierCount]place
	defer unlock(&places)
	for i := range asks {
		places[asks[i].Tier.index()].ask = &asks[i]
	}
	for i := range places {
		if p := &places[i]; p.ask != nil {
			p.shard = l.tiers[i].shard(p.ask.Scope, p.ask.Key)
			p.shard.mu.Lock()
		}
	}
	now := l.find(&places)

	allowed := true
	for i := range places {
		if p := &places[i]; p.ask != nil {
			p.entry.state.Tune(p.ask.Limit.Normal(), now)
			allowed = allowed && p.entry.state.Remaining() > 0
		}
	}
	tiers := make([]Status, len(asks))
	for i := range asks {
		p := &places[asks[i].Tier.index()]
		var receipt Receipt
		if allowed {
			receipt = p.entry.state.Spend()
			receipt.Shared = p.shared != nil
		}
		p.home().keep(p.entry, now)
		tiers[i] = p.entry.state.Status(asks[i])
		tiers[i].Receipt = receipt
	}
	if !allowed {
		return Refuse(tiers), nil
	}
	return Decision{Allowed: true, Tiers: tiers}, nil
}

// find sets the entry of every place, and returns the time by which they are
// to be counted.
func (l *Local) find(places *[tierCount]place) (now int64) {
	now = l.now()
	full := false
	for i := range places {
		if p := &places[i]; p.ask != nil {
			p.entry = p.shard.find(id{p.ask.Scope, p.ask.Key}, now)
			full = full || p.entry == nil
		}
	}
	if !full {
		return now
	}
	for i := range places {
		if p := &places[i]; p.ask != nil && p.entry == nil {
			p.shared = &l.tiers[i].shared
			p.shared.mu.Lock()
		}
	}
	now = l.now() // others may have been here while we waited
	for i := range places {
		if p := &places[i]; p.shared != nil {
			p.entry = p.shared.find(id{scope: p.ask.Scope}, now)
		}
	}
	return now
}

// home is the shard that the entry is in.
func (p *place) home() *shard {
	if p.shared != nil {
		return p.shared
	}
	return p.shard
}

func unlock(places *[tierCount]place) {
	for i := range places {
		if p := &places[i]; p.shared != nil {
			p.shared.mu.Unlock()
		}
	}
	for i := range places {
		if p := &places[i]; p.shard != nil {
			p.shard.mu.Unlock()
		}
	}
}

// Return implements Backend. There are no errors.
func (l *Local) Return(_ context.Context, d Decision) error {
	if !d.Allowed {
		return nil
	}
	for i := range d.Tiers {
		l.giveBack(&d.Tiers[i])
	}
	return nil
}

func (l *Local) giveBack(s *Status) {
	tier := s.Tier.index()
	if tier < 0 {
		return // not a Decision of ours
	}
	t := &l.tiers[tier]
	home, name := t.shard(s.Scope, s.Key), id{s.Scope, s.Key}
	if s.Receipt.Shared {
		home, name = &t.shared, id{scope: s.Scope}
	}
	home.mu.Lock()
	defer home.mu.Unlock()
	// A key that is not remembered is fresh: its token has come back by itself.
	if e := home.entries[name]; e != nil {
		now := l.now()
		e.state.Return(s.Receipt, s.Limit, now)
		home.keep(e, now)
	}
}

// shard returns the shard that a key is in. The seed is random, so that nobody
// can pick addresses that all fall into one.
func (t *table) shard(scope, key string) *shard {
	h := maphash.String(t.seed, key) + 31*maphash.String(t.seed, scope)
	return &t.shards[h%uint64(len(t.shards))]
}

// id is a key within its tier.
type id struct{ scope, key string }

// entry is what is remembered of a key.
type entry struct {
	id    id
	state State
	due   int64 // not after the time at which state is fresh: its place in the queue
	pos   int   // index in the queue, or -1
}

// shard is some of the keys of a tier, under one lock.
type shard struct {
	mu      sync.Mutex
	entries map[id]*entry
	queue   queue // the entries by due
	max     int   // bound of entries; 0 is none
	last    int64 // latest time seen
	_       [64]byte
}
