package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStatFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stat")
	if err := os.WriteFile(path, []byte("7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	name, fields := statFields(path)
	if name != "a b) c" || fields[1] != 1 || fields[6] != 4194560 || fields[11] != 250 || fields[12] != 50 {
		t.Errorf("got %q %v", name, fields)
	}
	if fields[0].known() {
		t.Errorf("the state S became %v", fields[0])
	}
	if name, fields := statFields(path + "x"); name != "" || fields[11].known() {
		t.Errorf("of no file: %q %v", name, fields)
	}
}

// TestMachineSince does not take the work of a kernel thread that has ended for work of a stranger.
func TestMachineSince(t *testing.T) {
	before := machine{100, 7, map[string]number{"stays": 10, "ends": 50}}
	after := machine{107, 7, map[string]number{"stays": 12, "begins": 1}}
	if got := after.since(before); got != 4 {
		t.Errorf("%v seconds of work: want 7 less the kernel's 3", got)
	}
	if (machine{busy: unknown}).since(before).known() {
		t.Error("what is unknown became known")
	}
}

// TestMachineNow works for a while and looks whether it shows.
func TestMachineNow(t *testing.T) {
	before, start := machineNow(), time.Now()
	if !before.busy.known() {
		t.Fatal("this system has no /proc/stat")
	}
	for machineNow().since(before) < .1 {
		if time.Since(start) > time.Minute {
			t.Fatal("a minute of work does not show")
		}
	}
}
