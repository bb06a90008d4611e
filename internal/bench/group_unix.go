//go:build unix

package main

import "syscall"

// ownGroup starts a process in a group of its own, so that Ctrl-C reaches only
// this program, which ends the others in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a process that leads a group, and its children.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
