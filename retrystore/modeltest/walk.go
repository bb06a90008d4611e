package modeltest

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// walkLength is how many operations a walk has.
const walkLength = 200

// walk goes on random walks through everything. Each has a seed of its own, which
// a failure names: it belongs in the list `found`. Without flags the seeds are the
// same every time, so that a change does not fail by chance; `make model` takes others.
func walk(t *testing.T, newHarness NewHarness) {
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	seeds := slices.Clone(found)
	for i := range *walks {
		seeds = append(seeds, first+uint64(i))
	}
	operations := 0
	for _, one := range seeds {
		n, f := walkOnce(t, newHarness, one)
		operations += n
		if f != nil {
			t.Fatalf("the walk of -model.seed=%d -model.walks=1: %s", one, f)
		}
	}
	t.Logf("%d walks of %d operations in all, from -model.seed=%d", len(seeds), operations, first)
}

func walkOnce(t *testing.T, newHarness NewHarness, seed uint64) (int, *Failure) {
	m, err := newMachine(context.WithoutCancel(t.Context()), newHarness(t), anything.Keys)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for name := 1; len(m.trace) < walkLength; name += 2 {
		o := choose(r, m.worlds, name)
		if err = m.do(o); err == nil && (o.kind == KindCrash || r.IntN(2) == 0) {
			err = m.do(Look())
		}
		if err != nil {
			_ = m.close()
			return len(m.trace), reduce(t, newHarness, anything.Keys, &Failure{m.trace, err.Error()})
		}
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	return len(m.trace), nil
}

// choose takes an operation, of each kind as often as of another, and now and
// then two at once.
func choose(r *rand.Rand, worlds []*state, name int) Op {
	_, keys := signature(worlds)
	all := anything.ops(worlds, keys, name)
	one := oneOf(r, all)
	if !one.joins() || r.IntN(4) > 0 {
		return one
	}
	other := oneOf(r, all)
	if !other.joins() {
		return one
	}
	if other.kind == KindAccept && one.kind == KindAccept {
		other.event++
	}
	return Both(one, other)
}

// joins says that something else may be done at the same time.
func (o Op) joins() bool { return o.kind < KindAdvance }

func oneOf(r *rand.Rand, all []Op) Op {
	byKind := make(map[Kind][]Op)
	var kinds []Kind
	for _, o := range all {
		if byKind[o.kind] == nil {
			kinds = append(kinds, o.kind)
		}
		byKind[o.kind] = append(byKind[o.kind], o)
	}
	some := byKind[kinds[r.IntN(len(kinds))]]
	return some[r.IntN(len(some))]
}
