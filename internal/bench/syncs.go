package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// syncCount is the path of the file in which strace leaves how often a process
// called fsync and fdatasync. It does so when the process ends.
type syncCount string

// syncTracer is the program that counts. No counter of the kernel's tells syncs
// by process.
func syncTracer() (string, error) { return exec.LookPath("strace") }

// countSyncs makes a program that runs the binary in the same process, and
// counts its syncs from the start to the end. Nothing but these calls is slowed down:
// the kernel lets all others pass (--seccomp-bpf).
func countSyncs(binary, path string) (wrapper string, count syncCount, err error) {
	tracer, err := syncTracer()
	if err != nil {
		return "", "", err
	}
	wrapper, count = path+".sh", syncCount(path)
	script := fmt.Sprintf("#!/bin/sh\nexec %s -D -f --seccomp-bpf -c -e trace=fsync,fdatasync -o %s %s \"$@\"\n",
		quote(tracer), quote(path), quote(binary))
	return wrapper, count, os.WriteFile(wrapper, []byte(script), 0o700)
}

// quote makes a word of a shell's command line.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// read waits until the process that has ended is accounted for.
func (c syncCount) read() (number, error) {
	n := unknown
	done, err := waitFor(10*time.Second, func() (bool, error) {
		text, err := os.ReadFile(string(c))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		var complete bool
		n, complete = parseSyncs(string(text))
		return complete, nil
	})
	if err == nil && !done {
		err = fmt.Errorf("strace has left no count in %s", c)
	}
	return n, err
}

// parseSyncs reads the calls from a table like
//
//	% time     seconds  usecs/call     calls    errors syscall
//	------ ----------- ----------- --------- --------- ----------------
//	100.00    0.001034         147         7           fdatasync
//	------ ----------- ----------- --------- --------- ----------------
//	100.00    0.001034         147         7           total
//
// A process without a sync leaves no line behind the head. complete is false
// until the last line is there.
func parseSyncs(table string) (n number, complete bool) {
	lines := bufio.NewScanner(strings.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[len(fields)-1] != "total" {
			continue
		}
		calls, err := strconv.Atoi(fields[3])
		return number(calls), err == nil
	}
	return unknown, false
}
