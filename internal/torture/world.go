//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// world is everything of one run: the proxies, what surrounds them, and the books.
type world struct {
	plan  *Plan
	caddy string // path of the program
	// minReplicas is how many replicas confirm an event; 0: all.
	minReplicas int
	clock       *redistest.Clock // of Redis; nil: its own
	dir         string
	books       *oracle.Books
	apps        map[string]*oracle.Application
	nodes       []*node
	store       backing
	servers     *servers

	github, stripe *oracle.Provider
	sending        context.Context // ends when providers give up
	over           context.Context // ends when the program is interrupted
	start          time.Time
	outage         outage

	mu       sync.Mutex
	faults   []oracle.Fault // that may make the proxy forget
	slow     []oracle.Fault // all that may make it late
	absences []oracle.Fault // of destination app in the config
	stalls   []oracle.Fault // see stall.go
	told     []string       // what was done, and when
	leftOut  map[string]int // faults that this machine cannot have
	cleanups []func()
}

// backing is what the store is made of.
type backing interface {
	line() string // what follows `store` in the config
	// alarms returns what its own log should not say.
	alarms() []string
	saveLogs(dir string) error
	// failovers are those that took place, planned or not. Each forgets what was
	// not acknowledged yet.
	failovers() []oracle.Fault
}

// fault is what a step is expected to do to deliveries.
type fault struct {
	name          string
	before, after time.Duration // see oracle.Fault
	destination   string
	harmless      bool // it may delay, but repeats nothing
}

// during notes a fault that lasts for as long as do takes.
func (w *world) during(f fault, do func() error) error {
	noted := oracle.Fault{Name: f.name, From: time.Now(), Before: f.before, After: f.after, Destination: f.destination}
	err := do()
	noted.To = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.name == withoutApp {
		w.absences = append(w.absences, noted)
		return err
	}
	if !f.harmless {
		w.faults = append(w.faults, noted)
	}
	noted.After = calm
	w.slow = append(w.slow, noted)
	return err
}

// wait lets time pass while a fault lasts.
func (w *world) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.over.Done():
	}
}

func (w *world) logf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// cleanup has f called at the end, in reverse order.
func (w *world) cleanup(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cleanups = append(w.cleanups, f)
}

func (w *world) close() {
	w.mu.Lock()
	cleanups := w.cleanups
	w.cleanups = nil
	w.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
}

// errLeftOut says that a fault is not possible here.
var errLeftOut = errors.New("not possible here")

// carryOut does the steps of a track, one after the other.
func (w *world) carryOut(track string) {
	for _, s := range w.plan.Steps {
		if s.Track != track || w.over.Err() != nil {
			continue
		}
		w.wait(time.Until(w.start.Add(s.At)))
		run := w.plan.runOf(s)
		if s.Manner != nil {
			run = (*world).behave
		}
		w.logf("%s", s)
		err := run(w, s)
		switch {
		case errors.Is(err, errLeftOut):
			w.mu.Lock()
			w.leftOut[s.Kind]++
			w.mu.Unlock()
		case err != nil && w.over.Err() == nil:
			w.books.Problem("%s: %v", s, err)
		}
		w.logf("done: %s %s %s", s.Track, s.Kind, failure(err))
	}
}

func failure(err error) string {
	if err == nil {
		return ""
	}
	return "(" + err.Error() + ")"
}

// outage knows since when the store fails, or was slow, in a way that leaves
// results in the memory of the proxy.
type outage struct {
	mu       sync.Mutex
	from, to time.Time // to is zero while it lasts
}

// outageTail is how long after an outage its results may take to be saved: the
// store is tried again within a second or so, and then has much to do.
const outageTail = 4 * time.Second

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to.IsZero() || time.Since(o.to) > outageTail {
		o.from = time.Now()
	}
	o.to = time.Time{}
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = time.Now()
}

// lasting is for how long results may not have been saved at that time.
func (o *outage) lasting(at time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.from.IsZero() || !o.to.IsZero() && at.Sub(o.to) > outageTail {
		return 0
	}
	return at.Sub(o.from)
}

// newWorld starts everything but the providers.
func newWorld(ctx context.Context, plan *Plan, o options, dir string) (_ *world, err error) {
	w := &world{plan: plan, caddy: o.caddy, minReplicas: o.minReplicas, dir: dir, books: oracle.NewBooks(), over: ctx, leftOut: make(map[string]int)}
	w.servers = &servers{w: w}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := os.MkdirAll(filepath.Join(dir, "trace"), 0o700); err != nil {
		return nil, err
	}
	if err := w.startApplications(); err != nil {
		return nil, err
	}
	if w.store, err = w.startStore(); err != nil {
		return nil, err
	}
	for i := range nodeCount(plan.Store) {
		n, err := w.newNode(i)
		if err != nil {
			return nil, err
		}
		if err := n.start(); err != nil {
			return nil, err
		}
		w.cleanup(n.Kill)
		w.nodes = append(w.nodes, n)
	}
	return w, nil
}

// traceDir is where strace writes what the proxy writes; empty: nobody looks.
func (w *world) traceDir() string {
	if w.plan.Disk == diskPower && canTrace() {
		return filepath.Join(w.dir, "trace")
	}
	return ""
}
