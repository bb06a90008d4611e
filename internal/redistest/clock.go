package redistest

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// clockSource is loaded into redis-server. Its name keeps the go command from
// taking it for a part of this package.
//
//go:embed clock.c.txt
var clockSource []byte

// envClock names the file with the step, for clock.c.txt.
const envClock = "REDISTEST_CLOCK"

// ErrNoClock says that there is no C compiler, or that what it makes cannot be loaded.
var ErrNoClock = errors.New("redis cannot be given a clock of its own")

// Clock is the wall clock of the servers that run its Program. It can be stepped while
// they run; their monotonic clock goes on.
type Clock struct {
	// Program is what to run instead of redis-server (REDIS_SERVER).
	Program string
	ahead   string // the file
}

// NewClock makes a clock that is right, for Linux, in a directory that is there. It needs gcc.
func NewClock(dir string) (*Clock, error) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoClock, err)
	}
	server, err := serverPath()
	if err != nil {
		return nil, err
	}
	c := &Clock{Program: filepath.Join(dir, "redis-server"), ahead: filepath.Join(dir, "ahead")}
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' LD_PRELOAD='%s' exec '%s' \"$@\"\n", envClock, c.ahead, library, server)
	err = errors.Join(os.WriteFile(source, clockSource, 0o600), os.WriteFile(c.ahead, make([]byte, 8), 0o600),
		os.WriteFile(c.Program, []byte(script), 0o700))
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %w: %s", ErrNoClock, err, out)
	}
	return c, nil
}

// Step changes the clock by so much. The eight bytes change in place: redis-server has mapped them.
func (c *Clock) Step(by time.Duration) error {
	file, err := os.OpenFile(c.ahead, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var b [8]byte
	if _, err := file.ReadAt(b[:], 0); err != nil {
		return err
	}
	binary.NativeEndian.PutUint64(b[:], binary.NativeEndian.Uint64(b[:])+uint64(by.Microseconds()))
	_, err = file.WriteAt(b[:], 0)
	return err
}

// StartWithClock is Start for a server with a clock that step changes.
func StartWithClock(t testing.TB, args ...string) (s *Server, step func(by time.Duration)) {
	t.Helper()
	c, err := NewClock(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = onFreePorts(t, 1, func(ports []int) (err error) {
		s, err = launchProgram(t, c.Program, t.TempDir(), ports[0], args)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, func(by time.Duration) {
		t.Helper()
		if err := c.Step(by); err != nil {
			t.Fatal(err)
		}
	}
}
