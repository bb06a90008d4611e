package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// soaking is a soak of one store.
type soaking struct {
	plan    *soakPlan
	system  system
	rig     *rig
	file    *sampleFile
	samples []sample
	tell    func(format string, args ...any) // of progress

	mu      sync.Mutex
	answers []int64 // ns, since the last sample

	replays          bool // the latest repair was a replay
	replayed, purged int  // dead letters
	unrepaired       int  // repairs that failed
	account          account
}

// soak runs all stores side by side, reports and judges.
func soak(ctx context.Context, s settings, out io.Writer) (err error) {
	b, err := newBench(s, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.systems = b.chosen([]system{file, inRedis})
	if len(b.systems) == 0 {
		return errors.New("-soak is for the systems file and redis")
	}
	if b.rate == 0 {
		b.rate = 200
	}
	report := &soakReport{plan: newSoakPlan(b.soak, b.rate), conditions: b.conditions()}
	var mu sync.Mutex
	tell := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(out, format+"\n", args...) // a lost line of progress is no reason to stop
	}
	tell("%s\n%s", report.plan, b.base.soakText())
	// One that ends early ends the other, too: half of a soak is none.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([]*soaking, len(b.systems))
	errs := make([]error, len(b.systems))
	var group sync.WaitGroup
	for i, system := range b.systems {
		all[i] = &soaking{plan: report.plan, system: system, tell: tell}
		group.Go(func() {
			if errs[i] = b.soakOne(ctx, all[i]); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", system.Name, errs[i])
				cancel()
			}
		})
	}
	group.Wait()
	report.all = all
	if err := errors.Join(errs...); err != nil {
		return errors.Join(err, report.draw(b.out))
	}
	return errors.Join(report.print(out, b.out), report.draw(b.out), report.wrong())
}

// soakOne does the whole soak of one store.
func (b *bench) soakOne(ctx context.Context, s *soaking) (err error) {
	dir, err := os.MkdirTemp(b.dir, "soak-")
	if err != nil {
		return err
	}
	w := b.base
	s.rig, err = b.assemble(ctx, step{System: s.system, Workload: w, Mode: fixedRate, Rate: s.plan.rate, Duration: s.plan.duration, soak: s.plan}, dir)
	if err != nil {
		return err
	}
	defer s.rig.dismantle()
	if s.file, err = newSampleFile(filepath.Join(b.out, s.system.Name+".csv")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.file.close()) }()
	t, err := newTemplate(s.rig.at.address, fmt.Sprintf(livePath, 0), w.BodyBytes)
	if err != nil {
		return err
	}
	c, err := dial(s.rig.at.address, w.Connections)
	if err != nil {
		return err
	}
	defer c.close()
	c.choose = s.plan.event
	for _, one := range c.connections {
		one.observe = s.observe
	}
	exchanges, err := s.send(ctx, c, t)
	if err == nil {
		err = s.finish(ctx, exchanges)
	}
	if err != nil {
		err = fmt.Errorf("%w; %w", err, s.rig.caddy.LastWords())
	}
	return err
}

// observe remembers how long an answer took until the next sample.
func (s *soaking) observe(e exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, e.answered-e.due)
}

// send sends to the end, while samples are taken and dead letters are dealt with.
func (s *soaking) send(ctx context.Context, c *client, t *template) (exchanges []exchange, err error) {
	start := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sending, done := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	watch := func(every time.Duration, look func() error) {
		watchers.Go(func() {
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
				case <-sending.Done():
					return
				}
				if err := look(); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	watch(s.plan.sample, func() error { return s.takeSample(ctx, time.Since(start)) })
	watch(s.plan.repair, func() error { s.repair(ctx, time.Since(start)); return nil })
	exchanges, err = c.paced(ctx, []*template{t}, s.plan.rate, s.plan.duration, math.MaxUint32)
	done()
	watchers.Wait()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return exchanges, err
}

// takeSample notes what is seen now.
func (s *soaking) takeSample(ctx context.Context, at time.Duration) error {
	select {
	case <-s.rig.caddy.Exited():
		return errors.New("caddy has ended by itself")
	default:
	}
	now := sample{at: at, values: s.rig.look(ctx)}
	s.mu.Lock()
	now.values[answerP99.name] = percentilesOf(s.answers).P99
	s.answers = s.answers[:0]
	s.mu.Unlock()
	s.samples = append(s.samples, now)
	if len(s.samples)%6 == 1 {
		s.tell("%8s %-6s %s", at.Round(time.Second), s.system.Name, now)
	}
	return s.file.add(now)
}

// repair has all dead letters replayed, and next time removed. A store that is too
// busy for it is no reason to end a soak; it is counted.
func (s *soaking) repair(ctx context.Context, at time.Duration) {
	operation, done := "purge", &s.purged
	if s.replays = !s.replays; s.replays {
		operation, done = "replay", &s.replayed
	}
	n, err := s.rig.bulk(ctx, operation)
	*done += n
	if err != nil && ctx.Err() == nil {
		s.unrepaired++
		s.tell("%8s %-6s %v", at.Round(time.Second), s.system.Name, err)
	}
}

// bulk asks Caddy to do something to all dead letters. done is to how many it was.
func (r *rig) bulk(ctx context.Context, operation string) (done int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.at.admin+"/webhooks/"+operation,
		bytes.NewReader([]byte(`{"filter":{"state":"dead"}}`)))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct{ Done int }
	if err = json.NewDecoder(response.Body).Decode(&answer); err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		err = fmt.Errorf("%s of dead letters: %w", operation, err)
	}
	return answer.Done, err
}

// soakDrain bounds how long the last deliveries may take: attempts with their
// pauses, and leases that must lapse if the machine was too busy.
const soakDrain = time.Minute

// finish waits until all is delivered or dead, and does the accounts.
func (s *soaking) finish(ctx context.Context, exchanges []exchange) error {
	var q queues
	var last error
	done, err := waitFor(soakDrain, func() (bool, error) {
		q, last = s.rig.queues(ctx)
		return last == nil && q.open == 0, ctx.Err()
	})
	if err != nil {
		return err
	}
	if !done {
		return errors.Join(fmt.Errorf("%d deliveries are still to be made %s after the last webhook", q.open, soakDrain), last)
	}
	deliveries, err := s.rig.app.deliveries()
	if err != nil {
		return err
	}
	s.account = settleAccount(s.plan, exchanges, deliveries)
	s.account.Replayed, s.account.Purged, s.account.DeadLeft, s.account.Unrepaired = s.replayed, s.purged, q.dead, s.unrepaired
	return nil
}
