//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// A child of this program becomes Caddy: so it ends with us, however we end, and strace can watch it from
// its first write on.
const (
	envCaddy = "TORTURE_CADDY" // path of the program to become
	envTrace = "TORTURE_TRACE" // directory for what strace sees; empty: no strace
)

// becomeCaddy does not return.
func becomeCaddy(caddy string) {
	runtime.LockOSThread() // the setting belongs to the thread that calls exec
	if _, _, code := syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0); code != 0 {
		fail("prctl", code)
	}
	args := append([]string{caddy}, os.Args[1:]...)
	if dir := os.Getenv(envTrace); dir != "" {
		strace, err := exec.LookPath("strace")
		if err != nil {
			fail("strace", err)
		}
		// -D: the tracer is a grandchild, so that our process id is Caddy's.
		args = append([]string{"strace", "-D", "-f", "--seccomp-bpf", "-q", "-y", "-s", "0", "-e", "signal=SIGKILL",
			"-e", "trace=pwrite64,fdatasync,fsync,ftruncate,fallocate",
			"-o", tracePath(dir, os.Getpid()), "--"}, args...)
		caddy = strace
	}
	fail("exec", syscall.Exec(caddy, args, os.Environ()))
}

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, what+":", err)
	os.Exit(1)
}

// tracePath is where strace writes about a process.
func tracePath(dir string, pid int) string { return filepath.Join(dir, fmt.Sprint(pid)) }

// ownMounts gives this process a view of the mounts of its own, so that file
// systems that it mounts are gone with it. It reports whether mounting is possible.
func ownMounts() bool {
	const done = "TORTURE_MOUNTS"
	if os.Getenv(done) != "" {
		return os.Getenv(done) == "own"
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	verdict := "shared"
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err == nil {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err == nil {
			verdict = "own"
		}
	}
	self, err := os.Executable()
	if err != nil {
		fail("finding this program", err)
	}
	fail("exec", syscall.Exec(self, os.Args, append(os.Environ(), done+"="+verdict)))
	return false
}
