package redistest

import "syscall"

// processAttributes has servers run in a group of their own, which is killed
// as a whole, and end with the test, however that ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
