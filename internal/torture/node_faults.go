//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

var nodeKinds = []kind{
	{name: "kill -9", weight: 6, lasts: [2]int{0, 600}, run: (*world).killNode, wants: func(p *Plan) bool { return p.Disk != diskPower }},
	{name: "power cut", weight: 8, lasts: [2]int{0, 600}, run: (*world).cutPower, wants: func(p *Plan) bool { return p.Disk == diskPower }},
	{name: "kill -9 while starting", weight: 2, lasts: [2]int{20, 800}, run: (*world).killStarting},
	{name: "kill -9 of all", weight: 2, lasts: [2]int{0, 600}, run: (*world).killAll, wants: shared},
	{name: "stop and start", weight: 2, run: (*world).restart},
	{name: "SIGSTOP", weight: 4, lasts: [2]int{200, 3500}, run: (*world).pauseNode},
	{name: "SIGSTOP beyond its leases", weight: 1, lasts: [2]int{13000, 14000}, apart: true, run: (*world).pauseNode, wants: shared},
	{name: "reloads", weight: 3, n: [2]int{5, 25}, run: (*world).reloadStorm},
	{name: "without destination app", weight: 2, lasts: [2]int{300, 2000}, run: (*world).withoutApp},
	{name: "other limits", weight: 2, lasts: [2]int{500, 2000}, run: (*world).otherLimits},
	{name: "bad configs", weight: 1, n: [2]int{1, 5}, run: (*world).badConfigs},
}

func shared(p *Plan) bool { return nodeCount(p.Store) > 1 }

// settleWindow is how long before a kill a success may have been and yet be
// forgotten: its settlement rides in a commit within 20 ms, plus that commit's own
// time and the scheduling of a loaded machine.
const settleWindow = time.Second

// died is the fault of a node that ended. What happened since the store began to
// fail it had in memory only.
func (w *world) died(name string) fault {
	return fault{name: name, before: settleWindow + w.outage.lasting(time.Now()), after: 300 * time.Millisecond}
}

func (w *world) killNode(s Step) error {
	n := w.nodes[s.Node]
	return w.during(w.died("kill"), func() error {
		err := n.kill()
		w.wait(s.For)
		return errors.Join(err, n.start())
	})
}

func (w *world) cutPower(s Step) error {
	n := w.nodes[s.Node]
	return w.during(w.died("power cut"), func() error {
		pid := n.running()
		if err := n.kill(); err != nil {
			return errors.Join(err, n.start())
		}
		told, err := w.damage(pid, n.found, uint64(s.At))
		w.logf("%s: %s", s, told)
		w.wait(s.For)
		return errors.Join(err, n.start())
	})
}

func (w *world) killStarting(s Step) error {
	n := w.nodes[s.Node]
	return w.during(w.died("kill"), func() error {
		return errors.Join(n.kill(), n.halfStart(s.For), n.start())
	})
}

func (w *world) killAll(s Step) error {
	return w.during(w.died("kill"), func() (err error) {
		for _, n := range w.nodes {
			err = errors.Join(err, n.kill())
		}
		w.wait(s.For)
		for _, n := range w.nodes {
			err = errors.Join(err, n.start())
		}
		return err
	})
}

// restart repeats nothing, unless the store did not take the results in time.
func (w *world) restart(s Step) error {
	n := w.nodes[s.Node]
	f := w.died("stop during an outage")
	if w.outage.lasting(time.Now()) == 0 {
		f = fault{name: "stop", harmless: true}
	}
	return w.during(f, func() error {
		n.setPid(0)
		n.Stop()
		return n.start()
	})
}

// pauseNode stops the process with SIGSTOP. An answer that arrived meanwhile may be too late when it
// continues; after a lease has ended, other nodes do its work as well.
func (w *world) pauseNode(s Step) error {
	n := w.nodes[s.Node]
	return w.during(fault{name: faultPause, before: 300 * time.Millisecond, after: 500 * time.Millisecond}, func() error {
		if err := n.Pause(); err != nil {
			return err
		}
		w.wait(s.For)
		return n.Resume()
	})
}

// reloadStorm is no fault: it must change nothing.
func (w *world) reloadStorm(s Step) error {
	n := w.nodes[s.Node]
	for i := range s.N {
		if err := n.load(w.caddyfile(n, variant{inFlight: 16 + i})); err != nil {
			return err
		}
		w.wait(time.Duration(30+i*5) * time.Millisecond)
	}
	return n.load(w.caddyfile(n, variant{}))
}

// withoutApp removes a destination from the config: its stored deliveries stay, and continue when it is
// back. Whether events that arrive meanwhile are for it depends on which node accepts them, and when.
func (w *world) withoutApp(s Step) error {
	n := w.nodes[s.Node]
	return w.during(fault{name: withoutApp, harmless: true, after: 100 * time.Millisecond}, func() error {
		if err := n.load(w.caddyfile(n, variant{withoutApp: true})); err != nil {
			return err
		}
		w.wait(s.For)
		return n.load(w.caddyfile(n, variant{}))
	})
}

// Faults that are known by their names.
const (
	faultPause         = "SIGSTOP"
	faultRedisPause    = "redis paused"
	faultMasterPause   = "master paused"
	faultReplicasPause = "replicas paused"
)

const withoutApp = "without app"

func (w *world) otherLimits(s Step) error {
	n := w.nodes[s.Node]
	if err := n.load(w.caddyfile(n, variant{inFlight: 2, rate: 300})); err != nil {
		return err
	}
	w.wait(s.For)
	return n.load(w.caddyfile(n, variant{}))
}

// badConfigs are refused and change nothing.
func (w *world) badConfigs(s Step) error {
	n := w.nodes[s.Node]
	for range s.N {
		if err := n.load(w.caddyfile(n, variant{invalid: true})); !errors.Is(err, errRefused) {
			return fmt.Errorf("a config with a destination without upstreams: %w", err)
		}
	}
	return nil
}
