package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// someResults are as if all systems had been measured, with one sweep.
func someResults() *results {
	r := &results{Base: base, Rounds: 3, Rate: 4900, Systems: names(allSystems)}
	r.Conditions = conditions{At: time.Unix(0, 0).UTC(), CPU: "<some> CPU", Disk: "ext4 on /dev/vda", Revision: "abc1234", OthersCPU: .01}
	for round := range 3 {
		for i, s := range allSystems {
			speed := number(1000*(i+1) + 10*round)
			for _, m := range []mode{closedLoop, fixedRate} {
				if m == fixedRate && s.held {
					continue
				}
				t := trial{System: s.Name, Workload: base, Mode: m, Round: round, Accepted: 100, Events: 100,
					AcceptRate: speed, SustainedRate: unknown, Syncs: unknown, Backlog: unknown,
					Answer: percentiles{.0001, .002, .03, .4}, ToDelivery: percentilesOf(nil)}
				if s.delivers() {
					t.SustainedRate = speed / 2
				}
				r.Trials = append(r.Trials, t)
			}
			for _, w := range sweeps(base)[0].points {
				r.Trials = append(r.Trials, trial{System: s.Name, Workload: w, Round: round, Sweep: "connections", AcceptRate: speed, SustainedRate: speed})
			}
		}
	}
	w := base
	w.Pending = 100_000
	r.Trials = append(r.Trials, trial{System: file.Name, Workload: w, SustainedRate: 5, Filled: &memory{250 << 20, 200 << 20, 260 << 20}})
	r.judgeGoals()
	return r
}

func TestReport(t *testing.T) {
	r := someResults()
	markdown := r.markdown()
	for _, want := range []string{
		"<some> CPU", "| A: respond | 1,010 (1,000–1,020) | 1.00 |", "### At 4,900 webhooks a second",
		"| B: reverse_proxy | 100µs | 2ms | 30ms | 400ms |",
		"| accept, embedded store, of A | ≥ 0.50 | 2.98 (2.96–3.00) | met |",
		"| RSS with 100,000 pending events, embedded store | ≤ 300 MiB | 250 MiB | met |",
		"### Connections", "| 512 | 1,010 (1,000–1,020) |", "sweep-connections.svg",
	} {
		if !strings.Contains(markdown, want) {
			t.Errorf("%q is missing in\n%s", want, markdown)
		}
	}
	for _, table := range r.report() {
		for _, row := range table.rows {
			if len(row) != len(table.head) {
				t.Errorf("%s: %d cells under %d heads", table.title, len(row), len(table.head))
			}
		}
		if text := table.text(); strings.Contains(text, "NaN") || !strings.Contains(text, table.title) {
			t.Error(text)
		}
	}
}

// TestPlots wants well-formed XML with a mark for each value.
func TestPlots(t *testing.T) {
	r := someResults()
	marks := map[string]int{"throughput.svg": 6 + 3 + 1 + 6, "answers.svg": 4 * 4, "sweep-connections.svg": 6 * 6}
	plots := r.plots()
	if len(plots) != len(marks) {
		t.Errorf("%d plots", len(plots))
	}
	for name, want := range marks {
		svg := plots[name].svg()
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s has values that are none:\n%s", name, svg)
		}
		got := strings.Count(svg, "<circle")
		if plots[name].bars {
			got = strings.Count(svg, "<rect")
		}
		if got != want {
			t.Errorf("%s has %d marks, want %d", name, got, want)
		}
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	empty := (&results{Base: base, Systems: names(allSystems)}).throughputChart().svg()
	if strings.Contains(empty, "NaN") {
		t.Error(empty)
	}
}

// TestPublish replaces what is between the marks, and nothing else; and refuses
// numbers that should not be believed.
func TestPublish(t *testing.T) {
	t.Chdir(t.TempDir())
	page := "# Performance\n\nabove\n\n" + beginResults + "\nold\n" + endResults + "\n\nbelow\n"
	if err := os.MkdirAll(publishedDir, 0o755); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(publishedDir, "sweep-old.svg")
	for path, text := range map[string]string{publishedPage: page, stale: "old"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, spoil := range map[string]func(r *results){
		"one round":   func(r *results) { r.Rounds = 1 },
		"in memory":   func(r *results) { r.Conditions.OnlyMemory = true },
		"dirty":       func(r *results) { r.Conditions.Revision += "-dirty" },
		"others work": func(r *results) { r.Conditions.OthersCPU = .3 },
		"no /proc":    func(r *results) { r.Conditions.OthersCPU = unknown },
		"failed":      func(r *results) { r.Wrong = "an event was lost" },
		"incomplete":  func(r *results) { r.Missing = []string{"redis: there is no redis-server"} },
	} {
		r := someResults()
		spoil(r)
		if err := r.publish(); err == nil {
			t.Errorf("%s: published", name)
		}
	}
	for range 2 { // the second time replaces the first
		if err := someResults().publish(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(publishedPage)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "# Performance\n\nabove\n\n"+beginResults) || !strings.HasSuffix(got, endResults+"\n\nbelow\n") ||
		strings.Contains(got, "\nold\n") || strings.Count(got, "### Goals") != 1 {
		t.Errorf("the page is now\n%s", got)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the old plot: %v", err)
	}
	var saved results
	text, err = os.ReadFile(filepath.Join(publishedDir, "results.json"))
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err != nil || len(saved.Trials) != len(someResults().Trials) || saved.Trials[0].Syncs.known() {
		t.Errorf("saved: %v, %d trials", err, len(saved.Trials))
	}
}

// TestReportAgain prints the same from what was saved.
func TestReportAgain(t *testing.T) {
	r, dir := someResults(), t.TempDir()
	r.judge()
	if err := r.save(dir); err != nil {
		t.Fatal(err)
	}
	var want, got strings.Builder
	if err := r.print(&want); err != nil {
		t.Fatal(err)
	}
	if err := reportAgain(settings{from: filepath.Join(dir, "results.json")}, &got); err != nil || got.String() != want.String() {
		t.Errorf("%v, printed %s\nwant %s", err, got.String(), want.String())
	}
	if err := reportAgain(settings{from: dir}, &got); err == nil {
		t.Error("a directory was read as results")
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		rateText(1234567.6): "1,234,568", rateText(999): "999", rateText(unknown): "n/a", countText(-1234): "-1,234", countText(-123): "-123",
		timeText(.00123456): "1.23ms", timeText(.0000305): "30.5µs", timeText(.0000012): "1.2µs", timeText(12.3456): "12.3s", timeText(0): "0s",
		sizeText(1536): "1.5 KiB", sizeText(300 << 20): "300 MiB", sizeText(12): "12 B", sizeText(0): "0 B",
		shareText(.124): "12%", ratioText(.469): "0.47", ratioText(unknown): "n/a",
		fileName("file, held"): "file-held", fileName("reverse_proxy"): "reverse-proxy",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
