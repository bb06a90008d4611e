package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSoakPlan(t *testing.T) {
	p := newSoakPlan(time.Hour, 200)
	if p.ttl != 5*time.Minute || p.sample != 10*time.Second || p.late != 6000 {
		t.Errorf("%+v", p)
	}
	seen := make(map[uint32]int)
	for place := range uint32(20_000) {
		number := p.event(place)
		if number > place || p.event(number) != number {
			t.Fatalf("place %d: event %d", place, number)
		}
		seen[number]++
	}
	repeats := make(map[fate]int)
	for number, n := range seen {
		repeats[fateOf(number)] += n - 1
	}
	for f := taken; f <= dead; f++ {
		if repeats[f] == 0 {
			t.Errorf("no event of fate %d is sent again", f)
		}
	}
	if n := 20_000 - len(seen); n != 500+350 {
		t.Errorf("%d repeats", n)
	}
	if p := newSoakPlan(shortestSoak, 1); p.late == 0 || p.late%repeatEvery != 0 {
		t.Errorf("%+v", p)
	}
}

// TestFates refuses once what is to be refused once, and the rest always or never.
func TestFates(t *testing.T) {
	var f fates
	for number, want := range map[uint32][3]int{1: {}, 8: {500, 0, 0}, 18: {410, 0, 0}, 218: {410, 410, 410}, 34: {500, 500, 500}} {
		for i := range want {
			if got := f.refuse(number); got != want[i] {
				t.Errorf("event %d, attempt %d: %d, want %d", number, i+1, got, want[i])
			}
		}
	}
}

// soaked is a run in which all is well: two events, a duplicate, a retry, and two
// dead letters of which one was replayed.
func soaked() (exchanges []exchange, deliveries []delivery) {
	answer := func(number uint32, status int16, word string, at time.Duration) exchange {
		return exchange{number: number, status: status, word: word, sent: int64(at), answered: int64(at + time.Millisecond)}
	}
	return []exchange{
			answer(1, 202, "accepted", 0), answer(1, 200, "duplicate", time.Second),
			answer(8, 202, "accepted", 0), answer(18, 202, "accepted", 0), answer(218, 202, "accepted", 0),
		},
		[]delivery{{number: 1}, {number: 8}, {number: 18}}
}

