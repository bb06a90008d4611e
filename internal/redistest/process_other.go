//go:build unix && !linux

package redistest

import "syscall"

// processAttributes has servers run in a group of their own, which is killed
// as a whole. Here they outlive a test that crashes: only Linux can end them with it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
