package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// trial is the measurement of one step. Rates are per second, times in seconds, sizes in bytes.
type trial struct {
	System   string   `json:"system"`
	Workload workload `json:"workload"`
	Mode     mode     `json:"mode"`
	Rate     float64  `json:"rate,omitempty"` // asked for
	Round    int      `json:"round"`
	Sweep    string   `json:"sweep,omitempty"`
	Probe    probe    `json:"probe,omitempty"`

	Seconds   number         `json:"seconds"` // of sending, to the last answer
	Events    int            `json:"events"`  // sent in them
	Accepted  int            `json:"accepted"`
	Refused   map[string]int `json:"refused,omitempty"` // other answers
	Delivered int            `json:"delivered"`         // of the accepted events, to all their destinations
	Lost      int            `json:"lost"`              // accepted, and not delivered
	Repeated  int            `json:"repeated"`          // delivered more than once

	AcceptRate    number `json:"accepted_per_second"`
	DeliverRate   number `json:"delivered_per_second"` // while webhooks were sent
	SustainedRate number `json:"sustained_per_second"` // events, until the last was delivered
	Backlog       number `json:"backlog"`              // deliveries to make when the last webhook was answered

	Answer     percentiles `json:"answer"`     // from when a webhook was due to its answer
	ToDelivery percentiles `json:"delivery"`   // from the answer to the arrival at the application; 0 if that was first
	SendLate   percentiles `json:"send_late"`  // from when a webhook was due until it was sent
	CPU        cpu         `json:"cpu"`        // per event
	OthersCPU  number      `json:"others_cpu"` // share of the machine that went to strangers
	IdleCPU    number      `json:"idle_cpu"`   // share of the machine that had nothing to do, or waited for the disk
	Written    number      `json:"bytes_written_per_event"`
	Syncs      number      `json:"syncs_per_event"`
	Commands   calls       `json:"redis_commands_per_event,omitempty"`
	Memory     memory      `json:"memory"`        // of Caddy at the end
	InRedis    memory      `json:"memory_redis"`  // of Redis at the end
	Filled     *memory     `json:"memory_filled"` // of Caddy when Workload.Pending events had been stored, and nothing else done
}

// cpu is CPU seconds per event.
type cpu struct {
	Caddy       number `json:"caddy"`
	Redis       number `json:"redis"`
	Application number `json:"application"`
	Client      number `json:"client"`
}

// calls are Redis' commands per event by name.
type calls map[string]number

func (c calls) total() number {
	if len(c) == 0 {
		return unknown
	}
	sum := number(0)
	for _, n := range c {
		sum += n
	}
	return sum
}

// scripts is how many of the commands came over the network to run a script.
func (c calls) scripts() number {
	if len(c) == 0 {
		return unknown
	}
	return c["eval"] + c["evalsha"] + c["fcall"]
}

const (
	// standstill bounds how long deliveries may stand still before those that
	// are missing count as lost.
	standstill = 15 * time.Second
	// fillLimit bounds how long storing Workload.Pending events may take.
	fillLimit = 10 * time.Minute
	// drainLimit bounds how long delivering all that was accepted may take.
	drainLimit = 5 * time.Minute
)

var errInterrupted = errors.New("interrupted")

// try measures one step.
func (b *bench) try(ctx context.Context, s step) (_ *trial, err error) {
	dir, err := os.MkdirTemp(b.dir, "trial-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := b.assemble(ctx, s, dir)
	if err != nil {
		return nil, err
	}
	defer r.dismantle()
	t, err := b.measure(ctx, s, r)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, fmt.Errorf("%w; %w", err, r.caddy.LastWords())
	}
	r.dismantle()
	if s.probe == syncProbe {
		if err := t.addSyncs(r); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addSyncs divides the syncs of a whole life, warm-up and start included, by all its events.
func (t *trial) addSyncs(r *rig) error {
	sum := number(0)
	for _, count := range []syncCount{r.caddySyncs, r.redisSyncs} {
		if count == "" {
			continue
		}
		n, err := count.read()
		if err != nil {
			return err
		}
		sum += n
	}
	t.Syncs = sum / number(t.Events)
	return nil
}

// measure fills the store as asked, warms up, and then watches the system at work.
func (b *bench) measure(ctx context.Context, s step, r *rig) (*trial, error) {
	w := s.Workload
	t := &trial{System: s.System.Name, Workload: w, Mode: s.Mode, Rate: s.Rate, Round: s.Round, Sweep: s.sweep, Probe: s.probe, Syncs: unknown}
	c, err := dial(r.at.address, w.Connections)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if w.Pending > 0 {
		if err := b.fill(ctx, c, s, r); err != nil {
			return nil, err
		}
		now := memoryOf(r.caddy.Pid())
		t.Filled = &now
	}
	templates, err := templatesFor(s.System, w, r.at.address)
	if err != nil {
		return nil, err
	}
	run := &run{step: s, rig: r, client: c, templates: templates, maxEvents: uint32(b.maxEvents)}
	if s.probe != syncProbe { // whose count goes from the start to the end
		if err := run.warmUp(ctx, b.warmUp); err != nil {
			return nil, err
		}
	}
	stop := b.startProfile(ctx, s, r)
	err = run.watch(ctx, t)
	return t, errors.Join(err, stop())
}

// templatesFor has one template for each endpoint.
func templatesFor(s system, w workload, host string) ([]*template, error) {
	n := 1
	if s.store != "" {
		n = w.Endpoints
	}
	all := make([]*template, n)
	var err error
	for i := range all {
		if all[i], err = newTemplate(host, fmt.Sprintf(livePath, i), w.BodyBytes); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fill stores Workload.Pending events at the endpoint that holds them.
func (b *bench) fill(ctx context.Context, c *client, s step, r *rig) error {
	t, err := newTemplate(r.at.address, heldPath, s.Workload.BodyBytes)
	if err != nil {
		return err
	}
	exchanges, err := c.closed(ctx, []*template{t}, fillLimit, uint32(s.Workload.Pending))
	if err != nil {
		return err
	}
	accepted := 0
	for _, e := range exchanges {
		if e.status == s.System.wantStatus() {
			accepted++
		}
	}
	if accepted != s.Workload.Pending {
		return fmt.Errorf("only %d of %d events could be stored in advance", accepted, s.Workload.Pending)
	}
	return nil
}
