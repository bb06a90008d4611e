package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestReaper lets the program "die": what it started must not stay.
func TestReaper(t *testing.T) {
	r, err := startReaper()
	if err != nil {
		t.Fatal(err)
	}
	doomed, spared := sleeper(t), sleeper(t)
	dir := filepath.Join(t.TempDir(), "with a space")
	if err := os.MkdirAll(filepath.Join(dir, "trial"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		r.started(doomed.Process.Pid), r.started(spared.Process.Pid), r.directory(dir), r.ended(spared.Process.Pid),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.close(); err != nil { // the pipe closes as it does when the program is killed
		t.Fatal(err)
	}
	if err := doomed.Wait(); err == nil || doomed.ProcessState.Success() {
		t.Errorf("the process ended with %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory: %v", err)
	}
	if err := spared.Process.Signal(os.Interrupt); err != nil {
		t.Errorf("a process that was taken back is gone: %v", err)
	}
}

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	command := exec.Command("sleep", "600")
	command.SysProcAttr = ownGroup()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	return command
}

func TestReaperOrders(t *testing.T) {
	for _, orders := range []string{"pid 1\n", "pid x\n", "gone\n", "kill 77777\n"} {
		pipe, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer pipe.Close()
		if _, err := pipe.WriteString(orders); err != nil {
			t.Fatal(err)
		}
		if _, err := pipe.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		if err := reap(pipe); err == nil {
			t.Errorf("%q is obeyed", orders)
		}
	}
}

func TestUsage(t *testing.T) {
	before := usageOf(os.Getpid())
	if !before.cpu.known() {
		t.Fatal("no /proc")
	}
	// Work until it shows: on a busy machine a tick of the clock may take long to use up.
	var used usage
	for start := time.Now(); used.cpu <= 0 && time.Since(start) < time.Minute; used = usageOf(os.Getpid()).since(before) {
		_ = time.Now().String()
	}
	if used.cpu <= 0 || used.cpu > 10 {
		t.Errorf("CPU seconds: %v", used.cpu)
	}
	if m := memoryOf(os.Getpid()); !(m.RSS > 1<<20) || m.Peak < m.RSS || m.Anon > m.RSS {
		t.Errorf("memory: %+v", m)
	}
	if nobody := usageOf(1 << 30); nobody.cpu.known() || nobody.written.known() {
		t.Errorf("usage of nobody: %+v", nobody)
	}
}
