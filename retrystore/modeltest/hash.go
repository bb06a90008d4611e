package modeltest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// hash tells states apart that differ in more than names and the past: two with
// one hash allow the same from here on. Keys are taken in the order given.
func (s *state) hash(keys []int) string {
	b := make([]byte, 0, 64)
	put := func(ns ...int) {
		for _, n := range ns {
			b = binary.AppendVarint(b, int64(n))
		}
	}
	put(bit(s.looked), len(s.events))
	since := s.dueOrder()
	for i := range s.events {
		e := &s.events[i]
		put(len(e.deliveries), bit(e.finished()))
		for j := range e.deliveries {
			d := &e.deliveries[j]
			put(int(d.lane[0]), d.priority, bit(d.token != 0))
			put(s.essence(d.progress)...)
			switch {
			case d.state == retrystore.Leased:
				put(d.until - s.now)
			case s.dueNow(d):
				put(slices.Index(since, d.due), slices.Index(since, d.dueLatest))
			}
			put(len(d.saved))
			for _, p := range d.saved {
				put(s.essence(p)...)
			}
		}
	}
	for _, number := range keys {
		k := s.key(number)
		put(max(0, k.expires-s.now))
		if s.remembers(number) {
			put(slices.IndexFunc(s.events, func(e event) bool { return e.name == k.owner }))
		}
		if put(bit(k.hold != 0)); k.hold != 0 {
			put(max(0, k.until-s.now))
		}
	}
	return string(b)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// essence is what matters of p from now on.
func (s *state) essence(p progress) []int {
	wait := 0
	if p.state == retrystore.Pending && p.due > s.now {
		wait = p.due - s.now
	}
	return []int{int(p.state), p.attempts, int(p.last), p.budget, wait}
}

// dueOrder are the times since which deliveries are due, in order: only that
// matters of them.
func (s *state) dueOrder() (since []int) {
	for i := range s.events {
		for j := range s.events[i].deliveries {
			if d := &s.events[i].deliveries[j]; s.dueNow(d) {
				since = append(since, d.due, d.dueLatest)
			}
		}
	}
	slices.Sort(since)
	return slices.Compact(since)
}

// canonical returns the least hash over all orders of the keys, and that order.
func (s *state) canonical() (least string, keys []int) {
	order := make([]int, len(s.keys))
	for i := range order {
		order[i] = i + 1
	}
	for p := range permutations(order) {
		if h := s.hash(p); least == "" || h < least {
			least, keys = h, slices.Clone(p)
		}
	}
	return least, keys
}

// permutations yields every order of all, in the same slice.
func permutations(all []int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		var permute func(n int) bool
		permute = func(n int) bool {
			if n == len(all) {
				return yield(all)
			}
			for i := n; i < len(all); i++ {
				all[n], all[i] = all[i], all[n]
				if !permute(n + 1) {
					return false
				}
				all[n], all[i] = all[i], all[n]
			}
			return true
		}
		permute(0)
	}
}

// distinct leaves out states that are there twice, and brings the others into an
// order that names do not matter to.
func distinct(states []*state) (all []*state) {
	if len(states) == 1 {
		return states
	}
	seen := make(map[string]bool)
	hashes := make(map[*state]string)
	for _, s := range states {
		if id := fmt.Sprintf("%+v", *s); !seen[id] {
			seen[id] = true
			all = append(all, s)
			hashes[s], _ = s.canonical()
		}
	}
	slices.SortStableFunc(all, func(a, b *state) int { return strings.Compare(hashes[a], hashes[b]) })
	return all
}

// signature is the canonical hash of a set of worlds, with the order of keys of
// the first of them.
func signature(worlds []*state) (string, []int) {
	if len(worlds) == 1 {
		return worlds[0].canonical()
	}
	hashes := make([]string, len(worlds))
	_, keys := worlds[0].canonical()
	for i, w := range worlds {
		hashes[i] = w.hash(keys)
	}
	slices.Sort(hashes)
	return strings.Join(hashes, "\x00|"), keys
}
