package main

import (
	"os"
	"syscall"
)

// ownGroup starts a process in a group of its own, so that Ctrl-C reaches only
// this program, which ends the others in order.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends a process. Windows kills no groups: its children go on.
func killGroup(pid int) {
	if process, err := os.FindProcess(pid); err == nil {
		_ = process.Kill()
	}
}
