package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

// golden compares what print shows on a screen of that width with what was looked
// at and found good, and that no line is wider.
func golden(t *testing.T, cells int, print func(screen), want string) {
	t.Helper()
	var out bytes.Buffer
	print(screen{Writer: &out, width: cells})
	if got := out.String(); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("at %d columns it looks like\n%s", cells, got)
	}
	for line := range strings.Lines(out.String()) {
		if n := cellsOf(strings.TrimSuffix(line, "\n")); cells > 0 && n > cells {
			t.Errorf("a line has %d cells of %d: %s", n, cells, line)
		}
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time {
	at := noon.Add(-d)
	return &at
}

var listed = api.List{
	Deliveries: []api.Delivery{
		{ID: "000000000000g00tq8p2jvmkbs", Endpoint: "stripe", Destination: "app", EventType: "invoice.payment_succeeded", State: "pending",
			Attempts: 3, ReceivedAt: *before(90 * time.Second), LastStatus: 503, NextAttemptAt: before(-4 * time.Second)},
		{ID: "000000000000900k3d5r9c0s1g", Endpoint: "github", Destination: "10.0.3.17:8080", EventType: "push", State: "dead",
			Attempts: 1, ReceivedAt: *before(5 * time.Hour), LastStatus: 410, Reason: "status_410"},
		{ID: "000000000000700a91mhs4ptdo", Endpoint: "github", Destination: "10.0.3.17:8080", EventType: "支払い\x1b[2J", State: "dead",
			Attempts: 16, ReceivedAt: *before(80 * time.Hour), LastError: "dial tcp 10.0.3.17:8080: connect: connection refused", Reason: "max_attempts"},
	},
	Next: "0g",
}

func TestListLooks(t *testing.T) {
	show := func(s screen) { printList(s, listed, noon) }
	golden(t, 80, show, `
ID                          STATE    DESTINATION     TYPE             TRIES  AGE
000000000000g00tq8p2jvmkbs  pending  stripe/app      invoice.paymen…      3   1m
    status 503, again in 4s
000000000000900k3d5r9c0s1g  dead     github/10.0.3…  push                 1   5h
    status 410
000000000000700a91mhs4ptdo  dead     github/10.0.3…  支払い�[2J          16   3d
    dial tcp 10.0.3.17:8080: connect: connection refused, max_attempts
more: --cursor 0g
`)
	golden(t, 0, show, `
ID                          STATE    DESTINATION            TYPE                       TRIES  AGE  RESULT
000000000000g00tq8p2jvmkbs  pending  stripe/app             invoice.payment_succeeded      3   1m  status 503, again in 4s
000000000000900k3d5r9c0s1g  dead     github/10.0.3.17:8080  push                           1   5h  status 410
000000000000700a91mhs4ptdo  dead     github/10.0.3.17:8080  支払い�[2J                    16   3d  dial tcp 10.0.3.17:8080: connect: connection refused, max_attempts
more: --cursor 0g
`)
	golden(t, 80, func(s screen) { printList(s, api.List{}, noon) }, "No deliveries are stored that match.\n")
}

func TestStatsLook(t *testing.T) {
	golden(t, 80, func(s screen) {
		printStats(s, api.Stats{EventKeys: 1234, StoreBytes: 5 << 20, Ignored: []api.Ignored{{Endpoint: "stripe", Webhooks: 12, LastType: "invoice.paid"}}, Destinations: []api.Lane{
			{Endpoint: "stripe", Destination: "app", Configured: true, Breaker: "closed"},
			{Endpoint: "github", Destination: "ci-runner.internal.example.com:8080", Configured: true, Pending: 812, Retrying: 799, Leased: 3, Dead: 2,
				OldestPending: before(2 * time.Hour), Breaker: "half_open"},
			{Endpoint: "old", Destination: "app", Pending: 4, OldestPending: before(50 * time.Hour)},
		}}, noon)
	}, `
DESTINATION            PENDING  RETRYING  IN FLIGHT  DEAD  OLDEST  BREAKER
stripe/app                   0         0          0     0          closed
github/ci-runner.int…      812       799          3     2      2h  half_open
old/app                      4         0          0     0      2d  not in config
NO DESTINATION WANTED  WEBHOOKS  THE LAST'S TYPE
stripe                       12  invoice.paid
event keys remembered: 1234, store: 5.0 MiB
`)
}

func TestJobsLook(t *testing.T) {
	golden(t, 80, func(s screen) {
		printJobs(s, []api.Job{
			{ID: "5pcqtwkjhr", Operation: "replay", State: api.JobRunning, Matched: 4000, Seen: 120, Done: 120, Rate: "10/s", StartedAt: *before(12 * time.Second),
				Filter: map[string]string{"state": "dead", "endpoint": "stripe", "since": "2026-01-02T06:00:00Z"}},
			{ID: "k2vwqhz7ma", Operation: "purge", State: api.JobDone, Matched: 9, Seen: 9, Done: 9, Rate: fullSpeed, StartedAt: *before(3 * time.Hour), EndedAt: before(3*time.Hour - time.Second),
				Filter: map[string]string{"state": "dead"}},
		}, noon)
	}, `
ID          WORK    STATE    DONE    OF  RATE    BEGAN  TOOK  SELECTED
5pcqtwkjhr  replay  running   120  4000  10/s  12s ago   12s  endpoint=stripe s…
k2vwqhz7ma  purge   done        9     9  full   3h ago    1s  state=dead
`)
}

func TestSendLooks(t *testing.T) {
	run := newSendRun(nil, 1000, 8)
	run.answers = map[string]int{"202 accepted": 990, "429 rate_limit_exceeded": 8}
	for n := range 998 {
		run.durations = append(run.durations, time.Duration(n+1)*time.Millisecond/10)
	}
	run.failed = 2
	golden(t, 80, func(s screen) { run.summary(4 * time.Second).print(s) }, `
ANSWER                   COUNT  SHARE
202 accepted               990  99.0%
429 rate_limit_exceeded      8   0.8%
no answer                    2   0.2%
1000 sent in 4s, 250.0/s
latency: p50 49.90ms, p90 89.90ms, p95 94.90ms, p99 98.90ms, max 99.80ms
`)
}

func TestDoctorLooks(t *testing.T) {
	golden(t, 80, func(s screen) {
		printDoctor(s, []api.Check{
			{Name: "destination", Level: api.LevelError, Subject: "stripe/app", Message: "it is down: 5 attempts in a row failed, so its breaker is open; it is tried again in 41s",
				Fix: "See what the application answers: `caddy webhooks list --endpoint stripe --destination app`, then show one."},
			{Name: "secret", Level: api.LevelWarn, Subject: "github", Message: "secret 1 looks like one of an example: anybody who guesses it can forge webhooks", Fix: "Use the one that the provider made."},
			{Name: "store", Level: api.LevelOK, Subject: "store", Message: "it answers, and holds 5.0 MiB"},
			{Name: "traffic", Level: api.LevelOK, Subject: "github", Message: "the last webhook was accepted 3m ago"},
		})
	}, "\n"+"1 error\n"+
		"  stripe/app, destination: it is down: 5 attempts in a row failed, so its\n"+
		"    breaker is open; it is tried again in 41s\n"+
		"    → See what the application answers:\n"+
		"    `caddy webhooks list --endpoint stripe --destination app`, then show one.\n"+
		"\n"+
		"1 warning\n"+
		"  github, secret: secret 1 looks like one of an example: anybody who guesses\n"+
		"    it can forge webhooks\n"+
		"    → Use the one that the provider made.\n"+
		"\n"+
		"2 checks passed\n"+
		"  store: it answers, and holds 5.0 MiB\n"+
		"  github, traffic: the last webhook was accepted 3m ago\n\n")
}

// TestDoctorCountsWhatItShows: what is the same for several subjects is shown once, and counted once.
func TestDoctorCountsWhatItShows(t *testing.T) {
	var checks []api.Check
	for _, name := range []string{"a", "b", "c"} {
		checks = append(checks,
			api.Check{Name: "https", Level: api.LevelError, Subject: name, Message: "plain HTTP", Fix: "Use TLS."},
			api.Check{Name: "secret", Level: api.LevelWarn, Subject: name, Message: "secret 1 is short", Fix: "Use another."},
			api.Check{Name: "secret", Level: api.LevelOK, Subject: name, Message: "fine"})
	}
	checks = append(checks, api.Check{Name: "secret", Level: api.LevelWarn, Subject: "c", Message: "secret 2 is short", Fix: "Use another."})
	golden(t, 80, func(s screen) { printDoctor(s, checks) }, `
1 error
  a, b, c, https: plain HTTP
    → Use TLS.

2 warnings
  a, b, c, secret: secret 1 is short
    → Use another.
  c, secret: secret 2 is short
    → Use another.

1 check passed
  a, b, c, secret: fine

`)
}

func TestProgressLooks(t *testing.T) {
	var out bytes.Buffer
	bar := progress{out: screen{Writer: &out, live: true, width: 80}, what: "replay"}
	bar.update(0, noon)
	bar.total = 400
	bar.update(100, noon.Add(10*time.Second))
	bar.update(400, noon.Add(40*time.Second))
	bar.clear()
	want := "\rreplay: counting\x1b[K" +
		"\rreplay ██████░░░░░░░░░░░░░░░░░░ 100 of 400, 10.0/s, 30s left\x1b[K" +
		"\rreplay ████████████████████████ 400 of 400, 10.0/s\x1b[K" +
		"\r\x1b[K"
	if out.String() != want {
		t.Errorf("on a terminal: %q", out.String())
	}

	out.Reset()
	lines := progress{out: screen{Writer: &out}, what: "replay", total: 400}
	for seconds := range 13 {
		lines.update(10*seconds, noon.Add(time.Duration(seconds)*time.Second))
	}
	lines.clear()
	if want := "replay 50 of 400, 10.0/s, 35s left\nreplay 100 of 400, 10.0/s, 30s left\n"; out.String() != want {
		t.Errorf("in a file: %q", out.String())
	}
}

// TestTableCuts goes through widths down to where nothing gives way any more.
func TestTableCuts(t *testing.T) {
	fixed := table{columns: []column{{title: "A"}, {title: "B", least: 3}, {title: "N", right: true}}}
	fixed.add("whole", "wide 宽宽 text", 7)
	fixed.add("", "e\u0301", 1234)
	for cells, want := range map[int]string{
		0:  "A      B                  N\nwhole  wide 宽宽 text     7\n       é               1234\n",
		24: "A      B               N\nwhole  wide 宽宽 …     7\n       é            1234\n",
		20: "A      B           N\nwhole  wide …      7\n       é        1234\n",
		5:  "A      B       N\nwhole  wi…     7\n       é    1234\n",
	} {
		var out bytes.Buffer
		fixed.print(screen{Writer: &out, width: cells})
		if out.String() != want {
			t.Errorf("at %d: %q, want %q", cells, out.String(), want)
		}
	}
}
