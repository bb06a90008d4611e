package seglog

import (
	"os"
	"syscall"
)

// syncData makes the data of f durable, and of its metadata what is needed to read it.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}

// reserve takes disk blocks for the first size bytes of f. Where the file system cannot do that,
// writing the zeros shows whether there is room.
func reserve(f *os.File, size int64) error {
	for {
		switch err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err {
		case syscall.EINTR:
		case syscall.EOPNOTSUPP, syscall.ENOSYS:
			return nil
		default:
			return err
		}
	}
}
