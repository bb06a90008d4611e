package redistest

import (
	"errors"
	"os"
	"syscall"
)

// Redis does not run on Windows: this is here so that everything builds there.
const (
	sigStop = syscall.Signal(0x13)
	sigCont = syscall.Signal(0x12)
)

var errWindows = errors.New("not on Windows")

func processAttributes() *syscall.SysProcAttr { return nil }

func killGroup(pid int) {
	if process, err := os.FindProcess(pid); err == nil {
		_ = process.Kill()
	}
}

func signalTo(int, syscall.Signal) error { return errWindows }

func lockFile(*os.File) error { return errWindows }