func TestAccount(t *testing.T) {
	p := newSoakPlan(time.Hour, 200)
	repaired := account{Replayed: 2, Purged: 1}
	for name, c := range map[string]struct {
		change func([]exchange, []delivery) ([]exchange, []delivery)
		with   account
		want   string // part of the error; empty: none
	}{
		"as planned": {with: repaired},
		"lost": {with: repaired, want: "event 1 was accepted, and did not arrive",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) { return e, d[1:] }},
		"a retry is lost": {with: repaired, want: "event 8 was accepted, and did not arrive",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) { return e, append(d[:1:1], d[2]) }},
		"repeated": {with: repaired, want: "event 1 was accepted 1 times and arrived 2 times",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) { return e, append(d, d[0]) }},
		"never sent": {with: repaired, want: "event 99 arrived, but was never sent",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) { return e, append(d, delivery{number: 99}) }},
		"accepted twice": {with: repaired, want: "event 1 was accepted twice",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) {
				e[1].status = 202
				return e, append(d, d[0])
			}},
		"accepted twice, the second answered first": {with: repaired, want: "event 1 was accepted twice",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) {
				e[1].status = 202
				e[0], e[1] = e[1], e[0]
				return e, append(d, d[0])
			}},
		"accepted anew when forgotten": {with: repaired,
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) {
				again := e[0]
				again.sent, again.answered = int64(p.ttl+time.Second), int64(p.ttl+2*time.Second)
				return append(e, again), append(d, d[0])
			}},
		"duplicate of nothing": {with: repaired, want: "event 2 was only ever answered duplicate",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) {
				return append(e, exchange{number: 2, status: 200, word: "duplicate"}), d
			}},
		"ignored": {with: repaired, want: "event 2 was answered 200 ignored",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) {
				return append(e, exchange{number: 2, status: 200, word: "ignored"}), d
			}},
		"refused, and delivered nevertheless": {with: repaired,
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) {
				return append(e, exchange{number: 2, status: 503}), append(d, delivery{number: 2})
			}},
		"a dead one arrived": {with: account{Replayed: 2, Purged: 0, DeadLeft: 0}, want: "event 218 was taken, although the application refuses it",
			change: func(e []exchange, d []delivery) ([]exchange, []delivery) { return e, append(d, delivery{number: 218}) }},
		"a dead letter vanished":      {with: account{Replayed: 2}, want: "1 events were neither taken nor lost, but 0 dead letters"},
		"a dead letter is left":       {with: account{Replayed: 2, Purged: 1, DeadLeft: 1}, want: "1 events were neither taken nor lost, but 2 dead letters"},
		"nothing was replayed":        {with: account{Purged: 1}, want: "not everything was tried"},
		"a removal that may be known": {with: account{Replayed: 2, Purged: 1, Unrepaired: 1}},
	} {
		exchanges, deliveries := soaked()
		if c.change != nil {
			exchanges, deliveries = c.change(exchanges, deliveries)
		}
		a := settleAccount(p, exchanges, deliveries)
		a.Replayed, a.Purged, a.DeadLeft, a.Unrepaired = c.with.Replayed, c.with.Purged, c.with.DeadLeft, c.with.Unrepaired
		err := a.check(1)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestTooManyRefused(t *testing.T) {
	for d, want := range map[time.Duration]int{20 * time.Second: 1000, time.Hour: 7200} {
		if got := newSoakPlan(d, 200).refusable(); got != want {
			t.Errorf("%s: %d, want %d", d, got, want)
		}
	}
	exchanges, deliveries := soaked()
	for range 5 {
		exchanges = append(exchanges, exchange{number: 2, status: 503})
	}
	a := settleAccount(newSoakPlan(time.Hour, 200), exchanges, deliveries)
	a.Replayed, a.Purged = 2, 1
	if err := a.check(4); err == nil || !strings.Contains(err.Error(), "5 of 10 webhooks were refused") {
		t.Error(err)
	}
	if err := a.check(5); err != nil {
		t.Error(err)
	}
}

// course is a quantity over an hour, sampled every minute.
func course(of func(minute float64) float64) (all []sample) {
	for minute := range 61 {
		all = append(all, sample{time.Duration(minute) * time.Minute, map[string]number{heap.name: number(of(float64(minute)))}})
	}
	return all
}

func TestFlat(t *testing.T) {
	q := quantity{heap.name, mibText, 1 << 20}
	const mib = 1 << 20
	for name, c := range map[string]struct {
		of   func(minute float64) float64
		flat bool
	}{
		"constant":       {func(float64) float64 { return 50 * mib }, true},
		"warms up":       {func(m float64) float64 { return min(m, 10) * 5 * mib }, true},
		"falls":          {func(m float64) float64 { return (100 - m) * mib }, true},
		"saw":            {func(m float64) float64 { return (10 + float64(int(m)%7)*8) * mib }, true},
		"one peak late":  {func(m float64) float64 { return map[bool]float64{true: 500, false: 50}[m == 55] * mib }, true},
		"leaks slowly":   {func(m float64) float64 { return (50 + m/4) * mib }, false},
		"a step":         {func(m float64) float64 { return map[bool]float64{true: 60, false: 50}[m > 40] * mib }, false},
		"small, doubles": {func(m float64) float64 { return map[bool]float64{true: .6, false: .3}[m > 40] * mib }, true},
	} {
		g := grown(course(c.of), q, time.Hour)
		if g.flat(q) != c.flat {
			t.Errorf("%s: flat %v: %+v", name, g.flat(q), g)
		}
	}
	if g := grown(course(func(m float64) float64 { return (50 + m/4) * mib }), q, time.Hour); g.Trend < 14.9*mib || g.Trend > 15.1*mib {
		t.Errorf("a quarter of a MiB a minute is %v an hour", g.Trend)
	}
	if g := grown(course(func(float64) float64 { return 1 }), rss, time.Hour); g.flat(rss) || g.Last.Rounds != 0 {
		t.Errorf("what was never seen is flat: %+v", g)
	}
}

func TestExposition(t *testing.T) {
	e := exposition(strings.Split(`# HELP webhook_queue_size Stored deliveries.
webhook_queue_size{queue_type="dead"} 3
webhook_queue_size{queue_type="retry"} 1.5e+01
webhook_queue_sizes 7
go_goroutines 12`, "\n"))
	for _, c := range []struct {
		name, label string
		want        number
	}{{"webhook_queue_size", "", 18}, {"webhook_queue_size", `queue_type="dead"`, 3}, {"go_goroutines", "", 12}} {
		if got := e.sum(c.name, c.label); got != c.want {
			t.Errorf("%s %s: %v", c.name, c.label, got)
		}
	}
	if got := e.sum("go_threads", ""); got.known() {
		t.Error(got)
	}
	if got := infoField("# Memory\r\nused_memory:123\r\nused_memory_rss:456\r\n", "used_memory"); got != 123 {
		t.Error(got)
	}
}

func TestSampleFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "samples.csv")
	f, err := newSampleFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.add(sample{1500 * time.Millisecond, map[string]number{rss.name: 1 << 20, heap.name: unknown}}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path) // before it is closed: an abrupt end loses nothing
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][1] != rss.name || rows[1][0] != "1.5" || rows[1][1] != "1048576" || rows[1][2] != "" {
		t.Errorf("%q, %v", rows, err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

// TestSoakChart draws two stores, one of which was watched for longer.
func TestSoakChart(t *testing.T) {
	var report soakReport
	for n, s := range map[int]system{30: file, 61: inRedis} {
		report.all = append(report.all, &soaking{system: s, samples: course(func(m float64) float64 { return m })[:n]})
	}
	dir := t.TempDir()
	if err := report.draw(dir); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "soak.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(content); strings.Count(text, "<polyline") != 2 || strings.Count(text, "</svg>") != 1 || strings.Contains(text, "NaN") {
		t.Errorf("%s", text)
	}
}
