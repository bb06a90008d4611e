package caddyproc

import "syscall"

// Windows pauses no processes: there Pause and Resume return an error.
const (
	sigStop = syscall.Signal(0x13)
	sigCont = syscall.Signal(0x12)
)

func ownGroup() *syscall.SysProcAttr { return nil }
