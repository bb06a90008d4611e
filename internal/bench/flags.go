package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// settings are what the command line says.
type settings struct {
	size
	base       workload
	rate       float64
	maxEvents  int
	caddy      string
	workDir    string
	out        string
	profileDir string
	publish    bool
	from       string        // results.json of an earlier run, instead of a run
	soak       time.Duration // 0: measure speed instead
	names      []string      // of the systems to measure; empty: all that can be
	sweepNames []string      // empty: all, if there are sweeps
}

// parseFlags reads the command line. flag.ErrHelp means that all is said.
func parseFlags(args []string, messages io.Writer) (settings, error) {
	s := settings{size: standard, base: base}
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	f.SetOutput(messages)
	var isQuick, isFull bool
	var systems, some string
	f.BoolVar(&isQuick, "quick", false, "a round of a second each: whether it works, not how fast")
	f.BoolVar(&isFull, "full", false, "also over growing work: connections, body size, endpoints, pending events, destinations; takes most of an hour")
	f.StringVar(&some, "sweep", "", "only these of -full's sweeps, separated by commas: "+strings.Join(sweepNames(), ", "))
	rounds := f.Int("rounds", 0, "how often everything is measured (default 5)")
	d := f.Duration("duration", 0, "how long webhooks are sent in each trial (default 3s)")
	f.Float64Var(&s.rate, "rate", 0, "webhooks per second of the fixed-rate trials (default: half of what the slowest system delivers in a closed loop)")
	f.IntVar(&s.maxEvents, "max-events", 1_000_000, "webhooks that a trial sends at most")
	f.IntVar(&s.base.Connections, "connections", s.base.Connections, "keep-alive connections of the client")
	f.IntVar(&s.base.BodyBytes, "body", s.base.BodyBytes, fmt.Sprintf("bytes of a body, at least %d", minBody))
	f.StringVar(&s.base.LogLevel, "log-level", s.base.LogLevel, "of Caddy; below WARN, each webhook is two lines")
	f.StringVar(&s.base.RedisSync, "appendfsync", s.base.RedisSync, "when Redis syncs its append-only file: always, everysec or no")
	f.StringVar(&systems, "systems", "", "what to measure, separated by semicolons: "+strings.Join(names(allSystems), "; ")+"\n(default: all, those with Redis if there is a redis-server)")
	f.StringVar(&s.caddy, "caddy", "bin/caddy", "a Caddy that was built with this module")
	f.StringVar(&s.workDir, "dir", "bin", "where the stores are, while they are needed: on a disk, not in memory")
	f.StringVar(&s.out, "out", "", "where the results go (default bin/bench; with -soak bin/soak)")
	f.DurationVar(&s.soak, "soak", 0, "send at a steady rate for so long, and watch whether memory, goroutines, files and stores stay as large as they are; -rate for each store (default 200)")
	f.StringVar(&s.profileDir, "profile", "", "also take CPU and allocation profiles of Caddy, in trials of their own, into this directory")
	f.StringVar(&s.from, "from", "", "print, and with -publish publish, the `results.json` of an earlier run instead of measuring")
	f.BoolVar(&s.publish, "publish", false, "put the results into docs/performance.md; refused if the machine had other work")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q", f.Arg(0))
	case isQuick && isFull:
		return s, errors.New("-quick and -full are two things")
	case isQuick:
		s.size = quick
	case isFull:
		s.size = full
	}
	s.sweepNames = split(some, ",")
	s.sweeps = s.sweeps || some != ""
	if *rounds != 0 {
		s.rounds = *rounds
	}
	if *d != 0 {
		s.duration = *d
	}
	s.names = split(systems, ";")
	if s.out == "" {
		s.out = "bin/bench"
		if s.soak > 0 {
			s.out = "bin/soak"
		}
	}
	return s, s.check()
}

// split drops empty words.
func split(text, separator string) []string {
	var words []string
	for word := range strings.SplitSeq(text, separator) {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

func (s *settings) check() error {
	switch {
	case s.rounds < 1 || s.duration <= 0 || s.maxEvents < 1 || s.rate < 0:
		return errors.New("-rounds, -duration, -max-events and -rate want positive numbers")
	case s.soak != 0 && s.soak < shortestSoak:
		return fmt.Errorf("-soak wants at least %s", shortestSoak)
	case s.soak > 0 && (s.publish || s.profileDir != "" || s.sweeps || s.from != ""):
		return errors.New("-soak stands alone: no -full, -sweep, -profile, -from or -publish")
	case s.base.Connections < 1:
		return errors.New("-connections wants a positive number")
	case s.base.BodyBytes < minBody || s.base.BodyBytes > 1<<20:
		return fmt.Errorf("-body wants %d to %d bytes", minBody, 1<<20)
	case !slices.Contains([]string{"always", "everysec", "no"}, s.base.RedisSync):
		return fmt.Errorf("-appendfsync %s: want always, everysec or no", s.base.RedisSync)
	}
	for _, name := range s.names {
		if !slices.Contains(names(allSystems), name) {
			return fmt.Errorf("-systems: there is no %q", name)
		}
	}
	for _, name := range s.sweepNames {
		if !slices.Contains(sweepNames(), name) {
			return fmt.Errorf("-sweep: there is no %q", name)
		}
	}
	return nil
}

func sweepNames() []string {
	var all []string
	for _, sw := range sweeps(base) {
		all = append(all, sw.name)
	}
	return all
}

func names(systems []system) []string {
	var all []string
	for _, s := range systems {
		all = append(all, s.Name)
	}
	return all
}
