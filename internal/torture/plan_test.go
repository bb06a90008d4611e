//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPlan: the same seed makes the same plan, other seeds make others, and among
// some hundred each kind of fault comes up.
func TestPlan(t *testing.T) {
	const length = 12 * time.Second
	seen := make(map[string]bool)
	plans := make(map[string]bool)
	for _, store := range []string{storeFile, storeRedis, storeSentinel, storeCluster} {
		for seed := range uint64(150) {
			p := newPlan(seed, store, length)
			if again := newPlan(seed, store, length); again.String() != p.String() {
				t.Fatalf("seed %d has two plans:\n%s%s", seed, p, again)
			}
			if plans[p.String()] {
				t.Errorf("two seeds have one plan:\n%s", p)
			}
			plans[p.String()] = true
			for _, s := range p.Steps {
				seen[store+s.Track+s.Kind] = true
				if s.At < 0 || s.At > length || s.Node < 0 || s.Node >= nodeCount(store) {
					t.Errorf("seed %d, store %s: step %s", seed, store, s)
				}
				if p.runOf(s) == nil && s.Manner == nil {
					t.Errorf("nothing carries out: %s", s)
				}
			}
		}
		for _, track := range tracks(&Plan{Store: store}) {
			for _, k := range track.kinds {
				possible := k.wants == nil
				for _, disk := range append(disks, "") {
					possible = possible || k.wants(&Plan{Store: store, Disk: disk}) && (disk == "") == (store != storeFile)
				}
				if possible && !seen[store+track.name+k.name] {
					t.Errorf("store %s: %s %q never happens", store, track.name, k.name)
				}
			}
		}
	}
}

// TestFate: events of mortal have all three fates, about as often as they should.
func TestFate(t *testing.T) {
	const events = 2000
	counts := make(map[int]int)
	for i := range events {
		counts[fateOf(1, fmt.Sprint("gh-", i))]++
	}
	for fate, share := range map[int]float64{fateTake: 0.6, fateGone: 0.2, fateFail: 0.2} {
		if got := float64(counts[fate]) / events; got < share-0.05 || got > share+0.05 {
			t.Errorf("fate %d: %.2f of the events, want about %.2f", fate, got, share)
		}
	}
}

// TestOutage: what the store did not save since it began to fail is remembered
// for as long as saving may take.
func TestOutage(t *testing.T) {
	var o outage
	now := time.Now()
	if got := o.lasting(now); got != 0 {
		t.Errorf("before any: %s", got)
	}
	o.begin()
	o.from = now.Add(-time.Minute)
	if got := o.lasting(now); got != time.Minute {
		t.Errorf("while it lasts: %s", got)
	}
	o.end()
	o.begin() // again, before all was saved
	if got := o.lasting(now); got != time.Minute {
		t.Errorf("in the second: %s", got)
	}
	o.end()
	if got := o.lasting(time.Now().Add(outageTail + time.Second)); got != 0 {
		t.Errorf("long after: %s", got)
	}
}

// TestDirectoryIsAbsolute: Redis and Caddy, which run in directories of their own, find
// the files of a run whose parent was named from where torture was called.
func TestDirectoryIsAbsolute(t *testing.T) {
	at := t.TempDir()
	for _, name := range []string{"x", "y"} {
		if err := os.Mkdir(filepath.Join(at, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(at, "y"))
	t.Setenv("TMPDIR", "../x")
	for _, parent := range []string{"../x", "", filepath.Join(at, "x")} {
		dir, err := newDirectory(parent)
		if err != nil || !filepath.IsAbs(dir) || filepath.Base(filepath.Dir(dir)) != "x" {
			t.Errorf("%q: %s, %v", parent, dir, err)
		}
	}
}
