package modeltest

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// Reproduce does a sequence on a new store, and fails the test if the model does
// not allow what it does. Every operation is compared by its answer; the store
// is looked at where the sequence says so, and at the end.
func Reproduce(t *testing.T, newHarness NewHarness, ops ...Op) {
	t.Helper()
	if f := replay(t, newHarness, keysOf(ops), ops); f != nil {
		t.Error(f)
	}
}

func keysOf(ops []Op) (keys int) {
	for _, o := range ops {
		keys = max(keys, o.key)
		if o.both != nil {
			keys = max(keys, keysOf(o.both[:]))
		}
	}
	return keys
}

// replay returns nil if all is well. Operations that cannot be done are left out.
func replay(t testing.TB, newHarness NewHarness, keys int, ops []Op) *Failure {
	m, err := newMachine(context.WithoutCancel(t.Context()), newHarness(t), keys)
	if err != nil {
		return &Failure{Problem: err.Error()}
	}
	defer m.close()
	for _, o := range append(slices.Clone(ops), Look()) {
		if err := m.do(o); err != nil && !errors.Is(err, errInapplicable) {
			return &Failure{m.trace, err.Error()}
		}
	}
	return nil
}

// reduce leaves operations out of a failing sequence as long as it fails. A
// sequence that does not fail again is returned as it is.
func reduce(t testing.TB, newHarness NewHarness, keys int, f *Failure) *Failure {
	best := f
	for size := len(best.Ops); size >= 1; {
		smaller := false
		for at := 0; at+size <= len(best.Ops); {
			rest := slices.Delete(slices.Clone(best.Ops), at, at+size)
			if g := replay(t, newHarness, keys, rest); g != nil && len(g.Ops) < len(best.Ops) {
				best, smaller = g, true
				continue
			}
			at += size
		}
		if !smaller || size > len(best.Ops) {
			size /= 2
		}
		size = min(size, len(best.Ops))
	}
	if g := replay(t, newHarness, keys, renamed(best.Ops)); g != nil {
		return g
	}
	return best
}
