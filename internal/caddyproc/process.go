// Package caddyproc runs a built Caddy as a process that can be stopped, or
// killed as by a power cut, and started again. The demo and the fault tests use it.
package caddyproc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startLimit bounds how long Caddy may take to listen. It takes a fraction of a
// second on an idle machine.
const startLimit = 60 * time.Second

// Process is one Caddy. Its fields are set before Start. It serves one goroutine at a time.
type Process struct {
	Binary  string
	Config  string   // path of a Caddyfile
	Address string   // host:port that listens once Caddy is up
	Env     []string // added to the environment
	Log     io.Writer

	command *exec.Cmd
	exited  chan struct{}
}

// given are the ports that FreePort has returned.
var given sync.Map

// FreePort returns a TCP port of the loopback interface that nobody uses now. It
// is below the range from which systems take the ports of outgoing connections
// (32768 and up on Linux, RFC 6335 says 49152): there, somebody who dials a
// listener that is down for a moment may get its very port. No port is returned twice:
// Caddy's listeners share ports, so nothing else would tell that two had been given the same.
func FreePort() (string, error) {
	const from, count, tries = 20000, 10000, 100
	err := errors.New("no port is left")
	for range tries {
		number := from + rand.IntN(count)
		if _, given := given.LoadOrStore(number, true); given {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", number)
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil {
			_, port, _ := net.SplitHostPort(address)
			return port, listener.Close()
		}
	}
	return "", err
}

// PortFor is FreePort for a test, which fails if there is none.
func PortFor(t interface {
	Helper()
	Fatal(...any)
}) string {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Start runs Caddy and waits until it takes connections.
func (p *Process) Start() error {
	if p.Log == nil {
		p.Log = new(Tail)
	}
	// Whoever answers there already would be taken for our Caddy.
	probe, err := net.Listen("tcp", p.Address)
	if err != nil {
		return fmt.Errorf("caddy cannot listen: %w", err)
	}
	if err := probe.Close(); err != nil {
		return err
	}
	p.command = exec.Command(p.Binary, "run", "--config", p.Config, "--adapter", "caddyfile")
	p.command.Env = append(os.Environ(), p.Env...)
	// In a process group of its own, so that Ctrl-C reaches it once: through Stop.
	p.command.SysProcAttr = ownGroup()
	p.command.Stdout, p.command.Stderr = p.Log, p.Log
	if err := p.command.Start(); err != nil {
		return err
	}
	p.exited = make(chan struct{})
	go func(c *exec.Cmd, exited chan struct{}) { _ = c.Wait(); close(exited) }(p.command, p.exited)
	deadline := time.Now().Add(startLimit)
	for {
		if connection, err := net.Dial("tcp", p.Address); err == nil {
			return connection.Close()
		}
		select {
		case <-p.exited:
			return errors.Join(errors.New("caddy ended while starting"), p.LastWords())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.Kill()
			return errors.Join(fmt.Errorf("caddy does not listen on %s", p.Address), p.LastWords())
		}
	}
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop ends Caddy the polite way and waits for its end.
func (p *Process) Stop() {
	_ = p.command.Process.Signal(os.Interrupt)
	<-p.exited
}

// Terminate asks Caddy to end, as service managers do, and does not wait for it.
func (p *Process) Terminate() error { return p.command.Process.Signal(syscall.SIGTERM) }

// Kill ends Caddy with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.exited
}

// Pause stops Caddy in its tracks, as a machine does that is out of memory or is moved.
func (p *Process) Pause() error { return p.command.Process.Signal(sigStop) }

// Resume lets a paused Caddy go on.
func (p *Process) Resume() error { return p.command.Process.Signal(sigCont) }

// Pid is the process id, for tools that look at it from outside.
func (p *Process) Pid() int { return p.command.Process.Pid }

// LastWords are the end of Caddy's log as an error, for when something went wrong.
func (p *Process) LastWords() error {
	if t, ok := p.Log.(*Tail); ok {
		return fmt.Errorf("the end of Caddy's log:\n%s", t)
	}
	return nil
}

// Tail is a writer that keeps the last lines written to it. It is safe for concurrent use.
type Tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const (
	tailLines = 15
	tailBytes = 1 << 20
)

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > tailBytes {
		t.buf.Next(t.buf.Len() / 2)
	}
	return t.buf.Write(p)
}

// String returns the last lines.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(t.buf.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
