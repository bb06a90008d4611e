package main

import (
	"os"
	"path/filepath"
)

// plots are the charts of a run by file name.
func (r *results) plots() map[string]*chart {
	all := map[string]*chart{
		"throughput.svg": r.throughputChart(),
		"answers.svg":    r.answerChart(),
	}
	for _, sw := range sweeps(r.Base) {
		lines := r.sweepLines(sw)
		if len(lines) == 0 {
			continue
		}
		c := &chart{title: "Events a second", xTitle: sw.title, format: rateText}
		for _, w := range sw.points {
			c.places = append(c.places, sw.at(w))
		}
		for _, l := range lines {
			c.series = append(c.series, series(l))
		}
		all["sweep-"+sw.name+".svg"] = c
	}
	return all
}

func (r *results) throughputChart() *chart {
	c := &chart{
		title: "Events a second, as fast as it goes", xTitle: "lines: lowest and highest round",
		places: []string{"accepted", "accepted to delivered"}, format: rateText, bars: true,
	}
	for _, name := range r.Systems {
		c.series = append(c.series, series{name, []spread{
			r.spread(name, closedLoop, acceptRate), r.spread(name, closedLoop, sustainedRate),
		}})
	}
	return c
}

func (r *results) answerChart() *chart {
	c := &chart{
		title: "Time to the answer at " + countText(int(r.Rate)) + " webhooks a second", xTitle: "share of the webhooks that were answered at least as fast",
		places: []string{"50%", "99%", "99.9%", "all"}, format: timeText, logarithmic: true,
	}
	for _, name := range r.Systems {
		if len(r.ofBase(name, fixedRate)) == 0 {
			continue
		}
		of := func(m metric) spread { return r.spread(name, fixedRate, m) }
		c.series = append(c.series, series{name, []spread{
			of(func(t trial) number { return t.Answer.P50 }), of(func(t trial) number { return t.Answer.P99 }),
			of(func(t trial) number { return t.Answer.P999 }), of(func(t trial) number { return t.Answer.Max }),
		}})
	}
	return c
}

// draw writes the charts into the directory, in the place of an earlier run's.
func (r *results) draw(dir string) error {
	earlier, err := filepath.Glob(filepath.Join(dir, "sweep-*.svg"))
	if err != nil {
		return err
	}
	for _, path := range earlier {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for name, c := range r.plots() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(c.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
