//go:build linux

package main

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Redis's clock is the one by which leases lapse and retries are due, so that is
// the one that jumps. (Caddy's cannot: Go asks no function that could be replaced.)

// clockSource is loaded into redis-server. Its name keeps the go command from
// taking it for a part of this package.
//
//go:embed clock.c.txt
var clockSource []byte

// envClock names the file with the jump, for clock.c.txt.
const envClock = "TORTURE_CLOCK"

// redisProgram is what package redistest runs instead of redis-server.
const redisProgram = "REDIS_SERVER"

// bendClock has the redis-servers that are started from now on read a clock of
// ours. Without a C compiler they keep theirs, and jumps are left out.
func (w *world) bendClock() error {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return nil
	}
	real, err := exec.LookPath(orWord(os.Getenv(redisProgram), "redis-server"))
	if err != nil {
		return nil // package redistest says what is missing
	}
	dir := filepath.Join(w.dir, "clock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	source, library, wrapper := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so"), filepath.Join(dir, "redis-server")
	w.clock = filepath.Join(dir, "ahead")
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' LD_PRELOAD='%s' exec '%s' \"$@\"\n", envClock, w.clock, library, real)
	err = errors.Join(os.WriteFile(source, clockSource, 0o600), os.WriteFile(w.clock, make([]byte, 8), 0o600),
		os.WriteFile(wrapper, []byte(script), 0o700))
	if err != nil {
		return err
	}
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		w.logf("no jumps of the clock: %v: %s", err, out)
		w.clock = ""
		return nil
	}
	before, was := os.LookupEnv(redisProgram)
	if err := os.Setenv(redisProgram, wrapper); err != nil {
		return err
	}
	w.cleanup(func() {
		if _ = os.Unsetenv(redisProgram); was {
			_ = os.Setenv(redisProgram, before)
		}
	})
	return nil
}

func orWord(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}

// jumpAhead makes all leases lapse at once, if it goes far enough, and retries due.
func (w *world) jumpAhead(s Step) error { return w.jump(time.Duration(s.N) * time.Second) }

// jumpBack has retries wait longer.
func (w *world) jumpBack(s Step) error { return w.jump(-time.Duration(s.N) * time.Second) }

func (w *world) jump(by time.Duration) error {
	if w.clock == "" {
		return errLeftOut
	}
	f := fault{name: "clock jumped", before: redisBefore, after: redisAfter, harmless: by < 0}
	return w.onRedis(f, func(*redisStore) {
		if err := w.moveClock(by); err != nil {
			w.books.Problem("moving the clock of Redis: %v", err)
		}
	})
}

// moveClock changes the eight bytes in place: redis-server has mapped them.
func (w *world) moveClock(by time.Duration) error {
	file, err := os.OpenFile(w.clock, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	var b [8]byte
	if _, err := file.ReadAt(b[:], 0); err != nil {
		return err
	}
	binary.NativeEndian.PutUint64(b[:], binary.NativeEndian.Uint64(b[:])+uint64(by.Microseconds()))
	_, err = file.WriteAt(b[:], 0)
	return err
}
