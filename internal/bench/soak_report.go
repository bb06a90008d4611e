package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// soakReport is the result of a soak.
type soakReport struct {
	plan       *soakPlan
	conditions conditions
	all        []*soaking
}

func (p *soakPlan) String() string {
	return fmt.Sprintf("%s at %.0f webhooks a second to each store; events are remembered for %s; a sample every %s; dead letters are replayed, and then removed, every %s",
		p.duration, p.rate, p.ttl, p.sample, p.repair)
}

func (w workload) soakText() string {
	return fmt.Sprintf("%d connections to each, bodies of %s, log level %s, appendfsync %s", w.Connections, sizeText(number(w.BodyBytes)), w.LogLevel, w.RedisSync)
}

// String is the sample on a line of progress.
func (s sample) String() string {
	var parts []string
	for _, q := range quantities {
		if n := s.of(q); n.known() {
			parts = append(parts, q.name+" "+q.format(n))
		}
	}
	return strings.Join(parts, ", ")
}

// print writes the tables, also as Markdown into the directory.
func (r *soakReport) print(out io.Writer, dir string) error {
	c := r.conditions
	text := fmt.Sprintf("\n%s, %d CPUs, %s; %s; stores on %s\n", c.CPU, c.CPUs, sizeText(c.Memory), c.System, c.Disk)
	text += fmt.Sprintf("%s, revision %s, %s; Caddy %s; %s; load before: %s\n", c.At.Format(time.DateOnly), c.Revision, c.Go, c.Caddy, c.Redis, c.Load)
	markdown := text
	for _, t := range append(r.courses(), r.accounts()) {
		text += t.text()
		markdown += t.markdown()
	}
	_, err := io.WriteString(out, text)
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "soak.md"), []byte(markdown), 0o644))
}

// courses has a table for each store: its quantities from the start to the end.
func (r *soakReport) courses() (all []table) {
	judged := "flat"
	if r.plan.duration < shortestJudged {
		judged = "not judged"
	}
	for _, s := range r.all {
		t := table{title: "Course of " + s.system.Name, head: []string{""}}
		for quarter := range 5 {
			t.head = append(t.head, (r.plan.duration * time.Duration(quarter) / 4).Round(time.Second).String())
		}
		t.head = append(t.head, "second quarter", "last quarter", "trend per hour", judged)
		for _, q := range quantities {
			g := grown(s.samples, q, r.plan.duration)
			if g.Last.Rounds == 0 {
				continue
			}
			row := []string{q.name}
			for quarter := range 5 {
				row = append(row, q.format(s.near(r.plan.duration*time.Duration(quarter)/4).of(q)))
			}
			row = append(row, q.format(g.Second.Median), q.format(g.Last.Median), trendText(g.Trend, q.format))
			switch {
			case r.plan.duration < shortestJudged, q.slack == reported:
				row = append(row, "–")
			default:
				row = append(row, map[bool]string{true: "yes", false: "NO"}[g.flat(q)])
			}
			t.add(row...)
		}
		t.notes = []string{fmt.Sprintf("Quarters: medians. Flat: the last one's is at most %s, and a little, above the second one's. Trend: of the second half, by least squares.", shareText(growthAllowed))}
		all = append(all, t)
	}
	return all
}

// trendText writes a change with its sign. Times change by less than they are written with.
func trendText(n number, format func(number) string) string {
	if n.known() && n < 0 {
		return "−" + format(-n)
	}
	return "+" + format(n)
}

// near is the sample nearest to a time.
func (s *soaking) near(at time.Duration) (nearest sample) {
	for i, one := range s.samples {
		if i == 0 || (one.at-at).Abs() < (nearest.at-at).Abs() {
			nearest = one
		}
	}
	return nearest
}

