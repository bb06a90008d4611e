package modeltest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// Report says what an exploration visited.
type Report struct {
	Scope       string
	States      int // that differ
	Left        int // of these, such as were left by everything that can be done there
	Transitions int // operations in a state, each followed by a look
	Pairs       int // of these, two at once
	Depth       int // operations from the empty store to the farthest state
	Operations  int // done in all, the ways between included
	Lost        int // states that a race led to, and did not again
	Took        time.Duration
}

// String returns the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%s: %d states, of which %d were left by everything that can be done there (%d came about by chance and not again); %d transitions, %d of them of two operations at once; up to %d steps deep; %d operations in %s",
		r.Scope, r.States, r.Left, r.Lost, r.Transitions, r.Pairs, r.Depth, r.Operations, r.Took.Round(10*time.Millisecond))
}

// Failure is a sequence of operations after which a store is not as the model says.
type Failure struct {
	Ops     []Op
	Problem string
}

// Error shows the sequence as Go code.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s\n\nafter %d operations:\n%s", f.Problem, len(f.Ops), code(f.Ops))
}

// node is a set of states that cannot be told apart.
type node struct {
	depth int
	edges [][]int // by operation: where it led; nil: not done yet
	look  []int   // where a look led
	next  int     // the first operation that may not have been done
	stamp int     // of the latest search for a way
	from  int     // on that way
	by    int     // operation on that way
	tries int     // how often it was looked for in vain
	lost  bool    // it is not looked for any more
}

// explorer takes a store through all states of a scope.
type explorer struct {
	t     testing.TB
	make  NewHarness
	scope *Scope

	nodes []node
	bySig map[string]int
	stamp int

	m      *machine
	here   int
	ops    []Op   // what can be done here
	name   int    // of the next event
	last   []edge // the latest two operations
	report Report
}

// machineLife is how many operations one storage sees.
const machineLife = 3000

// byLook is the number of the Look among the operations of a node.
const byLook = -1

// Explore visits everything in the scope. A failure is reduced to few operations.
func Explore(t testing.TB, scope Scope, newHarness NewHarness) (Report, *Failure) {
	x := &explorer{t: t, make: newHarness, scope: &scope, bySig: make(map[string]int)}
	x.report.Scope = scope.Name
	start := time.Now()
	err := x.explore()
	if x.m == nil {
		t.Fatal(err)
	}
	x.report.Took = time.Since(start)
	x.report.States = len(x.nodes)
	for i := range x.nodes {
		n := &x.nodes[i]
		x.report.Depth = max(x.report.Depth, n.depth)
		if x.leaves(n) && n.next == len(n.edges) {
			x.report.Left++
		}
	}
	if err == nil {
		return x.report, nil
	}
	f := &Failure{slices.Clone(x.m.trace), err.Error()}
	_ = x.m.close()
	if short := x.again(); short != nil {
		f = short
	}
	return x.report, reduce(t, newHarness, scope.Keys, f)
}

func (x *explorer) explore() error {
	if err := x.begin(); err != nil {
		return err
	}
	for {
		done, err := x.leave()
		if err != nil {
			return err
		}
		if !done {
			break
		}
		if len(x.m.trace) > machineLife {
			if err := x.restart(); err != nil {
				return err
			}
		}
	}
	return x.m.close()
}

// begin starts with an empty store.
func (x *explorer) begin() (err error) {
	if x.m, err = newMachine(context.WithoutCancel(x.t.Context()), x.make(x.t), x.scope.Keys); err != nil {
		return err
	}
	x.arrive(0)
	return nil
}

func (x *explorer) restart() error {
	if err := x.m.close(); err != nil {
		return err
	}
	return x.begin()
}

// leave does one thing that was not done before, where that is nearest.
func (x *explorer) leave() (bool, error) {
	if there, err := x.goFresh(); !there || err != nil {
		return false, err
	}
	n := &x.nodes[x.here]
	o := x.ops[n.next]
	x.report.Transitions++
	if o.kind == KindBoth {
		x.report.Pairs++
	}
	if err := x.do(n.next); err != nil {
		return false, err
	}
	return true, x.do(byLook)
}

// maxWays is how often a state is looked for. One that came about when one of
// two operations was quicker than the other may not come again.
const maxWays = 50

// goFresh goes to the nearest state where something is left to do, and says
// whether there is one.
func (x *explorer) goFresh() (bool, error) {
	for !x.fresh(&x.nodes[x.here]) {
		way := x.way(func(i int) bool { return x.fresh(&x.nodes[i]) })
		if way == nil && len(x.m.trace) == 0 {
			return false, nil
		}
		if way == nil { // there may be one from the start
			if err := x.restart(); err != nil {
				return false, err
			}
			continue
		}
		to := &x.nodes[way[len(way)-1].to]
		if to.tries++; to.tries > maxWays {
			to.lost = true
			x.report.Lost++
		}
		if err := x.walk(way); err != nil {
			return false, err
		}
	}
	x.nodes[x.here].tries = 0
	return true, nil
}

