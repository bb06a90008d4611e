package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// results are what a run has measured, as it is saved.
type results struct {
	Conditions conditions `json:"conditions"`
	Base       workload   `json:"base"`
	Rounds     int        `json:"rounds"`
	Rate       float64    `json:"fixed_rate"` // webhooks per second
	Systems    []string   `json:"systems"`
	Missing    []string   `json:"missing,omitempty"` // what was not measured, and why
	Wrong      string     `json:"wrong,omitempty"`   // why the run failed: then nothing of this counts
	Trials     []trial    `json:"trials"`
	Goals      []goal     `json:"goals"`
}

// goal is a ratio or a size that is wanted (DESIGN, Performance).
type goal struct {
	What   string `json:"what"`
	Wanted number `json:"wanted"`
	Got    spread `json:"got"`
	Most   bool   `json:"at_most,omitempty"` // else at least
	Bytes  bool   `json:"bytes,omitempty"`
}

// met compares the median.
func (g goal) met() bool {
	if g.Most {
		return g.Got.Median <= g.Wanted
	}
	return g.Got.Median >= g.Wanted
}

// ofBase are the trials of a system with the base workload, by round.
func (r *results) ofBase(system string, m mode) []trial {
	var some []trial
	for _, t := range r.Trials {
		if t.System == system && t.Mode == m && t.Sweep == "" && t.Probe == noProbe && t.Workload.Pending == 0 {
			some = append(some, t)
		}
	}
	return some
}

// metric is one number of a trial.
type metric func(t trial) number

func acceptRate(t trial) number    { return t.AcceptRate }
func sustainedRate(t trial) number { return t.SustainedRate }

// spread is what the rounds have measured of a system.
func (r *results) spread(system string, m mode, of metric) spread {
	return spreadOver(r.ofBase(system, m), of)
}

func spreadOver(trials []trial, of metric) spread {
	values := make([]number, len(trials))
	for i, t := range trials {
		values[i] = of(t)
	}
	return spreadOf(values)
}

// ratio compares a system with a baseline, each round with the same round: what
// disturbs the machine for a while disturbs both.
func (r *results) ratio(system, baseline string, of metric) spread {
	wanted := make(map[int]number)
	for _, t := range r.ofBase(baseline, closedLoop) {
		wanted[t.Round] = of(t)
	}
	var values []number
	for _, t := range r.ofBase(system, closedLoop) {
		if b, ok := wanted[t.Round]; ok {
			values = append(values, of(t)/b)
		}
	}
	return spreadOf(values)
}

// judgeGoals compares with what is wanted. Goals that were not measured have no rounds.
func (r *results) judgeGoals() {
	r.Goals = []goal{
		{What: "accept, embedded store, of A", Wanted: .5, Got: r.ratio(fileHeld.Name, respond.Name, acceptRate)},
		{What: "accept to delivered, embedded store, of B", Wanted: .75, Got: r.ratio(file.Name, proxy.Name, sustainedRate)},
		{What: "accept, Redis, of A", Wanted: .4, Got: r.ratio(redisHeld.Name, respond.Name, acceptRate)},
		{What: "accept to delivered, Redis, of B", Wanted: .55, Got: r.ratio(inRedis.Name, proxy.Name, sustainedRate)},
		{What: "RSS with 100,000 pending events, embedded store", Wanted: 300 << 20, Most: true, Bytes: true, Got: r.filledRSS(100_000)},
	}
}

// filledRSS is the memory of Caddy when so many events had been stored.
func (r *results) filledRSS(pending int) spread {
	var values []number
	for _, t := range r.Trials {
		if t.System == file.Name && t.Workload.Pending == pending && t.Filled != nil && t.Workload.BodyBytes == 1<<10 {
			values = append(values, t.Filled.RSS)
		}
	}
	return spreadOf(values)
}

// othersCPU is the share of the machine that strangers had, in the worst trial of
// the sweeps or of all others. Trials whose speed does not count are left out: strace
// is a stranger too.
func (r *results) othersCPU(sweeps bool) number {
	worst := unknown
	for _, t := range r.Trials {
		if t.Probe == noProbe && (t.Sweep != "") == sweeps && t.OthersCPU.known() && (!worst.known() || t.OthersCPU > worst) {
			worst = t.OthersCPU
		}
	}
	return worst
}

// judge sums up the trials.
func (r *results) judge() {
	r.Conditions.OthersCPU, r.Conditions.OthersCPUInSweeps = r.othersCPU(false), r.othersCPU(true)
	r.judgeGoals()
}

// loadResults reads what save wrote, and judges it anew.
func loadResults(path string) (*results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.judge()
	return r, nil
}

// save writes results.json.
func (r *results) save(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644)
}
