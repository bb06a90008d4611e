//go:build linux || darwin || freebsd

package module

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes of the directory's file system are free for
// this process, and how many there are in all.
func diskSpace(directory string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(directory, &s); err != nil {
		return 0, 0, err
	}
	// Signed on some systems, where what is reserved may make Bavail negative.
	return uint64(max(0, int64(s.Bavail))) * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
