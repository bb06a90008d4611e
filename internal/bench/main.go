// Command loadtest measures how fast webhooks are accepted and delivered, beside
// the same Caddy without webhooks, on the same machine, in the same run.
//
// It starts the built Caddy, an application behind it and, where there is one, a
// redis-server; sends signed webhooks over keep-alive connections; and prints
// what it found. docs/performance.md says what is measured and how to read it.
//
// One trial is one Caddy with one config, started anew, with an empty store, in
// front of an application that takes everything at once. Trials of all systems
// take turns, several rounds of them, and ratios compare trials of the same round.
// Every accepted event is looked for at the application: a lost, repeated or
// refused one makes the run fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if err := command(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	switch {
	case len(args) > 1 && args[0] == sinkCommand:
		return runSink(args[1:], os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == reapCommand:
		return reap(os.Stdin)
	}
	s, err := parseFlags(args, os.Stderr)
	if err != nil {
		return err
	}
	debug.SetGCPercent(400) // memory is plenty here, CPU is shared with what is measured
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case s.soak > 0:
		return soak(ctx, s, os.Stdout)
	case s.from != "":
		return reportAgain(s, os.Stdout)
	}
	return loadtest(ctx, s, os.Stdout)
}

// reportAgain prints, and publishes, what an earlier run has measured.
func reportAgain(s settings, out io.Writer) error {
	r, err := loadResults(s.from)
	if err != nil {
		return err
	}
	if err := r.print(out); err != nil || !s.publish {
		return err
	}
	return r.publish()
}

// loadtest measures, prints and saves. Results of a run that was cut short or went
// wrong are printed and saved, too, but not published.
func loadtest(ctx context.Context, s settings, out io.Writer) (err error) {
	b, err := newBench(s, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	r := &results{Base: b.base, Systems: names(b.systems), Conditions: b.conditions()}
	if r.Missing, err = b.missing(); err != nil {
		return err
	}
	err = b.run(ctx)
	if len(b.trials) == 0 {
		return err
	}
	r.Trials, r.Rounds, r.Rate = b.trials, b.rounds, b.rate
	r.judge()
	if err = errors.Join(err, b.wrong()); err != nil {
		r.Wrong = err.Error()
	}
	err = errors.Join(err, r.print(out), r.save(b.out), r.draw(b.out))
	if err == nil && b.publish {
		err = r.publish()
	}
	return err
}

func (r *results) print(out io.Writer) error {
	text := "\n" + strings.Join(r.conditionLines(), "\n") + "\n"
	for _, t := range r.report() {
		text += t.text()
	}
	_, err := io.WriteString(out, text)
	return err
}

// newBench finds the programs and makes the directories.
func newBench(s settings, out io.Writer) (b *bench, err error) {
	b = &bench{settings: s, progress: out}
	if b.caddyBinary, err = exec.LookPath(s.caddy); err != nil {
		return nil, fmt.Errorf("no Caddy: %w (make build)", err)
	}
	if b.caddyBinary, err = filepath.Abs(b.caddyBinary); err != nil {
		return nil, err
	}
	b.redisBinary, _ = redisBinary() // see missing
	for _, dir := range []string{s.out, s.workDir, s.profileDir} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := b.chooseSystems(); err != nil {
		return nil, err
	}
	workDir, err := filepath.Abs(s.workDir)
	if err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp(workDir, "loadtest-"); err != nil {
		return nil, err
	}
	if b.reaper, err = startReaper(); err == nil {
		err = b.reaper.directory(b.dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	return b, nil
}

func (b *bench) close() error {
	return errors.Join(os.RemoveAll(b.dir), b.reaper.close())
}

// chooseSystems takes those that were asked for, or all that are possible here.
func (b *bench) chooseSystems() error {
	withoutRedis, err := b.redisImpossible()
	if err != nil {
		return err
	}
	for _, s := range allSystems {
		asked := slices.Contains(b.names, s.Name)
		switch {
		case s.store == "redis" && withoutRedis != "" && asked:
			return fmt.Errorf("%s cannot be measured: %s", s.Name, withoutRedis)
		case asked, len(b.names) == 0 && (s.store != "redis" || withoutRedis == ""):
			b.systems = append(b.systems, s)
		}
	}
	return nil
}

// redisImpossible says why Redis cannot be measured, or nothing.
func (b *bench) redisImpossible() (why string, err error) {
	if b.redisBinary == "" {
		return "there is no redis-server (apt-get install redis-server)", nil
	}
	modules, err := exec.Command(b.caddyBinary, "list-modules").Output()
	if err != nil {
		return "", fmt.Errorf("%s list-modules: %w", b.caddyBinary, err)
	}
	if !strings.Contains(string(modules), "webhooks.stores.redis") {
		return "this Caddy has no store in Redis", nil
	}
	return "", nil
}

// missing lists what this run does not measure, and why.
func (b *bench) missing() (all []string, err error) {
	why, err := b.redisImpossible()
	for _, s := range allSystems {
		switch {
		case b.measures(s):
		case s.store == "redis" && why != "":
			all = append(all, s.Name+": "+why)
		default:
			all = append(all, s.Name+": not asked for")
		}
	}
	if _, lookErr := syncTracer(); lookErr != nil {
		all = append(all, "syncs: there is no strace")
	}
	return all, err
}

func (b *bench) measures(some ...system) bool { return len(b.chosen(some)) > 0 }
