// Package keyset remembers keys until they expire, far more of them than fit into memory.
//
// New keys are in memory. Flush moves them into sorted files that never change, one for each span of
// expiry. Of a file, memory has a filter of 12 bits a key and the beginnings of its blocks, so that a key
// that is in no file costs no read, but for one look in some two hundred, and a key that is in one costs a
// read of 4 KiB. A file is deleted whole when all its keys have expired. Merge keeps the files few.
//
// Keys in memory are lost with the process: the caller adds them again from its own log, until Flush
// has returned.
package keyset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// Key is a key: a hash, of which every bit is as good as random.
type Key [16]byte

// Set is a set of keys. Flush, Merge, Drop and Close are called by one goroutine at a time; the other
// methods are safe for concurrent use beside them.
type Set struct {
	dir    string
	number uint64 // of the latest file

	runs    atomic.Pointer[[]*run] // the newest last
	damaged atomic.Int64

	mu     sync.RWMutex // guards the two pointers
	memory *table
	sealed *table // what Flush is writing; nil otherwise
}

// Open opens the files in dir, and makes dir if it is not there. Files that are damaged or of another
// program are renamed to *.aside and returned.
func Open(dir string) (_ *Set, aside []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	s := &Set{dir: dir, memory: new(table)}
	var runs []*run
	defer func() {
		if err != nil {
			for _, r := range runs {
				err = errors.Join(err, r.close())
			}
		}
	}()
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Name() == temporaryName {
			if err := os.Remove(path); err != nil {
				return nil, aside, err
			}
		}
		number, sl, ok := parseName(e.Name())
		if !ok {
			continue
		}
		s.number = max(s.number, number)
		r, err := openRun(path)
		switch {
		case errors.Is(err, errNoRun):
			if err := os.Rename(path, path+".aside"); err != nil {
				return nil, aside, err
			}
			aside = append(aside, path+".aside")
			continue
		case err != nil:
			return nil, aside, fmt.Errorf("keys in %s: %w", path, err)
		}
		r.number, r.slot = number, sl
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(a, b *run) int { return int(int64(a.number) - int64(b.number)) })
	s.runs.Store(&runs)
	return s, aside, nil
}

// Close gives the files free. What is in memory is forgotten.
func (s *Set) Close() (err error) {
	for _, r := range *s.runs.Load() {
		err = errors.Join(err, r.close())
	}
	return err
}

// Add remembers a key until expiry, in Unix seconds. It only writes to memory.
func (s *Set) Add(key Key, expiry uint32) {
	s.mu.RLock() // until it is added: Flush must not miss it
	defer s.mu.RUnlock()
	s.memory.add(key, expiry)
}

// Has reports whether the key was added and has not expired. An error means that nobody knows. A damaged
// part of a file has no keys.
func (s *Set) Has(key Key, now uint32) (bool, error) {
	if s.HasNew(key, now) {
		return true, nil
	}
	runs := *s.runs.Load()
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].latest <= now {
			continue
		}
		expiry, found, err := runs[i].find(key)
		switch {
		case errors.Is(err, ErrDamaged):
			s.damaged.Add(1)
		case err != nil:
			return false, err
		case found && expiry > now:
			return true, nil
		}
	}
	// A Flush or Merge may have moved it meanwhile, from a place that was not yet looked at.
	if latest := *s.runs.Load(); len(latest) != len(runs) || len(runs) > 0 && latest[len(latest)-1] != runs[len(runs)-1] {
		return s.Has(key, now)
	}
	return s.HasNew(key, now), nil
}

// HasNew is Has for keys that were added since the latest Flush. It reads no file.
func (s *Set) HasNew(key Key, now uint32) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.memory.has(key, now) || s.sealed != nil && s.sealed.has(key, now)
}

// New is how many keys were added since the latest Flush.
func (s *Set) New() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.memory.len()
	if s.sealed != nil {
		n += s.sealed.len()
	}
	return n
}

// Len is how many keys there are, expired ones included as long as their file is there.
func (s *Set) Len() int {
	n := s.New()
	for _, r := range *s.runs.Load() {
		n += r.count
	}
	return n
}

// Damaged is how often a look met a damaged part of a file.
func (s *Set) Damaged() int64 { return s.damaged.Load() }

// Bytes is the size of the files.
func (s *Set) Bytes() (n int64) {
	for _, r := range *s.runs.Load() {
		n += int64(runHeader + len(r.index)/8*(blockSize+8) + len(r.filter))
	}
	return n
}

// table is a set of keys in memory, in parts that are locked apart.
type table struct {
	parts [64]struct {
		sync.RWMutex
		keys map[Key]uint32
	}
}

func (t *table) add(key Key, expiry uint32) {
	p := &t.parts[key[0]%64]
	p.Lock()
	defer p.Unlock()
	if p.keys == nil {
		p.keys = make(map[Key]uint32)
	}
	p.keys[key] = max(p.keys[key], expiry)
}

func (t *table) has(key Key, now uint32) bool {
	p := &t.parts[key[0]%64]
	p.RLock()
	defer p.RUnlock()
	return p.keys[key] > now
}

func (t *table) len() (n int) {
	for i := range t.parts {
		p := &t.parts[i]
		p.RLock()
		n += len(p.keys)
		p.RUnlock()
	}
	return n
}
