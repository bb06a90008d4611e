package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// conditions are the circumstances of the measurement.
type conditions struct {
	At         time.Time `json:"at"`
	CPU        string    `json:"cpu"`
	CPUs       int       `json:"cpus"`
	Memory     number    `json:"memory"` // bytes
	System     string    `json:"system"`
	Disk       string    `json:"disk"` // where the stores were
	Caddy      string    `json:"caddy"`
	Revision   string    `json:"revision"` // of this module
	Redis      string    `json:"redis,omitempty"`
	Go         string    `json:"go"`
	Load       string    `json:"load"` // average of the machine, before
	OthersCPU  number    `json:"others_cpu"`
	OnlyMemory bool      `json:"only_memory,omitempty"` // there is no disk: syncs cost nothing

	OthersCPUInSweeps number `json:"others_cpu_in_sweeps"`
}

// conditionsOf the machine, before anything is measured.
func (b *bench) conditions() conditions {
	c := conditions{
		At: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), Go: runtime.Version(),
		CPU:      lineOf("/proc/cpuinfo", "model name"),
		Memory:   field("/proc/meminfo", "MemTotal:") * 1024,
		System:   strings.TrimSpace(output("uname", "-srm")),
		Caddy:    strings.TrimSpace(output(b.caddyBinary, "version")),
		Revision: strings.TrimSpace(output("git", "describe", "--always", "--dirty")),
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		c.Load, _, _ = strings.Cut(string(load), " ")
	}
	if version, _, ok := strings.Cut(output(b.redisBinary, "--version"), " sha="); ok && b.measures(inRedis, redisHeld) {
		c.Redis = version
	}
	var kind string
	c.Disk, kind = diskOf(b.dir)
	c.OnlyMemory = kind == "tmpfs" || kind == "ramfs"
	return c
}

// output is what a command prints, or nothing.
func output(name string, args ...string) string {
	if name == "" {
		return ""
	}
	text, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// lineOf is the value of the first line "name : value" of a file.
func lineOf(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// diskOf says on which device and file system a directory is.
func diskOf(dir string) (text, kind string) {
	mounts, err := os.ReadFile("/proc/mounts")
	path, err2 := filepath.EvalSymlinks(dir)
	if err != nil || err2 != nil {
		return "unknown", ""
	}
	longest := -1
	for line := range strings.Lines(string(mounts)) { // device point type options …
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest || !isUnder(path, f[1]) {
			continue
		}
		longest = len(f[1])
		text, kind = fmt.Sprintf("%s on %s", f[2], f[0]), f[2]
	}
	return text, kind
}

func isUnder(path, point string) bool {
	return point == "/" || path == point || strings.HasPrefix(path, point+"/")
}
