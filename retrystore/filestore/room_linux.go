package filestore

import (
	"errors"
	"os"
	"syscall"
)

// allocate takes disk blocks for a part of f, so that writing there later cannot
// fail for want of space. On a file system that cannot do that, a full disk is
// found out by the commit that needs it.
func allocate(f *os.File, from, to int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, from, to-from)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return nil
		}
		return err
	}
}
