// Package storebook remembers which stores this Caddy has used: across reloads in memory, across restarts
// in a small state file for each. So no change of the configuration leaves deliveries behind unnoticed,
// and a store whose data was replaced or emptied between two runs is noticed.
//
// Data is identified by its generation, a name that is made with the data and disappears with it. Data
// that was moved to another place, or is reached by another address, is the same data. Where a store has
// no generation, the place identifies it.
package storebook

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
)

const (
	// lookEvery is how often a store is counted, and the state files of others are read.
	lookEvery = 15 * time.Second
	// saveEvery is how often a state file is written at least while its store is open.
	saveEvery = time.Minute
	// silence is how long after its latest UsedAt a process is assumed to have ended.
	silence = 3 * time.Minute
	// countTime bounds how long a store may take to count.
	countTime = 2 * time.Second
)

// Source is an open store, as far as the book is concerned.
type Source interface {
	// Generation names the data. It is "" where the store has none; known is false while
	// the store cannot tell yet.
	Generation() (name string, known bool)
	// Count counts the stored deliveries: pending with those in flight, and dead.
	Count(ctx context.Context) (pending, dead int, err error)
}

// Book is safe for concurrent use.
type Book struct {
	dir  *statefiles.Dir
	now  func() time.Time
	warn func(error)

	looking sync.Mutex // held while stores are asked and files are read and written; before mu

	mu       sync.Mutex
	uses     []*Use
	entries  map[string]entry // by Place.key, as last written or read
	saved    map[string]time.Time
	known    map[string]bool // places of open stores whose generation was compared
	replaced map[string]string
	left     []Left
	told     map[string]int // how many deliveries were last reported as left behind
	warned   bool
}

// Use is one configuration's use of a store.
type Use struct {
	book   *Book
	place  Place
	source Source
	log    *zap.Logger

	active bool // the configuration runs; guarded by Book.mu
	cancel context.CancelFunc
	group  safe.Group
}

// New returns the book that is kept in dir. now is the clock. warn is told once if
// state files cannot be written.
func New(dir *statefiles.Dir, now func() time.Time, warn func(error)) *Book {
	return &Book{
		dir: dir, now: now, warn: warn, entries: make(map[string]entry), saved: make(map[string]time.Time),
		known: make(map[string]bool), replaced: make(map[string]string), told: make(map[string]int),
	}
}

// Use notes that a configuration begins to use the store at that place, and looks at once for what earlier
// configurations have left behind. It repeats that until Stop.
func (b *Book) Use(ctx context.Context, place Place, source Source, log *zap.Logger) *Use {
	u := &Use{book: b, place: place, source: source, log: log, active: true}
	b.mu.Lock()
	b.uses = append(b.uses, u)
	b.mu.Unlock()
	b.look(ctx, log)
	ctx, u.cancel = context.WithCancel(context.WithoutCancel(ctx))
	u.group.Go(log, "store book", func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				b.look(ctx, log)
			case <-ctx.Done():
				return
			}
		}
	})
	return u
}

// Look counts the open stores and reads the state files now.
func (u *Use) Look(ctx context.Context) { u.book.look(ctx, u.log) }

// Stop notes that the configuration delivers nothing any more, and reports what it leaves behind, unless
// quiet. The store is still open.
func (u *Use) Stop(ctx context.Context, quiet bool) {
	u.cancel()
	u.group.Wait()
	u.book.mu.Lock()
	u.active = false
	u.book.mu.Unlock()
	u.book.lookUnless(ctx, quiet, u.log)
}

// Close notes what the store holds right before it is closed, or left to others.
func (u *Use) Close(ctx context.Context, quiet bool) {
	u.cancel()
	u.group.Wait()
	b := u.book
	b.looking.Lock()
	defer b.looking.Unlock()
	b.count(ctx, u)
	b.mu.Lock()
	b.uses = slices.DeleteFunc(b.uses, func(other *Use) bool { return other == u })
	key := u.place.key()
	last := !slices.ContainsFunc(b.uses, func(other *Use) bool { return other.place.key() == key })
	if last {
		e := b.entries[key]
		e.Closed = true
		b.entries[key] = e
		delete(b.known, key)
		delete(b.replaced, key)
	}
	b.mu.Unlock()
	if last {
		b.save(key)
	}
	b.judge(u.log, quiet)
}

// Left returns the stores that hold deliveries and that nobody has open, as of the last look.
func (b *Book) Left() []Left {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.left)
}

// Left returns what is left behind; see Book.Left. None for nil.
func (u *Use) Left() []Left {
	if u == nil {
		return nil
	}
	return u.book.Left()
}

// Replaced says how the data of the store came to be other data than that of the run
// before; "" if it did not, or u is nil.
func (u *Use) Replaced() string {
	if u == nil {
		return ""
	}
	u.book.mu.Lock()
	defer u.book.mu.Unlock()
	return u.book.replaced[u.place.key()]
}

func (b *Book) look(ctx context.Context, log *zap.Logger) { b.lookUnless(ctx, false, log) }

