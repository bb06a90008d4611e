//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// How the disk under the file store fails: in one of these ways for a whole run.
const (
	// diskPower has power cuts: strace watches every write, and what was not
	// synced when the proxy is killed is damaged. See powercut.go.
	diskPower = "a disk that loses power"
	// diskErrors has system calls that fail or take long: strace does that.
	diskErrors = "a disk that fails"
	// diskSmall is a small file system that is filled up.
	diskSmall = "a small disk"
)

var disks = []string{diskPower, diskErrors, diskSmall}

var diskKinds = []kind{
	{name: "full", weight: 1, lasts: [2]int{400, 3000}, run: (*world).fillDisk, wants: on(diskSmall)},
	{name: "slow to sync, ms:", weight: 3, lasts: [2]int{700, 3000}, n: [2]int{20, 700}, run: (*world).slowDisk, wants: on(diskErrors)},
	{name: "cannot sync", weight: 2, lasts: [2]int{300, 2500}, run: injected("fdatasync,fsync", "EIO"), wants: on(diskErrors)},
	{name: "read-only", weight: 3, lasts: [2]int{300, 2500}, run: injected("pwrite64,fallocate,ftruncate,fdatasync,fsync", "EROFS"), wants: on(diskErrors)},
	{name: "without space", weight: 2, lasts: [2]int{300, 2500}, run: injected("pwrite64,fallocate,ftruncate", "ENOSPC"), wants: on(diskErrors)},
	{name: "fails to write now and then", weight: 2, lasts: [2]int{500, 3000}, run: injected("pwrite64", "EIO:when=2+5"), wants: on(diskErrors)},
}

func on(disk string) func(*Plan) bool { return func(p *Plan) bool { return p.Disk == disk } }

// fileStore is a file on a disk of the plan's kind.
type fileStore struct{ path string }

func (f *fileStore) line() string { return "file " + f.path }

func (f *fileStore) alarms() []string { return nil }

func (f *fileStore) saveLogs(string) error { return nil }

func (f *fileStore) failovers() []oracle.Fault { return nil }

// smallDisk is the size of the file system that is filled up.
const smallDisk = "48m"

func (w *world) startFile() (backing, error) {
	dir := filepath.Join(w.dir, "disk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if w.plan.Disk == diskSmall && canMount {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+smallDisk); err != nil {
			return nil, fmt.Errorf("mounting a small disk: %w", err)
		}
		w.cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
	return &fileStore{filepath.Join(dir, "deliveries.db")}, nil
}

// failing notes a time in which the store keeps results in memory.
func (w *world) failing(name string, do func() error) error {
	w.outage.begin()
	defer w.outage.end()
	return w.during(fault{name: name, harmless: true, after: outageTail}, do)
}

// fillDisk leaves no block free.
func (w *world) fillDisk(s Step) error {
	if !canMount {
		return errLeftOut
	}
	filler := filepath.Join(w.dir, "disk", "filler")
	return w.failing("disk full", func() error {
		err := fill(filler)
		w.wait(s.For)
		return errors.Join(err, os.Remove(filler))
	})
}

func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := file.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// canMount and canTrace say what this machine allows; see main and checkTrace.
var canMount bool

var canTrace = sync.OnceValue(func() bool {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return false
	}
	// -D and --seccomp-bpf, as Caddy is started; a kernel or a container may forbid them.
	out, err := exec.Command(strace, "-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=fdatasync", "-o", "/dev/null", "--", "true").CombinedOutput()
	return err == nil && len(out) == 0
})

// slowDisk has every sync take so many milliseconds longer.
func (w *world) slowDisk(s Step) error {
	return w.failing("slow disk", func() error {
		return w.inject(s, "fdatasync,fsync", fmt.Sprintf("delay_enter=%d", 1000*s.N))
	})
}

// injected has system calls fail with an error.
func injected(calls, errno string) func(*world, Step) error {
	return func(w *world, s Step) error {
		return w.failing("disk error", func() error { return w.inject(s, calls, "error="+errno) })
	}
}

// inject has strace change what system calls of the proxy do. Go makes them
// itself, so that nothing that is loaded before libc could.
func (w *world) inject(s Step, calls, how string) error {
	pid := w.nodes[0].running()
	if !canTrace() {
		return errLeftOut
	}
	if pid == 0 {
		return nil // it is down: another fault was quicker
	}
	command := exec.Command("strace", "-f", "-p", fmt.Sprint(pid), "-e", "trace="+calls, "-e", "inject="+calls+":"+how,
		"-e", "signal=none", "-o", "/dev/null")
	stderr, err := command.StderrPipe()
	if err != nil {
		return err
	}
	tracer, err := startWithUs(command)
	if err != nil {
		return err
	}
	attached := make(chan struct{})
	var said bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		once := sync.OnceFunc(func() { close(attached) })
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if strings.Contains(lines.Text(), "attached") {
				once()
			}
		}
	}()
	select {
	case <-attached:
		w.wait(s.For)
	case <-tracer.ended: // the proxy was killed meanwhile
	case <-time.After(10 * time.Second):
		err = fmt.Errorf("strace did not attach to %d", pid)
	}
	tracer.interrupt()
	<-read
	if err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}

// companion is a process that ends with this one, however that ends.
type companion struct {
	command *exec.Cmd
	ended   chan struct{}
}

// startWithUs starts a command. Linux ends it when the thread that started it
// ends, so the thread is held for as long.
func startWithUs(command *exec.Cmd) (*companion, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c := &companion{command: command, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_, _ = command.Process.Wait() // and not Wait, which closes the pipe while it is read
			close(c.ended)
		}
	}()
	return c, <-started
}

// interrupt ends it politely: a tracer lets go of what it traces.
func (c *companion) interrupt() {
	_ = c.command.Process.Signal(os.Interrupt)
	select {
	case <-c.ended:
	case <-time.After(5 * time.Second):
		_ = c.command.Process.Kill()
		<-c.ended
	}
}
