package keyset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
)

const (
	temporaryName = "next.tmp"
	// leastWidth is the span of expiry of the narrowest slots, in seconds.
	leastWidth = 600
	// slotsOfALife is into how many slots a lifetime is divided at least.
	slotsOfALife = 16
	// mergeAt is how many files of one slot and about one size are merged.
	mergeAt = 8
	// leastTier is the number of keys up to which files are of the smallest size.
	leastTier = 64 << 10
)

// slot is a span of expiry: keys of one slot are in files of their own. Slots are the wider, the longer their keys
// live, so that there are some dozens of them.
type slot struct {
	width  uint8  // the span is leastWidth << width seconds
	number uint32 // it ends at (number+1) << width, in units of leastWidth
}

// slotOf is where a key belongs that expires then.
func slotOf(expiry, now uint32) slot {
	life := uint32(0)
	if expiry > now {
		life = expiry - now
	}
	width := uint8(bits.Len32(life / (leastWidth * 2 * slotsOfALife)))
	return slot{width, expiry / leastWidth >> width}
}

func fileName(number uint64, s slot) string {
	return fmt.Sprintf("%012x-%d-%08x.keys", number, s.width, s.number)
}

func parseName(name string) (number uint64, s slot, ok bool) {
	n, err := fmt.Sscanf(name, "%012x-%d-%08x.keys", &number, &s.width, &s.number)
	return number, s, err == nil && n == 3 && fileName(number, s) == name
}

// entry is a key and its expiry.
type entry struct {
	key    Key
	expiry uint32
}

// Flush moves the keys that are in memory into files. When it returns without an error they are durable.
// After an error they are still in memory; call it again.
func (s *Set) Flush(now uint32) error {
	s.mu.Lock()
	if s.sealed == nil {
		s.sealed, s.memory = s.memory, new(table)
	}
	sealed := s.sealed // nobody changes it any more
	s.mu.Unlock()
	slots := make(map[slot][]entry)
	for i := range sealed.parts {
		for key, expiry := range sealed.parts[i].keys {
			if expiry > now {
				sl := slotOf(expiry, now)
				slots[sl] = append(slots[sl], entry{key, expiry})
			}
		}
	}
	var made []*run
	for sl, entries := range slots {
		slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key[:], b.key[:]) })
		r, err := s.write(sl, len(entries), func() (Key, uint32, bool, error) {
			if len(entries) == 0 {
				return Key{}, 0, false, nil
			}
			e := entries[0]
			entries = entries[1:]
			return e.key, e.expiry, true, nil
		})
		if err != nil {
			for _, r := range made {
				err = errors.Join(err, r.remove())
			}
			return err
		}
		made = append(made, r)
	}
	s.replace(nil, made)
	s.mu.Lock()
	s.sealed = nil
	s.mu.Unlock()
	return nil
}

// write makes a file, durably.
func (s *Set) write(sl slot, count int, next func() (Key, uint32, bool, error)) (*run, error) {
	temporary := filepath.Join(s.dir, temporaryName)
	if err := writeRun(temporary, count, next); err != nil {
		return nil, fmt.Errorf("writing keys: %w", err)
	}
	s.number++
	path := filepath.Join(s.dir, fileName(s.number, sl))
	if err := os.Rename(temporary, path); err != nil {
		return nil, err
	}
	if err := syncDir(s.dir); err != nil {
		return nil, err
	}
	r, err := openRun(path)
	if err != nil {
		return nil, fmt.Errorf("keys in %s: %w", path, err)
	}
	r.number, r.slot = s.number, sl
	return r, nil
}

// replace takes files out of the set and puts others in. The caller deletes the former.
func (s *Set) replace(out, in []*run) {
	runs := slices.DeleteFunc(slices.Clone(*s.runs.Load()), func(r *run) bool { return slices.Contains(out, r) })
	runs = append(runs, in...)
	s.runs.Store(&runs)
}

// Drop deletes the files of which all keys have expired.
func (s *Set) Drop(now uint32) error {
	var expired []*run
	for _, r := range *s.runs.Load() {
		if r.latest <= now {
			expired = append(expired, r)
		}
	}
	s.replace(expired, nil)
	var err error
	for _, r := range expired {
		err = errors.Join(err, r.remove())
	}
	return err
}

// Merge merges some files into one, if there are many of one slot. It returns false if there was nothing to do.
func (s *Set) Merge(now uint32) (bool, error) {
	group := s.mergeable()
	if group == nil {
		return false, nil
	}
	count := 0
	m := merger{now: now}
	for _, r := range group {
		count += r.count
		m.readers = append(m.readers, &reader{run: r})
	}
	merged, err := s.write(group[0].slot, count, m.next)
	if err != nil {
		return false, err
	}
	for _, r := range m.readers {
		s.damaged.Add(int64(r.damaged))
	}
	s.replace(group, []*run{merged})
	for _, r := range group {
		err = errors.Join(err, r.remove())
	}
	return true, err
}

// mergeable returns files of one slot and about one size, if there are enough.
func (s *Set) mergeable() []*run {
	type kind struct {
		slot
		tier int
	}
	groups := make(map[kind][]*run)
	for _, r := range *s.runs.Load() {
		k := kind{r.slot, bits.Len(uint(r.count/leastTier)) / 3} // eight times as many keys in each
		if groups[k] = append(groups[k], r); len(groups[k]) == mergeAt {
			return groups[k]
		}
	}
	return nil
}

// merger yields the entries of several runs in order, each key once, without expired ones.
type merger struct {
	now     uint32
	readers []*reader
	heads   []head
	begun   bool
}

type head struct {
	entry
	from *reader
}

func (m *merger) next() (key Key, expiry uint32, more bool, err error) {
	if !m.begun {
		m.begun = true
		for _, r := range m.readers {
			if err := m.pull(r); err != nil {
				return key, 0, false, err
			}
		}
	}
	for len(m.heads) > 0 {
		first := m.heads[0].entry
		for len(m.heads) > 0 && m.heads[0].key == first.key {
			first.expiry = max(first.expiry, m.heads[0].expiry)
			from := m.heads[0].from
			m.heads = m.heads[1:]
			if err := m.pull(from); err != nil {
				return key, 0, false, err
			}
		}
		if first.expiry > m.now {
			return first.key, first.expiry, true, nil
		}
	}
	return key, 0, false, nil
}

// pull puts the next entry of a reader into its place among the heads.
func (m *merger) pull(r *reader) error {
	key, expiry, more, err := r.next()
	if err != nil || !more {
		return err
	}
	h := head{entry{key, expiry}, r}
	i, _ := slices.BinarySearchFunc(m.heads, h, func(a, b head) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), 0)
	})
	m.heads = slices.Insert(m.heads, i, h)
	return nil
}
