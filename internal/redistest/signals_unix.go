//go:build unix

package redistest

import (
	"os"
	"syscall"
)

// What pauses a process, and lets it go on.
const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

// killGroup ends a process and its children.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

func signalTo(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

// lockFile fails if another process has locked the file.
func lockFile(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
