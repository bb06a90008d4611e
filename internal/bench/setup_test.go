package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseFlags(t *testing.T) {
	s, err := parseFlags([]string{"-quick", "-duration", "5s", "-systems", "respond; file, held", "-sweep", "body,fan-out"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if s.rounds != quick.rounds || s.duration != 5*time.Second || !s.sweeps ||
		strings.Join(s.names, "|") != "respond|file, held" || strings.Join(s.sweepNames, "|") != "body|fan-out" || s.base != base {
		t.Errorf("%+v", s)
	}
	if s, err = parseFlags(nil, io.Discard); err != nil || s.rounds != standard.rounds || s.sweeps || s.soak != 0 || s.out != "bin/bench" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err = parseFlags([]string{"-soak", "1h"}, io.Discard); err != nil || s.soak != time.Hour || s.out != "bin/soak" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range []string{
		"-quick -full", "-rounds -1", "-duration -1s", "-connections 0", "-body 10", "-body 2000000",
		"-appendfsync sometimes", "-systems nginx", "-sweep moon", "-max-events 0", "-rate -1",
		"-soak 5s", "-soak -1h", "-soak 1h -publish", "-soak 1h -sweep body", "-soak 1h -from results.json", "stray", "-unknown",
	} {
		if _, err := parseFlags(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

// TestCaddyfile wants reverse_proxy and webhooks to have the same number of
// connections to the application, and held events to stay.
func TestCaddyfile(t *testing.T) {
	at := site{address: "127.0.0.1:1", admin: "127.0.0.1:2", dir: "/data", redis: "127.0.0.1:3", application: []string{"127.0.0.1:4", "127.0.0.1:5", "127.0.0.1:6"}}
	w := base
	w.Endpoints, w.FanOut, w.Pending, w.Connections = 2, 2, 10, 100
	for _, c := range []struct {
		system system
		want   map[string]int
	}{
		{respond, map[string]int{"respond 202": 1, "webhooks": 0}},
		{proxy, map[string]int{"reverse_proxy 127.0.0.1:4": 1, "keepalive_idle_conns_per_host 100": 1, "webhooks": 0}},
		{file, map[string]int{"store file /data/deliveries.db": 1, "webhooks /e": 2, "webhooks /held": 1, "127.0.0.1:4 {": 2, "127.0.0.1:5 {": 2, "127.0.0.1:6 {": 1, "max_in_flight 100": 5, "rate 1/s": 1}},
		{redisHeld, map[string]int{"store redis redis://127.0.0.1:3": 1, "webhooks /e": 2, "rate 1/s": 5}},
	} {
		text := caddyfile(c.system, w, at)
		for what, n := range c.want {
			if got := strings.Count(text, what); got != n {
				t.Errorf("%s: %q is there %d times, want %d\n%s", c.system.Name, what, got, n, text)
			}
		}
	}
}

func TestRotated(t *testing.T) {
	all := []int{1, 2, 3}
	for round, want := range map[int][3]int{0: {1, 2, 3}, 1: {2, 3, 1}, 5: {3, 1, 2}} {
		if got := rotated(all, round); [3]int(got) != want {
			t.Errorf("round %d: %v", round, got)
		}
	}
	if rotated([]int(nil), 3) != nil {
		t.Error("something of nothing")
	}
}

// TestCountSyncs counts those of a program that makes one.
func TestCountSyncs(t *testing.T) {
	if _, err := syncTracer(); err != nil {
		_, _, err := countSyncs("/bin/sync", filepath.Join(t.TempDir(), "count"))
		if err == nil {
			t.Error("counts without strace")
		}
		return
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "it's a file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrapper, count, err := countSyncs("/bin/sync", filepath.Join(dir, "count's"))
	if err != nil {
		t.Fatal(err)
	}
	if output(wrapper, file) != "" {
		t.Error("sync prints something")
	}
	if n, err := count.read(); n != 1 || err != nil {
		t.Errorf("%v syncs, %v", n, err)
	}
}

func TestParseSyncs(t *testing.T) {
	const head = "% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- ----------------\n"
	for table, want := range map[string]number{
		head + "100.00    0.001034         147         7           fdatasync\n------\n100.00    0.001034         147         7           total\n":                       7,
		head + " 60.00    0.001034         147         7         1 fdatasync\n 40.00 0.1 1 3 fsync\n------\n100.00    0.001034         147        10         1 total\n": 10,
	} {
		if n, complete := parseSyncs(table); n != want || !complete {
			t.Errorf("%v, %v: want %v", n, complete, want)
		}
	}
	for _, table := range []string{"", head, head + "100.00    0.001034         147         7           fdatasync\n"} {
		if n, complete := parseSyncs(table); complete {
			t.Errorf("%q: %v", table, n)
		}
	}
}

func TestParseCalls(t *testing.T) {
	calls, err := parseCalls("# Commandstats\r\ncmdstat_evalsha:calls=12,usec=3,usec_per_call=0.2\r\ncmdstat_config|get:calls=1,usec=1\r\n")
	if err != nil || len(calls) != 2 || calls["evalsha"] != 12 || calls["config|get"] != 1 {
		t.Errorf("%v, %v", calls, err)
	}
	for _, info := range []string{"", "# Commandstats\r\n", "cmdstat_get:calls=x,usec=1\r\n"} {
		if calls, err := parseCalls(info); err == nil {
			t.Errorf("%q: %v", info, calls)
		}
	}
}

func TestConditions(t *testing.T) {
	if text, kind := diskOf("/proc"); kind != "proc" {
		t.Errorf("/proc is on %s", text)
	}
	if !isUnder("/a/b", "/a") || isUnder("/ab", "/a") || !isUnder("/ab", "/") || !isUnder("/a", "/a") {
		t.Error("isUnder")
	}
	if output("no-such-program") != "" || output("") != "" {
		t.Error("output of nothing")
	}
}
