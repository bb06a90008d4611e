package main

import (
	"syscall"
	"time"
)

// pause sleeps to within some 50 µs, the kernel's timer slack. time.Sleep
// rounds up to a millisecond in a process that is idle otherwise.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&t, nil) // interrupted: the caller looks at the clock again
}
