//go:build linux

package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// Plan is everything that is decided before a run: the same seed, store and length make the same plan. The
// machine decides what happens at the same moment.
type Plan struct {
	Seed    uint64
	Store   string
	Disk    string // of the file store: how its disk fails
	Breaker bool   // whether the destination app has one
	Length  time.Duration
	Steps   []Step
}

// Step is one thing that is done to the system. The steps of a track are done
// one after the other, tracks side by side.
type Step struct {
	At     time.Duration // after the start; later if the step before it took longer
	Track  string
	Kind   string
	Node   int            // whom it is done to, where there are several
	For    time.Duration  // how long it lasts
	N      int            // how much or how often
	Manner *oracle.Manner // of an application
}

// The tracks.
const (
	trackNode        = "node"
	trackStore       = "store"
	trackApplication = "application"
	trackProvider    = "provider"
)

// String is a step in words.
func (s Step) String() string {
	words := []string{fmt.Sprintf("%.1fs", s.At.Seconds())}
	switch {
	case s.Track == trackNode:
		words = append(words, fmt.Sprintf("node %d", s.Node+1))
	default:
		words = append(words, s.Track)
	}
	words = append(words, s.Kind)
	if s.Manner != nil {
		words = append(words, s.Manner.String())
	}
	if s.N > 0 {
		words = append(words, fmt.Sprint(s.N))
	}
	if s.For > 0 {
		words = append(words, fmt.Sprintf("for %.1fs", s.For.Seconds()))
	}
	return strings.Join(words, " ")
}

// String is a plan in words, a line for each track.
func (p *Plan) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, store %s", p.Seed, p.Store)
	if p.Disk != "" {
		fmt.Fprintf(&text, " on %s", p.Disk)
	}
	if p.Breaker {
		text.WriteString(", a breaker before the application")
	}
	fmt.Fprintf(&text, ", %s\n", p.Length)
	tracks := make(map[string][]string)
	for _, s := range p.Steps {
		tracks[s.Track] = append(tracks[s.Track], s.String())
	}
	for _, track := range []string{trackNode, trackStore, trackApplication, trackProvider} {
		if len(tracks[track]) > 0 {
			fmt.Fprintf(&text, "  %s\n", strings.Join(tracks[track], "; "))
		}
	}
	return text.String()
}

// kind is a kind of fault.
type kind struct {
	name   string
	weight int    // how often, compared with others of its track
	lasts  [2]int // milliseconds, from and to
	n      [2]int // from and to; 0, 0: no number
	apart  bool   // so long that it comes once at most
	run    func(*world, Step) error
	wants  func(*Plan) bool // nil: always
}

// newPlan draws a plan.
func newPlan(seed uint64, store string, length time.Duration) *Plan {
	h := fnv.New64a()
	_, _ = h.Write([]byte(store)) // never fails
	random := rand.New(rand.NewPCG(seed, h.Sum64()))
	p := &Plan{Seed: seed, Store: store, Length: length, Breaker: random.IntN(3) == 0}
	if store == storeFile {
		p.Disk = disks[random.IntN(len(disks))]
	}
	for _, track := range tracks(p) {
		p.draw(random, track.name, track.kinds, track.gap)
	}
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return p
}

// track is what may happen on one.
type track struct {
	name  string
	gap   [2]int // milliseconds between two steps
	kinds []kind
}

func tracks(p *Plan) []track {
	all := []track{
		{trackNode, [2]int{700, 3500}, nodeKinds},
		{trackApplication, [2]int{100, 1200}, applicationKinds},
		{trackProvider, [2]int{300, 2000}, providerKinds},
	}
	switch p.Store {
	case storeFile:
		all = append(all, track{trackStore, [2]int{500, 3500}, diskKinds})
	case storeRedis:
		all = append(all, track{trackStore, [2]int{500, 3500}, redisKinds})
	case storeSentinel:
		all = append(all, track{trackStore, [2]int{1500, 3500}, sentinelKinds})
	case storeCluster:
		all = append(all, track{trackStore, [2]int{1500, 3500}, clusterKinds})
	}
	return all
}

// draw fills the plan's time with steps of a track.
func (p *Plan) draw(random *rand.Rand, name string, kinds []kind, gap [2]int) {
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.wants != nil && !k.wants(p) })
	for at := between(random, [2]int{300, 1500}); at < p.Length && len(kinds) > 0; at += between(random, gap) {
		total := 0
		for _, k := range kinds {
			total += k.weight
		}
		dice, i := random.IntN(total), 0
		for dice >= kinds[i].weight {
			dice -= kinds[i].weight
			i++
		}
		k := kinds[i]
		s := Step{At: at, Track: name, Kind: k.name, For: between(random, k.lasts), Node: random.IntN(nodeCount(p.Store))}
		if k.n != [2]int{} {
			s.N = k.n[0] + random.IntN(k.n[1]-k.n[0]+1)
		}
		if name == trackApplication && k.run == nil {
			m := drawManner(random)
			s.Manner = &m
		}
		if k.apart {
			kinds = slices.Delete(slices.Clone(kinds), i, i+1)
		}
		p.Steps = append(p.Steps, s)
		at += s.For
	}
}

// between draws a time; 0, 0 is none.
func between(random *rand.Rand, ms [2]int) time.Duration {
	if ms[1] == 0 {
		return 0
	}
	return time.Duration(ms[0]+random.IntN(ms[1]-ms[0]+1)) * time.Millisecond
}

// nodeCount is how many Caddys share the store.
func nodeCount(store string) int {
	if store == storeFile {
		return 1
	}
	return 2
}

// runOf finds what carries a step out.
func (p *Plan) runOf(s Step) func(*world, Step) error {
	for _, track := range tracks(p) {
		if track.name != s.Track {
			continue
		}
		for _, k := range track.kinds {
			if k.name == s.Kind {
				return k.run
			}
		}
	}
	return nil
}
