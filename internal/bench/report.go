package main

import (
	"fmt"
	"strings"
)

// report is everything as tables.
func (r *results) report() []table {
	all := []table{r.throughputTable(), r.answerTable(), r.costTable()}
	if t := r.pendingTable(); len(t.rows) > 0 {
		all = append(all, t)
	}
	for _, sw := range sweeps(r.Base) {
		if t := r.sweepTable(sw); len(t.rows) > 0 {
			all = append(all, t)
		}
	}
	return append(all, r.goalTable())
}

// conditionLines say what was measured where.
func (r *results) conditionLines() []string {
	c := r.Conditions
	lines := []string{
		fmt.Sprintf("%s, revision %s, Caddy %s, %s", c.At.Format("2006-01-02 15:04 MST"), c.Revision, firstWord(c.Caddy), c.Go),
		fmt.Sprintf("%d × %s, %s of memory, %s; stores on %s", c.CPUs, c.CPU, sizeText(c.Memory), c.System, c.Disk),
		fmt.Sprintf("%d connections, bodies of %s, log level %s, rounds: %d; client, application and stores on the same machine",
			r.Base.Connections, sizeText(number(r.Base.BodyBytes)), r.Base.LogLevel, r.Rounds),
	}
	if c.Redis != "" {
		lines = append(lines, fmt.Sprintf("%s, append-only file with appendfsync %s", c.Redis, r.Base.RedisSync))
	}
	others := fmt.Sprintf("load average before: %s; other processes had up to %s of the CPUs in a trial", c.Load, shareText(c.OthersCPU))
	if c.OthersCPUInSweeps.known() {
		others += fmt.Sprintf(", up to %s in one of the sweeps", shareText(c.OthersCPUInSweeps))
	}
	lines = append(lines, others)
	if c.OnlyMemory {
		lines = append(lines, "the stores were in memory, not on a disk: syncs cost nothing, and what was measured says little")
	}
	for _, what := range r.Missing {
		lines = append(lines, "not measured: "+what)
	}
	if r.Wrong != "" {
		lines = append(lines, "THIS RUN FAILED: "+r.Wrong)
	}
	return lines
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

func (r *results) throughputTable() table {
	t := table{
		title: "As fast as it goes (closed loop)",
		head:  []string{"", "accepted/s", "of A", "accepted to delivered/s", "of B", "backlog at the end", "answer p50", "p99", "answer → delivered p50", "p99"},
		notes: []string{
			"Median of the rounds, and the lowest and highest. Ratios compare trials of the same round.",
			"“Accepted to delivered” are events divided by the time until the last of them was delivered; the backlog is what was still to be delivered when the last was answered.",
		},
	}
	for _, name := range r.Systems {
		of := func(m metric) spread { return r.spread(name, closedLoop, m) }
		t.add(r.systemTitle(name),
			of(acceptRate).text(rateText),
			r.ratio(name, respond.Name, acceptRate).text(ratioText),
			of(sustainedRate).text(rateText),
			r.ratio(name, proxy.Name, sustainedRate).text(ratioText),
			of(func(t trial) number { return t.Backlog }).text(rateText),
			of(func(t trial) number { return t.Answer.P50 }).text(timeText),
			of(func(t trial) number { return t.Answer.P99 }).text(timeText),
			of(func(t trial) number { return t.ToDelivery.P50 }).text(timeText),
			of(func(t trial) number { return t.ToDelivery.P99 }).text(timeText),
		)
	}
	return t
}

func (r *results) answerTable() table {
	t := table{
		title: fmt.Sprintf("At %s webhooks a second", countText(int(r.Rate))),
		head:  []string{"", "answer p50", "p99", "p99.9", "longest", "answer → delivered p50", "p99", "backlog at the end", "CPU of Caddy per event"},
		notes: []string{"From when a webhook was due, not from when it could be sent: one that waits because others are not answered yet is counted as slow."},
	}
	for _, name := range r.Systems {
		if len(r.ofBase(name, fixedRate)) == 0 {
			continue
		}
		of := func(m metric) spread { return r.spread(name, fixedRate, m) }
		t.add(r.systemTitle(name),
			of(func(t trial) number { return t.Answer.P50 }).text(timeText),
			of(func(t trial) number { return t.Answer.P99 }).text(timeText),
			of(func(t trial) number { return t.Answer.P999 }).text(timeText),
			of(func(t trial) number { return t.Answer.Max }).text(timeText),
			of(func(t trial) number { return t.ToDelivery.P50 }).text(timeText),
			of(func(t trial) number { return t.ToDelivery.P99 }).text(timeText),
			of(func(t trial) number { return t.Backlog }).text(rateText),
			of(func(t trial) number { return t.CPU.Caddy }).text(timeText),
		)
	}
	return t
}

func (r *results) costTable() table {
	t := table{
		title: "What an event costs (closed loop)",
		head:  []string{"", "CPU of Caddy", "of Redis", "of the client", "machine idle", "bytes written", "syncs", "scripts run by Redis", "commands, with those in scripts", "peak RSS of Caddy"},
		notes: []string{
			"CPU until all is delivered and noted; idle is the share of all CPUs that waited, for the disk above all. Syncs were counted with strace in a trial of their own (n/a: there is none, or nothing is stored); they are shared by the events that wait at the same time.",
		},
	}
	for _, name := range r.Systems {
		of := func(m metric) spread { return r.spread(name, closedLoop, m) }
		t.add(r.systemTitle(name),
			of(func(t trial) number { return t.CPU.Caddy }).text(timeText),
			of(func(t trial) number { return t.CPU.Redis }).text(timeText),
			of(func(t trial) number { return t.CPU.Client }).text(timeText),
			of(func(t trial) number { return t.IdleCPU }).text(shareText),
			of(func(t trial) number { return t.Written }).text(sizeText),
			r.syncs(name).text(func(n number) string { return fmt.Sprintf("%.3f", n) }),
			of(func(t trial) number { return t.Commands.scripts() }).text(ratioText),
			of(func(t trial) number { return t.Commands.total() }).text(ratioText),
			of(func(t trial) number { return t.Memory.Peak }).text(sizeText),
		)
	}
	return t
}

// syncs per event, from the trial that counted them.
func (r *results) syncs(system string) spread {
	var values []number
	for _, t := range r.Trials {
		if t.System == system && t.Probe == syncProbe {
			values = append(values, t.Syncs)
		}
	}
	return spreadOf(values)
}

// systemTitle marks the baselines.
func (r *results) systemTitle(name string) string {
	switch name {
	case respond.Name:
		return "A: " + name
	case proxy.Name:
		return "B: " + name
	}
	return name
}

func (r *results) pendingTable() table {
	t := table{
		title: "With events pending",
		head:  []string{"", "pending", "RSS of Caddy", "without pages of files", "RSS of Redis", "accepted to delivered/s of another endpoint, meanwhile"},
	}
	for _, one := range r.Trials {
		if one.Sweep == "" && one.Filled != nil {
			t.add(one.System, countText(one.Workload.Pending), sizeText(one.Filled.RSS), sizeText(one.Filled.Anon), sizeText(one.InRedis.RSS), rateText(one.SustainedRate))
		}
	}
	return t
}

func (r *results) goalTable() table {
	t := table{title: "Goals", head: []string{"", "wanted", "measured", ""}}
	for _, g := range r.Goals {
		format, sign := ratioText, "≥ "
		if g.Bytes {
			format = sizeText
		}
		if g.Most {
			sign = "≤ "
		}
		verdict := "missed"
		switch {
		case g.Got.Rounds == 0:
			verdict = "not measured"
		case g.met():
			verdict = "met"
		}
		t.add(g.What, sign+format(g.Wanted), g.Got.text(format), verdict)
	}
	return t
}

// sweepTable has a line for each point and a column for each system.
func (r *results) sweepTable(sw sweep) table {
	t := table{
		title: sw.title,
		head:  []string{sw.title},
		notes: []string{"Events a second: accepted where nothing is delivered (respond, held), else accepted to delivered."},
	}
	lines := r.sweepLines(sw)
	if len(lines) == 0 {
		return t
	}
	for _, l := range lines {
		t.head = append(t.head, l.name)
	}
	for i, w := range sw.points {
		row := []string{sw.at(w)}
		for _, l := range lines {
			row = append(row, l.points[i].text(rateText))
		}
		t.add(row...)
	}
	return t
}

// sweepLine is what a system did at each point of a sweep.
type sweepLine struct {
	name   string
	points []spread
}

func (r *results) sweepLines(sw sweep) []sweepLine {
	var lines []sweepLine
	for _, s := range sw.systems {
		l := sweepLine{name: s.Name}
		measured := 0
		for _, w := range sw.points {
			var some []trial
			for _, t := range r.Trials {
				if t.System == s.Name && t.Sweep == sw.name && t.Workload == w {
					some = append(some, t)
				}
			}
			measured += len(some)
			of := sustainedRate
			if !s.delivers() {
				of = acceptRate
			}
			l.points = append(l.points, spreadOver(some, of))
		}
		if measured > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}
