//go:build linux

// Command torture does to the built Caddy what happens to servers: it kills,
// stops, reloads and starves it, its disk, its Redis and the application behind
// it, at random from a seed, while providers send; and an oracle checks that
// every promise of the design was kept. It ends with 1 if one was not.
//
//	torture -seeds 12                    twelve random seeds, over all stores in turn
//	torture -seed 4711 -store redis      one of them again: the same seed has the same plan
//	torture -minutes 60                  as many as fit
//
// The plan of a seed is made and printed before it is carried out. It is in here,
// and not among the examples, because it is about our own promises and uses what
// our own tests use. docs/reliability.md says more.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

type options struct {
	caddy   string
	dir     string
	seed    uint64
	seeds   int
	stores  []string
	minutes float64
	length  time.Duration
	keep    bool

	minReplicas int
}

func main() {
	if caddy := os.Getenv(envCaddy); caddy != "" {
		becomeCaddy(caddy)
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fail("torture", err)
	}
	canMount = ownMounts()
	redis.SetLogger(silence{}) // that a server is down is no news here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	wrong, err := torture(ctx, o)
	stop()
	if err != nil {
		fail("torture", err)
	}
	if wrong > 0 {
		os.Exit(1)
	}
}

// silence is a logger of go-redis.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	stores := flags.String("store", strings.Join([]string{storeFile, storeRedis, storeSentinel}, ","), "stores to use in turn: file, redis, sentinel, cluster")
	flags.StringVar(&o.caddy, "caddy", "bin/caddy", "a Caddy that was built with this module")
	flags.StringVar(&o.dir, "dir", "", "where runs keep their files; should be on a real disk (default: the system's directory for temporary files)")
	flags.Uint64Var(&o.seed, "seed", 0, "the first seed; the others follow (default: by chance)")
	flags.IntVar(&o.seeds, "seeds", 0, "how many seeds (default: 1 with -seed or -minutes, else 12)")
	flags.Float64Var(&o.minutes, "minutes", 0, "go on with further seeds for so long")
	flags.DurationVar(&o.length, "length", 12*time.Second, "how long faults go on in each run; part of the plan")
	flags.BoolVar(&o.keep, "keep", false, "keep the files of runs that went well, too")
	flags.IntVar(&o.minReplicas, "min-replicas", 0, "how many replicas confirm an event (default: all that a master has; fewer may lose some)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.stores = strings.Split(*stores, ",")
	for _, store := range o.stores {
		if !slices.Contains([]string{storeFile, storeRedis, storeSentinel, storeCluster}, store) {
			return o, fmt.Errorf("store %q: want file, redis, sentinel or cluster", store)
		}
	}
	if o.seeds == 0 {
		if o.seeds = 12; o.seed != 0 || o.minutes > 0 {
			o.seeds = 1
		}
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64N(1e6)
	}
	if o.caddy, err = filepath.Abs(o.caddy); err != nil {
		return o, err
	}
	_, err = os.Stat(o.caddy)
	return o, err
}

// newDirectory makes one for the files of all runs, in parent or, if that is empty, in
// the system's. It is absolute: servers have working directories of their own.
func newDirectory(parent string) (string, error) {
	parent, err := filepath.Abs(cmp.Or(parent, os.TempDir()))
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, "webhooks-torture-")
}

// torture runs the seeds and prints their results. wrong is how many broke a promise.
func torture(ctx context.Context, o options) (wrong int, err error) {
	dir, err := newDirectory(o.dir)
	if err != nil {
		return 0, err
	}
	fmt.Printf("first seed %d, stores %s, files in %s\n", o.seed, strings.Join(o.stores, ", "), dir)
	if !canMount {
		fmt.Println("left out: a full disk, as mounting a small one needs root")
	}
	if !canTrace() {
		fmt.Println("left out: power cuts and disks that fail, as they need strace and the right to use it")
	}
	var verdicts []*verdict
	began := time.Now()
	for i := 0; (i < o.seeds || time.Since(began).Minutes() < o.minutes) && ctx.Err() == nil; i++ {
		plan := newPlan(o.seed+uint64(i), o.stores[i%len(o.stores)], o.length)
		fmt.Print(plan)
		v, err := one(ctx, plan, o, dir)
		if err != nil {
			return wrong, err
		}
		if ctx.Err() != nil {
			break
		}
		fmt.Println(v.line())
		if len(v.violations) > 0 {
			wrong++
		}
		verdicts = append(verdicts, v)
	}
	printTable(verdicts)
	if wrong == 0 && !o.keep {
		return wrong, os.RemoveAll(dir)
	}
	return wrong, nil
}

