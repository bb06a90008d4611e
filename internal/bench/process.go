package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of times in /proc: USER_HZ, 100 on every Linux.
const ticksPerSecond = 100

// usage is what a process has used since it started. Where there is no /proc,
// everything is unknown.
type usage struct {
	cpu     number // seconds
	written number // bytes that it made the file system write
}

func (u usage) since(before usage) usage {
	return usage{u.cpu - before.cpu, u.written - before.written}
}

// familyUsage is the usage of a process and of its children, dead or alive: Redis
// has one write its append-only file anew. (What the dead wrote is in its own count.)
func familyUsage(pid int) usage {
	u := usageOf(pid)
	_, fields := statFields(procFile(pid, "stat"))
	u.cpu += (fields[13] + fields[14]) / ticksPerSecond
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		if _, fields := statFields(path); fields[1] == number(pid) {
			u.cpu += (fields[11] + fields[12]) / ticksPerSecond
		}
	}
	return u
}

// usageOf reads the usage of a process.
func usageOf(pid int) usage {
	_, fields := statFields(procFile(pid, "stat"))
	return usage{(fields[11] + fields[12]) / ticksPerSecond, field(procFile(pid, "io"), "write_bytes:")}
}

// memory of a process, in bytes.
type memory struct {
	RSS  number `json:"rss"`
	Anon number `json:"anonymous"` // of RSS: not pages of files, which the system can take back
	Peak number `json:"peak"`      // RSS at its highest since the start
}

func memoryOf(pid int) memory {
	const kB = 1024
	status := procFile(pid, "status")
	return memory{field(status, "VmRSS:") * kB, field(status, "RssAnon:") * kB, field(status, "VmHWM:") * kB}
}

// machine is what all CPUs together have done for processes since the start, in
// seconds. Interrupts and the kernel's own threads are left out: whose work they
// do, for the disk above all, nobody can tell.
type machine struct {
	busy   number
	idle   number            // with nothing to do, or waiting for the disk
	kernel map[string]number // seconds of the kernel's threads, which come and go
}

// machineNow reads it. Where there is no /proc, it is unknown.
func machineNow() machine {
	now := machine{unknown, unknown, make(map[string]number)}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return now
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 {
		return now
	}
	now.busy = (parse(fields[1]) + parse(fields[2]) + parse(fields[3]) + parse(fields[8])) / ticksPerSecond
	now.idle = (parse(fields[4]) + parse(fields[5])) / ticksPerSecond
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		const isKernelThread = 0x00200000 // PF_KTHREAD
		name, fields := statFields(path)
		if flags := fields[6]; flags.known() && int64(flags)&isKernelThread != 0 && !strings.HasPrefix(name, "ksoftirqd/") { // which does interrupts
			now.kernel[path] = (fields[11] + fields[12]) / ticksPerSecond
		}
	}
	return now
}

// since is how long the CPUs worked for processes since before.
func (m machine) since(before machine) number {
	d := m.busy - before.busy
	for path, cpu := range m.kernel {
		d -= max(0, cpu-before.kernel[path])
	}
	return d
}

// statFields are the name of a process and the first fields behind it in its stat:
// state, parent, … What is no number, or cannot be read, is unknown.
func statFields(path string) (name string, fields [15]number) {
	for i := range fields {
		fields[i] = unknown
	}
	stat, err := os.ReadFile(path)
	if err != nil {
		return "", fields
	}
	text := string(stat) // 12 (a name) S 1 …
	end := max(strings.LastIndexByte(text, ')'), 0)
	_, name, _ = strings.Cut(text[:end], "(")
	for i, field := range strings.Fields(strings.TrimPrefix(text[end:], ")")) {
		if i < len(fields) {
			fields[i] = parse(field)
		}
	}
	return name, fields
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// field is the number behind the name in a file with a field a line.
func field(path, name string) number {
	content, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(content)) {
		if after, ok := strings.CutPrefix(line, name); ok {
			return parse(strings.Fields(after)[0])
		}
	}
	return unknown
}

func parse(text string) number {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return unknown
	}
	return number(n)
}

// waitFor calls f every few milliseconds until it says that it is done, or the
// time is over, when done is false. It is for what other processes do.
func waitFor(limit time.Duration, f func() (done bool, err error)) (done bool, err error) {
	deadline := time.Now().Add(limit)
	for {
		if done, err = f(); done || err != nil || time.Now().After(deadline) {
			return done, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
