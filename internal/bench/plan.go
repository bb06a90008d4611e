package main

import (
	"slices"
	"time"
)

// size is how much is measured.
type size struct {
	rounds   int
	duration time.Duration // of sending, in each trial
	warmUp   time.Duration
	pending  []int // events stored in advance, in trials of their own
	sweeps   bool
}

var (
	quick    = size{rounds: 1, duration: time.Second, warmUp: 200 * time.Millisecond, pending: []int{2_000}}
	standard = size{rounds: 5, duration: 3 * time.Second, warmUp: time.Second, pending: []int{100_000}}
	full     = size{rounds: 5, duration: 3 * time.Second, warmUp: time.Second, pending: []int{100_000}, sweeps: true}
)

// sweepRounds is how often each point of a sweep is measured, if rounds are not fewer.
const sweepRounds = 3

// base is the workload of the goals: 64 connections, bodies of 1 KiB.
var base = workload{Connections: 64, BodyBytes: 1 << 10, Endpoints: 1, FanOut: 1, LogLevel: "WARN", RedisSync: "everysec"}

// sweep is a work that grows while everything else stays as in base.
type sweep struct {
	name    string
	title   string
	systems []system
	points  []workload
	at      func(w workload) string // what a point is called
}

// sweeps over the work. Those of which plain Caddy knows nothing are without the baselines.
func sweeps(base workload) []sweep {
	webhooks := []system{file, inRedis}
	return []sweep{
		{
			name: "connections", title: "Connections", systems: allSystems,
			points: vary(base, []int{1, 4, 16, 64, 256, 512}, func(w *workload, n int) { w.Connections = n }),
			at:     func(w workload) string { return countText(w.Connections) },
		},
		{
			// net/http closes a connection on which 256 KiB of a body were left
			// unread, as `respond` leaves it: so a little less.
			name: "body", title: "Body size", systems: allSystems,
			points: vary(base, []int{102, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 255 << 10}, func(w *workload, n int) { w.BodyBytes = n }),
			at:     func(w workload) string { return sizeText(number(w.BodyBytes)) },
		},
		{
			name: "endpoints", title: "Endpoints", systems: webhooks,
			points: vary(base, []int{1, 10, 100}, func(w *workload, n int) { w.Endpoints = n }),
			at:     func(w workload) string { return countText(w.Endpoints) },
		},
		{
			name: "pending", title: "Events pending elsewhere", systems: webhooks,
			points: vary(base, []int{0, 1_000, 10_000, 100_000, 1_000_000}, func(w *workload, n int) { w.Pending = n }),
			at:     func(w workload) string { return countText(w.Pending) },
		},
		{
			name: "fan-out", title: "Destinations of each event", systems: webhooks,
			points: vary(base, []int{1, 2, 3, 5}, func(w *workload, n int) { w.FanOut = n }),
			at:     func(w workload) string { return countText(w.FanOut) },
		},
		{
			name: "log", title: "Log level", systems: []system{file},
			points: vary(base, []string{"WARN", "INFO"}, func(w *workload, level string) { w.LogLevel = level }),
			at:     func(w workload) string { return w.LogLevel },
		},
		{
			name: "appendfsync", title: "When Redis syncs", systems: []system{redisHeld, inRedis},
			points: vary(base, []string{"no", "everysec", "always"}, func(w *workload, when string) { w.RedisSync = when }),
			at:     func(w workload) string { return w.RedisSync },
		},
	}
}

// vary makes a workload for each value.
func vary[T any](base workload, values []T, set func(*workload, T)) []workload {
	var all []workload
	for _, v := range values {
		w := base
		set(&w, v)
		all = append(all, w)
	}
	return all
}

// rotated begins with another element in each round, so that no system always
// comes after the same one, or first.
func rotated[T any](all []T, round int) []T {
	n := round % max(1, len(all))
	return slices.Concat(all[n:], all[:n])
}
