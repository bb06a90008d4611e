package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// run is the part of a trial in which webhooks are sent.
type run struct {
	step      step
	rig       *rig
	client    *client
	templates []*template
	maxEvents uint32
	arrived   int // at the application before what is measured
}

// warmUp sends for a moment and waits until all is delivered, so that
// connections, caches and the garbage collector are at work.
func (r *run) warmUp(ctx context.Context, d time.Duration) error {
	exchanges, err := r.client.closed(ctx, r.templates, d, r.maxEvents)
	if err != nil {
		return err
	}
	r.arrived, err = r.drain(ctx, len(exchanges)*r.step.Workload.FanOut)
	return err
}

// watch sends webhooks and measures.
func (r *run) watch(ctx context.Context, t *trial) error {
	before, err := r.reading(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	exchanges, err := r.sendAll(ctx)
	if err != nil {
		return err
	}
	t.Seconds = number(time.Since(start).Seconds())
	arrived, err := r.rig.app.count()
	if err != nil {
		return err
	}
	t.countAnswers(exchanges, r.step.System.wantStatus())
	if r.step.System.store != "" {
		t.Backlog = number(t.Accepted*r.step.Workload.FanOut - (arrived - r.arrived))
	}
	if r.step.System.delivers() {
		if _, err := r.drain(ctx, r.arrived+t.Accepted*r.step.Workload.FanOut); err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	after, err := r.reading(ctx)
	if err != nil {
		return err
	}
	t.addReadings(before, after)
	t.Memory = memoryOf(r.rig.caddy.Pid())
	t.InRedis = memory{unknown, unknown, unknown}
	if r.rig.redis != nil {
		t.InRedis = memoryOf(r.rig.redis.pid())
	}
	deliveries, err := r.rig.app.deliveries()
	if err != nil {
		return err
	}
	t.addLatencies(exchanges)
	t.judge(r.step.System, exchanges, deliveries, start)
	return nil
}

func (r *run) sendAll(ctx context.Context) ([]exchange, error) {
	if r.step.Mode == fixedRate {
		return r.client.paced(ctx, r.templates, r.step.Rate, r.step.Duration, r.maxEvents)
	}
	return r.client.closed(ctx, r.templates, r.step.Duration, r.maxEvents)
}

// drain waits until that many deliveries have arrived, or nothing moves any more.
func (r *run) drain(ctx context.Context, want int) (arrived int, err error) {
	if !r.step.System.delivers() {
		return 0, nil
	}
	moved := time.Now()
	_, err = waitFor(drainLimit, func() (bool, error) {
		n, err := r.rig.app.count()
		if n > arrived {
			arrived, moved = n, time.Now()
		}
		return n >= want || time.Since(moved) > standstill, errors.Join(err, ctx.Err())
	})
	return arrived, err
}

// settle waits until Caddy has noted that all is delivered: this work is part of the cost of an event.
func (r *run) settle(ctx context.Context) error {
	if r.step.System.store == "" {
		return nil
	}
	open := 0
	done, err := waitFor(standstill, func() (_ bool, err error) {
		open, err = r.rig.open(ctx)
		return open == 0, err
	})
	if err == nil && !done {
		err = fmt.Errorf("%d deliveries are still to be made when all have arrived", open)
	}
	return err
}

// reading is what the processes have used so far.
type reading struct {
	at                      time.Time
	caddy, redis, app, self usage
	machine                 machine
	calls                   map[string]int
}

func (r *run) reading(ctx context.Context) (_ reading, err error) {
	now := reading{
		at: time.Now(), machine: machineNow(),
		caddy: usageOf(r.rig.caddy.Pid()), app: usageOf(r.rig.app.pid()), self: usageOf(os.Getpid()),
		redis: usage{unknown, unknown},
	}
	if r.rig.redis != nil {
		now.redis = familyUsage(r.rig.redis.pid())
		now.calls, err = r.rig.redis.calls(ctx)
	}
	return now, err
}

// addReadings divides what was used by the events.
func (t *trial) addReadings(before, after reading) {
	events := number(t.Events)
	caddy, redis := after.caddy.since(before.caddy), after.redis.since(before.redis)
	app, self := after.app.since(before.app), after.self.since(before.self)
	t.CPU = cpu{caddy.cpu / events, redis.cpu / events, app.cpu / events, self.cpu / events}
	ours := caddy.cpu + app.cpu + self.cpu
	t.Written = caddy.written / events
	if after.calls != nil {
		ours += redis.cpu
		t.Written += redis.written / events
		t.Commands = make(calls)
		for name, n := range after.calls {
			if n -= before.calls[name]; n > 0 && name != "info" {
				t.Commands[name] = number(n) / events
			}
		}
	}
	all := number(after.at.Sub(before.at).Seconds()) * number(runtime.NumCPU())
	t.IdleCPU = (after.machine.idle - before.machine.idle) / all
	t.OthersCPU = max(0, after.machine.since(before.machine)-ours) / all
}