func (b *Book) lookUnless(ctx context.Context, quiet bool, log *zap.Logger) {
	b.looking.Lock()
	defer b.looking.Unlock()
	b.mu.Lock()
	uses := slices.Clone(b.uses)
	b.mu.Unlock()
	b.read()
	for _, u := range uses {
		b.count(ctx, u)
	}
	b.judge(log, quiet)
}

// read reads the state files, of which other processes may have written some. The caller
// holds looking.
func (b *Book) read() {
	names, err := b.dir.Names()
	if err != nil {
		return // what is in memory stays
	}
	found := make(map[string]entry)
	for _, name := range names {
		if text, err := b.dir.Load(name); err == nil {
			if e, err := decode(text); err == nil {
				found[name] = e
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.entries {
		_, there := found[key]
		_, written := b.saved[key]
		if !there && written && !b.open(key) { // somebody has deleted it
			delete(b.entries, key)
			delete(b.told, key)
		}
	}
	for key, e := range found {
		if ours, have := b.entries[key]; !have || !e.UsedAt.Before(ours.UsedAt) {
			b.entries[key], b.saved[key] = e, e.UsedAt
		}
	}
}

// open tells whether this process has the store at the place open. The caller holds mu.
func (b *Book) open(key string) bool {
	return slices.ContainsFunc(b.uses, func(u *Use) bool { return u.place.key() == key })
}

// count asks a store and notes what it holds. The caller holds looking.
func (b *Book) count(ctx context.Context, u *Use) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	pending, dead, err := u.source.Count(ctx)
	generation, known := u.source.Generation()
	key, now := u.place.key(), b.now()

	b.mu.Lock()
	before := b.entries[key]
	e := before
	e.Store, e.UsedAt, e.Closed = u.place.Name, now, false
	if known {
		if before.Generation != "" && generation != "" && generation != before.Generation && !b.known[key] {
			b.replaced[key] = loss(before, now)
			u.log.Error("the store does not hold any more what it held at the last run: its data was removed or replaced; new webhooks are taken",
				zap.String("store", u.place.Name), zap.String("generation_before", before.Generation), zap.String("generation", generation),
				zap.Int("pending_lost", before.Pending), zap.Int("dead_letters_lost", before.Dead), zap.Time("counted_at", before.CountedAt))
		}
		e.Generation, b.known[key] = generation, true
	}
	if known && err == nil { // else it may be about other data
		e.Pending, e.Dead, e.CountedAt = pending, dead, now
	}
	b.entries[key] = e
	due := e.Generation != before.Generation || before.Closed || before.Store == "" || now.Sub(b.saved[key]) >= saveEvery
	b.mu.Unlock()
	if due {
		b.save(key)
	}
}

// loss describes the data that is gone.
func loss(e entry, now time.Time) string {
	return fmt.Sprintf("found %s: it was removed or replaced since it was last open here; gone are what it held: %d pending deliveries and %d dead letters when last counted, %s, and the event keys",
		now.UTC().Format(time.RFC3339), e.Pending, e.Dead, e.CountedAt.UTC().Format(time.RFC3339))
}

// save writes the state file of a place. The caller holds looking.
func (b *Book) save(key string) {
	b.mu.Lock()
	e := b.entries[key]
	b.mu.Unlock()
	text, err := json.MarshalIndent(e, "", "  ")
	if err == nil {
		err = b.dir.Save(key, append(text, '\n'))
	}
	b.mu.Lock()
	first := err != nil && !b.warned
	if err == nil {
		b.saved[key] = b.now()
	} else {
		b.warned = true
	}
	b.mu.Unlock()
	if first {
		b.warn(err)
	}
}

// judge finds what is left behind, and reports it unless quiet. The caller holds looking.
func (b *Book) judge(log *zap.Logger, quiet bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	live, generations := make(map[string]bool), make(map[string]bool)
	for key, e := range b.entries {
		if !b.open(key) && e.inUse(now) {
			live[key], generations[e.Generation] = true, true
		}
	}
	for _, u := range b.uses {
		if !u.active {
			continue
		}
		key := u.place.key()
		if !b.known[key] {
			return // it may be the same data, only at another address
		}
		live[key], generations[b.entries[key].Generation] = true, true
	}
	delete(generations, "")
	b.left = nil
	for _, key := range slices.Sorted(maps.Keys(b.entries)) {
		e := b.entries[key]
		if live[key] || generations[e.Generation] || e.Pending+e.Dead == 0 {
			delete(b.told, key)
			continue
		}
		l := Left{e.Store, e.Pending, e.Dead, e.CountedAt, e.Closed || b.open(key), b.dir.Path(key)}
		b.left = append(b.left, l)
		if quiet || b.told[key] >= e.Pending+e.Dead {
			continue
		}
		b.told[key] = e.Pending + e.Dead
		log.Error("deliveries were left behind in a store that this Caddy does not use any more",
			zap.String("store", l.Store), zap.Int("pending", l.Pending), zap.Int("dead", l.Dead), zap.Time("counted_at", l.CountedAt),
			zap.Bool("closed", l.Closed), zap.String("remedy", l.Remedy()))
	}
}
