package modeltest

import (
	"errors"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestModelAlone explores the model without a store: what an operation does
// leaves the state before it as it was, everything has an outcome, and states
// that count as one allow the same.
func TestModelAlone(t *testing.T) {
	for name, rules := range map[string]Rules{"forgets": {Forgets: true}, "leases outlive": {LeasesOutlive: true}} {
		for _, sc := range append(scopes, shallow(anything)) {
			t.Run(name+"/"+sc.Name, func(t *testing.T) {
				states, transitions := exploreModel(t, &sc, rules)
				t.Logf("%d states, %d transitions", states, transitions)
			})
		}
	}
}

func shallow(sc Scope) Scope {
	sc.Depth = 3
	return sc
}

func exploreModel(t *testing.T, sc *Scope, rules Rules) (states, transitions int) {
	start := newState(rules, sc.Keys)
	sig, _ := start.canonical()
	seen := map[string]int{sig: -1} // how much can be done there; -1: to be found out
	level := []*state{start}
	number := 0
	for depth := 0; len(level) > 0; depth++ {
		var next []*state
		for _, s := range level {
			sig, keys := s.canonical()
			ops := sc.ops([]*state{s}, keys, 2*number+1)
			if n := seen[sig]; n >= 0 && n != len(ops) {
				t.Fatalf("%d and %d operations in states that count as one", n, len(ops))
			}
			if seen[sig] = len(ops); sc.Depth > 0 && depth >= sc.Depth {
				continue
			}
			for _, o := range ops {
				number++
				transitions++
				outcomes := s.step(resolved(s, o, 3*number))
				if len(outcomes) == 0 {
					t.Fatalf("%s has no outcome", o)
				}
				if after, _ := s.canonical(); after != sig {
					t.Fatalf("%s changed the state before it", o)
				}
				for _, out := range outcomes {
					sig, _ := out.next.canonical()
					if _, known := seen[sig]; !known {
						seen[sig] = -1
						next = append(next, out.next)
					}
				}
			}
		}
		level = next
	}
	return len(seen), transitions
}

// resolved does for the model alone what machine.resolve does with a store.
func resolved(s *state, o Op, number int) Op {
	o.number = number
	switch o.kind {
	case KindBoth:
		o.both = &[2]Op{resolved(s, o.both[0], number+1), resolved(s, o.both[1], number+2)}
	case KindSettle, KindRenew, KindRelease:
		o.token = s.find(o.event, o.target).token
	case KindCommit, KindFree, KindRenewKey:
		o.token = s.key(o.key).hold
	}
	return o
}

// Events named otherwise, and keys in another order, make no other state.
func TestNamesDoNotMatter(t *testing.T) {
	after := func(ops ...Op) *state {
		s := newState(Rules{Forgets: true}, 2)
		for i, o := range ops {
			s = s.step(resolved(s, o, 10*(i+1)))[0].next
		}
		return s
	}
	a := after(Accept(1, 1, "a+"), Advance(), Accept(2, 2, "a-"), Settle(1, 0, Retry))
	b := after(Accept(7, 2, "a+"), Advance(), Accept(5, 1, "a-"), Settle(7, 0, Retry))
	c := after(Accept(1, 1, "a+"), Advance(), Accept(2, 2, "a-"), Settle(1, 0, Dead))
	sigA, keysA := a.canonical()
	sigB, keysB := b.canonical()
	if sigA != sigB || keysA[0] == keysB[0] {
		t.Errorf("two states that differ in names are told apart, or their keys are not: %v, %v", keysA, keysB)
	}
	if sigC, _ := c.canonical(); sigA == sigC {
		t.Error("a retry and a dead letter are one state")
	}
}

func TestServerClock(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Logf("%s has no LD_PRELOAD, and no test that would need it", runtime.GOOS)
		return
	}
	clocks := NewServerClocks(t)
	for _, moved := range []time.Duration{0, time.Hour} {
		program := exec.Command("sh", "-c", "read go; exec date +%s")
		var out strings.Builder
		program.Stdout = &out
		in, err := program.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		clock := clocks.Start(t, func() { err = program.Start() })
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(moved)
		before := time.Now()
		_, err = in.Write([]byte("go\n"))
		if err = errors.Join(err, program.Wait()); err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(out.String()), 10, 64)
		if ahead := time.Unix(seconds, 0).Sub(before) - moved; err != nil || ahead.Abs() > time.Minute {
			t.Errorf("a clock moved by %s is off by %s, %v", moved, ahead, err)
		}
	}
}
