//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A power cut takes what was written and not yet synced, or parts of it. SIGKILL
// takes nothing: the kernel goes on and writes all of it. So strace watches the
// writes of the proxy, and after the kill whatever was written since the latest
// sync that had returned is damaged: each sector of it is as it was written, or
// zero, or noise; and what the file has grown by since then is perhaps gone.
//
// That is all that a power cut may do, and no more:
//
//   - What a sync has covered stays. A sync counts only when strace saw it
//     return, which was before the proxy saw it: an event that was acknowledged
//     was synced before, so it is never among the damaged.
//   - An unsynced write may be lost, and then the sector is as it was. What it
//     was does not matter to a store that overwrites only pages that nothing
//     refers to (bbolt does not write in place), so noise stands for it. The one
//     exception are bbolt's two meta pages, written alternately: the older of
//     them is overwritten, and it may well become noise, since the newer one was
//     synced before.
//   - Sectors of 512 bytes are not torn themselves; disks promise that.
//   - The directory's entry is not lost: the store syncs the directory when it
//     creates the file, before the first event.

const sector = 512

// unsynced is what a process had written to the store's file and not synced.
type unsynced struct {
	writes []extent
	synced int64 // size of the file at the latest sync
	grown  int64 // its size now
}

type extent struct{ from, length int64 }

var (
	tracedCall  = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<([^>]*)>(.*)$`)
	tracedAgain = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	tracedTail  = regexp.MustCompile(`(\d+), (\d+)(?:\)| <unfinished)`)
	tracedSize  = regexp.MustCompile(`, (\d+)(?:\)| <unfinished)`)
)

// readTrace follows what strace saw of the file, which had that size before.
func readTrace(trace io.Reader, name string, size int64) (u unsynced, err error) {
	u.synced, u.grown = size, size
	syncing := make(map[string]bool) // threads whose sync has not returned yet
	lines := bufio.NewScanner(trace)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := tracedAgain.FindStringSubmatch(line); m != nil {
			if syncing[m[1]] && strings.HasSuffix(m[3], "= 0") {
				u.sync()
			}
			delete(syncing, m[1])
			continue
		}
		m := tracedCall.FindStringSubmatch(line)
		if m == nil || !strings.Contains(m[3], name) {
			continue
		}
		thread, call, rest := m[1], m[2], m[4]
		switch call {
		case "fdatasync", "fsync":
			if strings.HasSuffix(rest, "= 0") {
				u.sync()
			} else if strings.Contains(rest, "unfinished") {
				syncing[thread] = true
			}
		case "pwrite64":
			length, from, ok := twoNumbers(tracedTail, rest)
			if !ok {
				return u, fmt.Errorf("strace wrote %q", line)
			}
			u.writes = append(u.writes, extent{from, length})
			u.grown = max(u.grown, from+length)
		case "fallocate":
			if from, length, ok := twoNumbers(tracedTail, rest); ok {
				u.grown = max(u.grown, from+length)
			}
		case "ftruncate":
			if m := tracedSize.FindStringSubmatch(rest); m != nil {
				size, _ := strconv.ParseInt(m[1], 10, 64)
				u.grown = max(u.grown, size)
			}
		}
	}
	return u, lines.Err()
}

func (u *unsynced) sync() { u.writes, u.synced = nil, u.grown }

func twoNumbers(pattern *regexp.Regexp, text string) (a, b int64, ok bool) {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	a, errA := strconv.ParseInt(m[1], 10, 64)
	b, errB := strconv.ParseInt(m[2], 10, 64)
	return a, b, errA == nil && errB == nil
}

// damage does to the store's file what a power cut would have done when that
// process was killed, which found it with that size. What the file was before the
// damage is kept beside it.
func (w *world) damage(pid int, size int64, seed uint64) (told string, err error) {
	if w.traceDir() == "" {
		return "", errLeftOut
	}
	trace, err := finishedTrace(tracePath(w.traceDir(), pid), pid)
	if err != nil {
		return "", err
	}
	u, err := readTrace(bytes.NewReader(trace), "deliveries.db", size)
	if err != nil {
		return "", err
	}
	path := w.store.(*fileStore).path
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no file yet", nil
	}
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path+".before-power-cut", content, 0o600); err != nil {
		return "", err
	}
	hurt := u.spoil(content, rand.New(rand.NewPCG(w.plan.Seed, seed)))
	// In place, as on a disk: the file keeps its inode.
	if err := os.WriteFile(path, hurt, 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d writes were not synced; the file had %d bytes, has %d now", len(u.writes), len(content), len(hurt)), nil
}

// finishedTrace reads what strace wrote, once it has seen the end of the process.
func finishedTrace(path string, pid int) ([]byte, error) {
	last := regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ killed by SIGKILL`, pid)) // strace pads short ids
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		trace, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if last.Match(trace) {
			return trace, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("strace did not see the end of process %d", pid)
		}
	}
}

// spoil returns the content after the power cut. How bad it is differs: all that
// was not synced may be lost, or there, or any mixture.
func (u *unsynced) spoil(content []byte, random *rand.Rand) []byte {
	after := bytes.Clone(content)
	kept := random.IntN(5) // of four sectors on the average; 4: all
	for _, e := range u.writes {
		for at := e.from / sector * sector; at < e.from+e.length && at < int64(len(after)); at += sector {
			part := after[at:min(at+sector, int64(len(after)))]
			switch dice := random.IntN(4); {
			case dice < kept:
			case random.IntN(2) == 0:
				clear(part)
			default:
				for i := range part {
					part[i] = byte(random.Uint32())
				}
			}
		}
	}
	if u.synced > 0 && u.synced < u.grown && u.synced < int64(len(after)) && random.IntN(2) == 0 {
		after = after[:u.synced]
	}
	return after
}
