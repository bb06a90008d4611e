package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startLimit bounds how long a server may take until it answers. It takes
	// some 10 ms on an idle machine.
	startLimit = 30 * time.Second

	// portTries is how many ports are tried when somebody else was faster.
	portTries = 20
)

// errPortTaken says that another process listens on a port already.
var errPortTaken = errors.New("the port is taken")

// process is one run of redis-server.
type process struct {
	pid    int
	exited chan struct{} // closed when it has ended
	log    *journal
}

// serverPath is the server that tests run. REDIS_SERVER names another one, to test
// with another version, or with Valkey.
func serverPath() (string, error) {
	name := os.Getenv("REDIS_SERVER")
	if name == "" {
		name = "redis-server"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("these tests need a real Redis, of version 7.0 or later, and there is none: %w. "+
			"Install it (apt-get install redis-server; brew install redis), or name the program in the environment variable REDIS_SERVER", err)
	}
	return path, nil
}

// run starts redis-server in the directory and waits until it logs the words
// that say that it is ready: no password, certificate or port is needed to see them.
// An empty program is the one that all tests run.
func run(program, dir, ready string, args ...string) (*process, error) {
	path, err := program, error(nil)
	if path == "" {
		path, err = serverPath()
	}
	if err != nil {
		return nil, err
	}
	p := &process{exited: make(chan struct{}), log: newJournal(ready)}
	command := exec.Command(path, args...)
	command.Dir = dir
	command.Stdout, command.Stderr = p.log, p.log
	command.SysProcAttr = processAttributes()
	command.WaitDelay = time.Second // a child that writes a snapshot holds stdout, too

	started := make(chan error)
	go func() {
		// Linux ends the server when the thread that started it ends, so that
		// none outlives a test that crashes. The thread is held for as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = command.Process.Pid

	select {
	case <-p.log.ready:
		return p, nil
	case <-p.exited:
		err = errors.New("redis-server ended while starting")
	case <-time.After(startLimit):
		err = fmt.Errorf("redis-server is not ready after %s", startLimit)
	}
	p.kill()
	if log := p.log.String(); strings.Contains(log, "Address already in use") {
		err = errPortTaken
	} else {
		err = fmt.Errorf("%w; its log:\n%s", err, log)
	}
	return nil, err
}

// kill ends the process and its children as a power cut would, and waits for its end.
func (p *process) kill() {
	if p.running() {
		killGroup(p.pid)
	}
	<-p.exited
}

// signal sends a signal to the process itself.
func (p *process) signal(s syscall.Signal) error {
	if !p.running() {
		return errors.New("it does not run")
	}
	return signalTo(p.pid, s)
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// configFile writes the settings that all servers of tests have. It is a file,
// and not only arguments, because Sentinel has servers rewrite theirs.
func configFile(dir string, lines ...string) (string, error) {
	path := filepath.Join(dir, "redis.conf")
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// journal keeps what a server logs, and sees when it is ready. It is safe for concurrent use.
type journal struct {
	ready chan struct{} // closed when the words were seen
	words []byte

	mu   sync.Mutex
	text bytes.Buffer
	seen bool
}

// journalBytes bounds a journal: the oldest half goes.
const journalBytes = 1 << 20

func newJournal(words string) *journal {
	return &journal{ready: make(chan struct{}), words: []byte(words)}
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.text.Len() > journalBytes {
		j.text.Next(journalBytes / 2)
	}
	n, err := j.text.Write(p)
	if !j.seen && bytes.Contains(j.text.Bytes(), j.words) {
		j.seen = true
		close(j.ready)
	}
	return n, err
}

// String returns what was logged.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
