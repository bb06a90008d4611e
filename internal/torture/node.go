//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
)

// node is one Caddy. The track of nodes alone starts and ends it; its id may be
// asked for by others.
type node struct {
	*caddyproc.Process
	name     string
	dir      string
	admin    string // URL
	log      *os.File
	revision int
	file     string // of the store, if it is one
	found    int64  // its size at the latest start

	mu  sync.Mutex
	pid int // 0 while it is down
}

// newNode writes the first config.
func (w *world) newNode(number int) (*node, error) {
	name := fmt.Sprint("node", number+1)
	n := &node{name: name, dir: filepath.Join(w.dir, name)}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return nil, err
	}
	port, err := caddyproc.FreePort()
	if err != nil {
		return nil, err
	}
	adminPort, err := caddyproc.FreePort()
	if err != nil {
		return nil, err
	}
	if n.log, err = os.Create(filepath.Join(w.dir, name+".log")); err != nil {
		return nil, err
	}
	w.cleanup(func() { _ = n.log.Close() })
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n.admin = "http://127.0.0.1:" + adminPort
	n.Process = &caddyproc.Process{
		Binary: self, // becomes Caddy; see child.go
		Config: filepath.Join(n.dir, "Caddyfile"), Address: "127.0.0.1:" + port, Log: n.log,
		Env: []string{
			"XDG_DATA_HOME=" + n.dir, "XDG_CONFIG_HOME=" + n.dir,
			envCaddy + "=" + w.caddy, envTrace + "=" + w.traceDir(),
		},
	}
	if f, ok := w.store.(*fileStore); ok {
		n.file = f.path
	}
	return n, os.WriteFile(n.Config, []byte(w.caddyfile(n, variant{})), 0o600)
}

// start starts it and waits until it takes connections.
func (n *node) start() error {
	n.found = 0
	if info, err := os.Stat(n.file); err == nil {
		n.found = info.Size()
	}
	if err := n.Start(); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	n.setPid(n.Pid())
	return nil
}

func (n *node) setPid(pid int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pid = pid
}

// running is the process id, 0 while it is down.
func (n *node) running() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pid
}

// kill ends it as a power cut would, and notes if it had ended by itself before.
func (n *node) kill() error {
	select {
	case <-n.Exited():
		n.setPid(0)
		return fmt.Errorf("%s had ended by itself", n.name)
	default:
	}
	n.setPid(0)
	n.Kill()
	return nil
}

// halfStart starts it and kills it before it is up.
func (n *node) halfStart(after time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	command := exec.CommandContext(ctx, n.Binary, "run", "--config", n.Config, "--adapter", "caddyfile")
	command.Env = append(os.Environ(), n.Env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Stdout, command.Stderr = n.log, n.log
	if err := command.Run(); ctx.Err() == nil {
		return fmt.Errorf("%s ended while starting: %v", n.name, err)
	}
	return nil
}

var adminClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

var errRefused = errors.New("config was refused")

// load gives it a config.
func (n *node) load(config string) error {
	response, err := adminClient.Post(n.admin+"/load", "text/caddyfile", strings.NewReader(config))
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w: %d %s", n.name, errRefused, response.StatusCode, body)
	}
	return nil
}

// alarming are lines that no fault may cause.
var alarming = regexp.MustCompile(`(?i)panic|fatal error|DATA RACE|nil pointer|goroutine \d+ \[|corrupt_record|negative WaitGroup`)

// alarms returns the first lines of its log that should not be there.
func (n *node) alarms() (lines []string) {
	content, err := os.ReadFile(n.log.Name())
	if err != nil {
		return []string{err.Error()}
	}
	for line := range bytes.Lines(content) {
		if alarming.Match(line) && len(lines) < 5 {
			lines = append(lines, fmt.Sprintf("%s logged: %.500s", n.name, bytes.TrimSpace(line)))
		}
	}
	return lines
}

// lastError is the last error in its log.
func (n *node) lastError() string {
	content, err := os.ReadFile(n.log.Name())
	if err != nil {
		return err.Error()
	}
	last := "no error is in its log"
	for line := range bytes.Lines(content) {
		if bytes.Contains(line, []byte(`"level":"error"`)) {
			last = fmt.Sprintf("%.500s", bytes.TrimSpace(line))
		}
	}
	return last
}
