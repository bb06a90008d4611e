package modeltest

import (
	"flag"
	"testing"
)

var (
	deep  = flag.Bool("model.deep", false, "explore every state that can be reached, which takes minutes")
	walks = flag.Int("model.walks", 8, "how many random walks to go")
	seed  = flag.Uint64("model.seed", 1, "the first random walk's seed; 0 takes one from the clock")
)

// found are seeds of walks that failed once. They are walked every time.
var found = []uint64{
	5000003,             // full, though the key was held
	1796068358763319276, // full, by what an Accept of the same key was about to store
}

// Run explores every scope, and goes on random walks. A backend that takes its
// time explores the scopes that have a bound to fewer steps than others.
func Run(t *testing.T, newHarness NewHarness, fewer int) {
	for _, sc := range scopes {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			if sc = sc.shorter(fewer); *deep {
				sc.goDeep()
			}
			report, failure := Explore(t, sc, newHarness)
			t.Log(report)
			if failure != nil {
				t.Fatal(failure)
			}
		})
	}
	t.Run("Walks", func(t *testing.T) {
		t.Parallel()
		walk(t, newHarness)
	})
}

// goDeep takes the bound of the depth away, or what stands in its stead.
func (sc *Scope) goDeep() {
	sc.Depth = 0
	if sc.deep != nil {
		sc.deep(sc)
	}
}

// shorter is sc, if it has a bound, with one of fewer steps.
func (sc Scope) shorter(fewer int) Scope {
	if sc.Depth > 0 {
		sc.Depth -= fewer
	}
	return sc
}

func scopeNamed(t *testing.T, name string) Scope {
	for _, sc := range scopes {
		if sc.Name == name {
			return sc
		}
	}
	t.Fatalf("there is no scope %s", name)
	return Scope{}
}
