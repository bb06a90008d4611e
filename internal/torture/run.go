//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Limits of what comes after the last fault. All of it takes a second or two on an
// idle machine, but for leases of a node that is gone, which last for 12 s.
const (
	sendLimit  = 60 * time.Second // until all events are accepted
	drainLimit = 90 * time.Second // until all that can be delivered is
)

// run carries the plan out and judges.
func (w *world) run(ctx context.Context) *verdict {
	sending, giveUp := context.WithCancel(ctx)
	defer giveUp()
	w.sending = sending
	w.start = time.Now()
	beating, stopBeating := context.WithCancel(ctx)
	defer stopBeating()
	beats := make(chan struct{})
	go func() { defer close(beats); w.heartbeats(beating) }()
	stop := w.startProviders(sending)
	var group sync.WaitGroup
	for _, track := range []string{trackNode, trackStore, trackApplication, trackProvider} {
		group.Go(func() { w.carryOut(track) })
	}
	w.wait(w.plan.Length)
	faultsOver := make(chan struct{})
	go func() { group.Wait(); close(faultsOver) }()
	<-faultsOver

	w.logf("the faults are over")
	w.apps[destApp].Behave()
	late := time.AfterFunc(sendLimit, func() {
		w.books.Problem("events are still refused %s after the last fault", sendLimit)
		giveUp()
	})
	stop()
	late.Stop()
	w.logf("the providers are done")

	v := &verdict{plan: w.plan}
	if !w.alive(v) {
		stopBeating()
		<-beats
		w.judge(v) // there is nobody to ask: the books only
		v.took = time.Since(w.start)
		return v
	}
	w.drain(v, func(l lane) int {
		if l.Destination == destHeld {
			return l.Leased
		}
		return l.Pending + l.Leased
	})
	w.compare(v)
	w.logf("compared")
	w.finish(v)
	stopBeating()
	<-beats
	w.judge(v)
	v.took = time.Since(w.start)
	return v
}

// alive reports nodes that have ended by themselves.
func (w *world) alive(v *verdict) bool {
	for _, n := range w.nodes {
		select {
		case <-n.Exited():
			v.wrong("%s has ended by itself: %s", n.name, n.lastError())
		default:
		}
	}
	return len(v.violations) == 0
}

// drain waits until no destination has anything left to do.
func (w *world) drain(v *verdict, open func(lane) int) {
	var last string
	for deadline := time.Now().Add(drainLimit); w.over.Err() == nil; w.wait(100 * time.Millisecond) {
		left := 0
		s, err := w.nodes[0].stats()
		if err != nil {
			left, last = 1, err.Error()
		} else {
			for _, l := range s.Destinations {
				left += open(l)
			}
			last = fmt.Sprintf("%+v", s.Destinations)
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			v.wrong("deliveries are still open %s after the last fault: %s", drainLimit, last)
			return
		}
	}
}

// finish has everything taken that was held or dead.
func (w *world) finish(v *verdict) {
	if err := w.heal(); err != nil {
		v.wrong("%v", err)
		return
	}
	for _, n := range w.nodes {
		if err := n.load(w.caddyfile(n, variant{healed: true})); err != nil {
			v.wrong("%v", err)
		}
	}
	w.logf("replayed %d", w.replay(v))
	w.drain(v, func(l lane) int { return l.Pending + l.Leased + l.Dead })
}

// replay has all dead letters delivered again. A store that cannot confirm it in
// time, as on a busy machine, is asked again: then some are replayed already.
func (w *world) replay(v *verdict) (done int) {
	again := false
	for deadline := time.Now().Add(drainLimit); ; w.wait(500 * time.Millisecond) {
		n, err := w.nodes[0].replayDead()
		done += n
		switch {
		case err == nil && !again && n != v.dead:
			v.wrong("%d of %d dead letters were replayed", n, v.dead)
			return done
		case err == nil:
			return done
		case w.over.Err() != nil:
			return done
		case time.Now().After(deadline):
			v.wrong("dead letters cannot be replayed: %v", err)
			return done
		}
		again = true
	}
}