// one carries a plan out. What went wrong is printed, and saved with all files.
func one(ctx context.Context, plan *Plan, o options, parent string) (*verdict, error) {
	dir := filepath.Join(parent, fmt.Sprintf("%s-%d", plan.Store, plan.Seed))
	w, err := newWorld(ctx, plan, o, dir)
	if err != nil {
		return nil, fmt.Errorf("starting seed %d: %w", plan.Seed, err)
	}
	v := w.run(ctx)
	w.close()
	if ctx.Err() != nil { // interrupted: it says nothing
		return v, os.RemoveAll(dir)
	}
	if len(v.violations) == 0 && !o.keep {
		return v, os.RemoveAll(dir)
	}
	if len(v.violations) > 0 {
		for _, violation := range v.violations[:min(len(v.violations), 10)] {
			fmt.Println("  !", violation)
		}
		fmt.Printf("  saved in %s; again: bin/torture -store %s -seed %d -length %s\n", dir, plan.Store, plan.Seed, plan.Length)
	}
	return v, w.save(v)
}

// save writes down what is needed to understand a run.
func (w *world) save(v *verdict) error {
	stories := ""
	for _, r := range w.books.Records() {
		if slices.Contains(v.about, r.Event.ID) || slices.ContainsFunc(v.violations, func(s string) bool { return strings.Contains(s, r.Event.ID) }) {
			stories += r.Story()
		}
	}
	err := w.store.saveLogs(w.dir)
	for name, content := range map[string]string{
		"plan.txt": w.plan.String(), "told.txt": strings.Join(w.told, "\n"), "violations.txt": strings.Join(v.violations, "\n"),
		"stories.txt": stories, "verdict.txt": v.line(),
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(w.dir, name), []byte(content+"\n"), 0o600))
	}
	return err
}

// printTable sums up by store.
func printTable(verdicts []*verdict) {
	sums := make(map[string]*verdict)
	runs := make(map[string]int)
	leftOut := make(map[string]int)
	for _, v := range verdicts {
		s := sums[v.plan.Store]
		if s == nil {
			s = &verdict{repeatedBy: make(map[string]int)}
			sums[v.plan.Store] = s
		}
		runs[v.plan.Store]++
		s.sent += v.sent
		s.again += v.again
		s.acknowledged += v.acknowledged
		s.delivered += v.delivered
		s.repeated += v.repeated
		s.unheard += v.unheard
		s.dead += v.dead
		s.held += v.held
		s.lost += v.lost
		s.violations = append(s.violations, v.violations...)
		for name, n := range v.repeatedBy {
			s.repeatedBy[name] += n
		}
		for name, n := range v.leftOut {
			leftOut[name] += n
		}
	}
	const row = "%-9s %6v %8v %8v %13v %10v %9v %8v %6v %6v %6v %6v\n"
	fmt.Printf("\n"+row, "store", "seeds", "sent", "again", "acknowledged", "delivered", "repeated", "unheard", "dead", "held", "lost", "wrong")
	for _, store := range slices.Sorted(maps.Keys(sums)) {
		s := sums[store]
		fmt.Printf(row, store, runs[store], s.sent, s.again, s.acknowledged, s.delivered, s.repeated, s.unheard, s.dead, s.held, s.lost, len(s.violations))
	}
	for _, store := range slices.Sorted(maps.Keys(sums)) {
		if by := sums[store].repeatedBy; len(by) > 0 {
			fmt.Printf("repeated with %s:%s\n", store, byName(by))
		}
	}
	if len(leftOut) > 0 {
		fmt.Println("left out here:" + byName(leftOut))
	}
}
