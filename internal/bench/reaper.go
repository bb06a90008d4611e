package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// reapCommand, as the first argument, makes the program the reaper.
const reapCommand = "reap"

// reaper is a process that outlives this one for a moment, however it ends, by
// a panic or by kill -9: when its stdin closes, it kills the processes and removes
// the directories that it was told of. After an orderly end none are left.
type reaper struct {
	command *exec.Cmd
	in      io.WriteCloser
}

func startReaper() (*reaper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &reaper{command: exec.Command(self, reapCommand)}
	r.command.SysProcAttr = ownGroup()
	r.command.Stderr = os.Stderr
	if r.in, err = r.command.StdinPipe(); err != nil {
		return nil, err
	}
	return r, r.command.Start()
}

// started tells of a process that leads a group.
func (r *reaper) started(pid int) error { return r.tell("pid %d\n", pid) }

// ended takes started back.
func (r *reaper) ended(pid int) error { return r.tell("gone %d\n", pid) }

// directory tells of a directory that must not stay.
func (r *reaper) directory(path string) error { return r.tell("dir %s\n", path) }

func (r *reaper) tell(format string, what any) error {
	if _, err := fmt.Fprintf(r.in, format, what); err != nil {
		return fmt.Errorf("the process that cleans up: %w", err)
	}
	return nil
}

// close ends the reaper.
func (r *reaper) close() error {
	_ = r.in.Close()
	return r.command.Wait()
}

// reap is what the reaper's process does.
func reap(in io.Reader) error {
	groups := make(map[int]bool)
	var directories []string
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		verb, object, _ := strings.Cut(orders.Text(), " ")
		pid, err := strconv.Atoi(object)
		switch {
		case verb == "dir":
			directories = append(directories, object)
		case err != nil || pid <= 1:
			return fmt.Errorf("unknown order %q", orders.Text())
		case verb == "pid":
			groups[pid] = true
		case verb == "gone":
			delete(groups, pid)
		default:
			return fmt.Errorf("unknown order %q", orders.Text())
		}
	}
	for pid := range groups {
		killGroup(pid)
	}
	for _, path := range directories {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return orders.Err()
}
