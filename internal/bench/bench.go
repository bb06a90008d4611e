package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// bench measures systems against each other in one run.
type bench struct {
	settings
	reaper      *reaper
	caddyBinary string
	redisBinary string
	dir         string // for the files of trials
	systems     []system
	progress    io.Writer

	trials []trial
}

// run carries out the whole plan. Trials that ended before an error are kept.
func (b *bench) run(ctx context.Context) error {
	for round := range b.rounds {
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	for _, pending := range b.pending {
		w := b.base
		w.Pending = pending
		for _, s := range b.chosen([]system{file, inRedis}) {
			if err := b.step(ctx, step{System: s, Workload: w, Mode: closedLoop, Duration: b.duration}); err != nil {
				return err
			}
		}
	}
	if err := b.probeAll(ctx); err != nil || !b.sweeps {
		return err
	}
	for _, s := range sweeps(b.base) {
		if len(b.sweepNames) > 0 && !slices.Contains(b.sweepNames, s.name) {
			continue
		}
		if err := b.sweep(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// round measures every system once in a closed loop, and once at a rate that all
// can keep.
func (b *bench) round(ctx context.Context, round int) error {
	for _, s := range rotated(b.systems, round) {
		if err := b.step(ctx, step{System: s, Workload: b.base, Mode: closedLoop, Duration: b.duration, Round: round}); err != nil {
			return err
		}
	}
	if b.rate == 0 {
		b.rate = commonRate(b.trials)
	}
	for _, s := range rotated(b.systems, round) {
		if s.held {
			continue
		}
		if err := b.step(ctx, step{System: s, Workload: b.base, Mode: fixedRate, Rate: b.rate, Duration: b.duration, Round: round}); err != nil {
			return err
		}
	}
	return nil
}

// commonRate is half of what the slowest system delivered, to two digits.
func commonRate(trials []trial) float64 {
	slowest := math.Inf(1)
	for _, t := range trials {
		rate := t.AcceptRate
		if t.SustainedRate.known() {
			rate = t.SustainedRate
		}
		slowest = min(slowest, float64(rate))
	}
	half := max(slowest/2, 1)
	unit := math.Pow(10, math.Floor(math.Log10(half))-1)
	return max(1, math.Floor(half/unit)*unit)
}

// probeAll measures things whose measurement costs too much speed to be on all the time.
func (b *bench) probeAll(ctx context.Context) error {
	var probes []probe
	if _, err := syncTracer(); err == nil {
		probes = append(probes, syncProbe)
	}
	if b.profileDir != "" {
		probes = append(probes, profiler)
	}
	for _, p := range probes {
		for _, s := range b.systems {
			if p == syncProbe && s.store == "" {
				continue
			}
			if err := b.step(ctx, step{System: s, Workload: b.base, Mode: closedLoop, Duration: b.duration, probe: p}); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweep measures its points, all of a round before those of the next.
func (b *bench) sweep(ctx context.Context, sw sweep) error {
	type point struct {
		system   system
		workload workload
	}
	var points []point
	for _, w := range sw.points {
		for _, s := range b.chosen(sw.systems) {
			points = append(points, point{s, w})
		}
	}
	for round := range min(sweepRounds, b.rounds) {
		for _, p := range rotated(points, round) {
			s := step{System: p.system, Workload: p.workload, Mode: closedLoop, Duration: b.duration, Round: round, sweep: sw.name}
			if err := b.step(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// chosen are those of the systems that take part in this run.
func (b *bench) chosen(some []system) []system {
	return slices.DeleteFunc(slices.Clone(some), func(s system) bool { return !slices.Contains(b.systems, s) })
}

// step measures one step and reports it.
func (b *bench) step(ctx context.Context, s step) error {
	t, err := b.try(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.System.Name, err)
	}
	b.trials = append(b.trials, *t)
	_, err = fmt.Fprintf(b.progress, "%-13s %-11s %-22s accepted %6s/s  sustained %6s/s  p99 %-7s others' CPU %s\n",
		t.System, t.Mode, s.label(b.base), rateText(t.AcceptRate), rateText(t.SustainedRate), timeText(t.Answer.P99), shareText(t.OthersCPU))
	return err
}

// label is what sets the step apart from the others of its system.
func (s step) label(base workload) string {
	switch {
	case s.probe != noProbe:
		return string(s.probe)
	case s.sweep != "":
		for _, sw := range sweeps(base) {
			if sw.name == s.sweep {
				return fmt.Sprintf("%s %s, round %d", sw.name, sw.at(s.Workload), s.Round+1)
			}
		}
	case s.Workload.Pending > 0:
		return countText(s.Workload.Pending) + " pending"
	}
	return fmt.Sprintf("round %d", s.Round+1)
}

// wrong says what should not have happened in any trial, or nothing.
func (b *bench) wrong() error {
	var all []error
	for _, t := range b.trials {
		all = append(all, t.wrong())
	}
	return errors.Join(all...)
}