func (r *soakReport) accounts() table {
	t := table{title: "Events", head: []string{""}}
	for _, s := range r.all {
		t.head = append(t.head, s.system.Name)
	}
	for _, line := range []struct {
		name string
		of   func(a account) int
	}{
		{"webhooks sent", func(a account) int { return a.Sent }},
		{"events", func(a account) int { return a.Events }},
		{"accepted", func(a account) int { return a.Accepted }},
		{"answered duplicate", func(a account) int { return a.Duplicate }},
		{"refused with 503", func(a account) int { return a.Refused }},
		{"accepted anew once forgotten", func(a account) int { return a.Expired }},
		{"taken by the application", func(a account) int { return a.Taken }},
		{"of these, refused by it before", func(a account) int { return a.Failed }},
		{"dead letters replayed", func(a account) int { return a.Replayed }},
		{"dead letters removed", func(a account) int { return a.Purged }},
		{"dead letters at the end", func(a account) int { return a.DeadLeft }},
		{"replays and removals that failed", func(a account) int { return a.Unrepaired }},
		{"delivered although answered 503", func(a account) int { return a.Late }},
		{"delivered twice", func(a account) int { return a.Repeated }},
		{"lost", func(a account) int { return a.Lost }},
	} {
		row := []string{line.name}
		for _, s := range r.all {
			row = append(row, countText(line.of(s.account)))
		}
		t.add(row...)
	}
	return t
}

// wrong says what is lost, repeated or not flat, or nothing.
func (r *soakReport) wrong() error {
	var errs []error
	for _, s := range r.all {
		if err := s.account.check(r.plan.refusable()); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.system.Name, err))
		}
		for _, q := range s.watched() {
			g := grown(s.samples, q, r.plan.duration)
			switch {
			case g.Last.Rounds == 0:
				errs = append(errs, fmt.Errorf("%s: %s could not be seen", s.system.Name, q.name))
			case r.plan.duration >= shortestJudged && !g.flat(q):
				errs = append(errs, fmt.Errorf("%s: %s grows: %s in the second quarter, %s in the last", s.system.Name, q.name, q.format(g.Second.Median), q.format(g.Last.Median)))
			}
		}
	}
	return errors.Join(errs...)
}

// watched are the quantities that this store has.
func (s *soaking) watched() []quantity {
	some := []quantity{rss, heap, goroutines, openFiles, open, deadNow, answerP99}
	if s.system.store == "redis" {
		return append(some, redisUsed, redisRSS, appendFile)
	}
	return append(some, storeFile, eventKeys)
}

// draw writes all curves into one file.
func (r *soakReport) draw(dir string) error {
	var all []*chart
	for _, c := range []struct {
		title  string
		per    number
		format func(number) string
		of     []quantity
	}{
		{"Memory of Caddy (RSS), MiB", 1 << 20, rateText, []quantity{rss}},
		{"Heap in use, MiB", 1 << 20, rateText, []quantity{heap}},
		{"Goroutines", 1, rateText, []quantity{goroutines}},
		{"Open files", 1, rateText, []quantity{openFiles}},
		{"The store, MiB", 1 << 20, rateText, []quantity{storeFile, redisUsed, redisRSS, appendFile}},
		{"Remembered keys", 1, rateText, []quantity{eventKeys}},
		{"Deliveries to make, dead letters", 1, rateText, []quantity{open, deadNow}},
		{"99% of answers within", 1, timeText, []quantity{answerP99}},
	} {
		one := &chart{title: c.title, xTitle: "minutes", format: c.format, logarithmic: c.title == "99% of answers within", fine: true}
		for _, s := range r.all {
			for _, q := range c.of {
				one.course(s, q, c.per, len(c.of) > 1)
			}
		}
		all = append(all, one)
	}
	return os.WriteFile(filepath.Join(dir, "soak.svg"), []byte(grid(all, 2)), 0o644)
}

// short names for where there is little room.
var short = map[string]string{
	storeFile.name: "its file", redisUsed.name: "used memory", redisRSS.name: "RSS", appendFile.name: "append-only file",
	open.name: "to make", deadNow.name: "dead",
}

// course adds the curve of a quantity, if the store has it.
func (c *chart) course(s *soaking, q quantity, per number, several bool) {
	line := series{name: s.system.Name}
	if several {
		line.name += ", " + short[q.name]
	}
	seen := false
	for i, one := range s.samples {
		if i >= len(c.places) {
			c.places = append(c.places, "")
		}
		n := one.of(q) / per
		seen = seen || n.known()
		line.points = append(line.points, spreadOf([]number{n}))
	}
	for quarter := range 5 { // the samples nearest to the quarters carry the minutes
		if i := quarter * (len(c.places) - 1) / 4; i >= 0 && i < len(s.samples) {
			c.places[i] = fmt.Sprintf("%.2g", s.samples[i].at.Minutes())
		}
	}
	if seen {
		c.series = append(c.series, line)
	}
}