// leaves says that everything shall be done in n.
func (x *explorer) leaves(n *node) bool { return x.scope.Depth == 0 || n.depth < x.scope.Depth }

// fresh says that something is left to do in n.
func (x *explorer) fresh(n *node) bool {
	for n.next < len(n.edges) && n.edges[n.next] != nil {
		n.next++
	}
	return n.next < len(n.edges) && x.leaves(n) && !n.lost
}

// do does the operation of this number, and notes where it leads.
func (x *explorer) do(number int) error {
	from, o := x.here, Look()
	if number != byLook {
		o = x.ops[number]
	}
	x.last = append(x.last[max(0, len(x.last)-1):], edge{from, number})
	x.report.Operations++
	if err := x.m.do(o); err != nil {
		return err
	}
	if o.kind == KindCrash && len(x.m.worlds) > 1 { // find out at once what it forgot
		if err := x.m.do(Look()); err != nil {
			return err
		}
	}
	x.arrive(x.nodes[from].depth + bit(number != byLook))
	edge := &x.nodes[from].look
	if number != byLook {
		edge = &x.nodes[from].edges[number]
	}
	if !slices.Contains(*edge, x.here) {
		*edge = append(*edge, x.here)
		x.nearer(from)
	}
	return nil
}

// arrive finds out where the machine is.
func (x *explorer) arrive(depth int) {
	sig, keys := signature(x.m.worlds)
	x.name++
	x.ops = x.scope.ops(x.m.worlds, keys, x.name)
	x.name++ // for the second of a pair
	i, known := x.bySig[sig]
	if !known {
		i = len(x.nodes)
		x.bySig[sig] = i
		x.nodes = append(x.nodes, node{depth: depth, edges: make([][]int, len(x.ops))})
	}
	if len(x.nodes[i].edges) != len(x.ops) {
		panic("two states of one signature differ in what can be done")
	}
	x.here = i
}

// nearer corrects the depths of what an edge leads to.
func (x *explorer) nearer(from int) {
	queue := []int{from}
	for len(queue) > 0 {
		n := &x.nodes[queue[0]]
		queue = queue[1:]
		relax := func(to []int, cost int) {
			for _, i := range to {
				if x.nodes[i].depth > n.depth+cost {
					x.nodes[i].depth = n.depth + cost
					queue = append(queue, i)
				}
			}
		}
		relax(n.look, 0)
		for _, to := range n.edges {
			relax(to, 1)
		}
	}
}

// way returns the operations that lead to the nearest other node that is wanted,
// or nil.
func (x *explorer) way(wanted func(int) bool) []step {
	x.stamp++
	queue := []int{x.here}
	x.nodes[x.here].stamp = x.stamp
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at != x.here && wanted(at) {
			return x.trail(at)
		}
		visit := func(to []int, by int) {
			for _, i := range to {
				if n := &x.nodes[i]; n.stamp != x.stamp {
					n.stamp, n.from, n.by = x.stamp, at, by
					queue = append(queue, i)
				}
			}
		}
		for by, to := range x.nodes[at].edges {
			visit(to, by)
		}
		visit(x.nodes[at].look, byLook)
	}
	return nil
}

// step of a way: an operation, and where it leads if all goes as before.
type step struct{ by, to int }

// edge is an operation that was done in a node.
type edge struct{ from, by int }

func (x *explorer) trail(to int) (way []step) {
	for to != x.here {
		n := &x.nodes[to]
		way = append(way, step{n.by, to})
		to = n.from
	}
	slices.Reverse(way)
	return way
}

// walk goes a way, as far as it leads where it did before.
func (x *explorer) walk(way []step) error {
	for _, s := range way {
		if err := x.do(s.by); err != nil {
			return err
		}
		if x.here != s.to {
			return nil
		}
	}
	return nil
}

// again tries the last two operations after the shortest way to where they were
// done, and returns nil if they do not fail there.
func (x *explorer) again() *Failure {
	last := x.last
	err := x.begin()
	for i := 0; i < len(last) && err == nil; i++ {
		if x.here != last[i].from {
			err = x.walk(x.way(func(at int) bool { return at == last[i].from }))
		}
		if err == nil && x.here == last[i].from {
			err = x.do(last[i].by)
		}
	}
	if x.m == nil {
		return nil
	}
	defer x.m.close()
	if err == nil {
		return nil
	}
	return &Failure{x.m.trace, err.Error()}
}
