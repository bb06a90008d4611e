// Package redistest runs real Redis servers for tests: one alone ([Start]), a
// Cluster ([StartCluster]), or a master with replicas and sentinels
// ([StartSentinel]). Servers listen on the loopback interface, keep their files
// in the test's temporary directory, and end with the test; on Linux also when it crashes.
//
// They can be killed as by a power cut, started again, and stopped in their
// tracks ([Server.Kill], [Server.Restart], [Server.Pause]).
//
// A machine without redis-server fails the test.
package redistest

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// AOF are the arguments for a server that loses nothing it has acknowledged.
var AOF = []string{"--appendonly", "yes", "--appendfsync", "always"}

// What servers log when they take commands.
const (
	serverReady   = "eady to accept connections"
	sentinelReady = "Sentinel ID is"
)

// answerLimit bounds how long a server may take to answer a command of this package.
const answerLimit = 5 * time.Second

// Server is one redis-server. Its methods are for one goroutine at a time,
// except Addr, URL, Port, Dir and Log.
type Server struct {
	t       testing.TB
	dir     string
	port    int
	program string   // "": the one that all tests run
	ready   string   // what it logs when it takes commands
	args    []string // of each start
	process *process
	paused  bool
}

// Start runs a server without persistence, unless the arguments say otherwise.
// They are those of redis-server's command line, such as AOF, and prevail over ours.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	var s *Server
	err := onFreePorts(t, 1, func(ports []int) (err error) {
		s, err = launch(t, t.TempDir(), ports[0], args)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// launch starts a server with our settings. It may be called from any goroutine,
// with a directory of its own.
func launch(t testing.TB, dir string, port int, args []string) (*Server, error) {
	return launchProgram(t, "", dir, port, args)
}

// launchProgram is launch for a program that runs redis-server.
func launchProgram(t testing.TB, program, dir string, port int, args []string) (*Server, error) {
	config, err := configFile(dir,
		"bind 127.0.0.1",
		"port "+strconv.Itoa(port),
		`save ""`,
		"appendonly no",
		"repl-diskless-sync-delay 0", // else a replica waits 5 s for others to come
		"repl-ping-replica-period 1",
	)
	if err != nil {
		return nil, err
	}
	return launchConfig(t, program, dir, port, serverReady, append([]string{config}, args...))
}

// launchConfig starts a server of which the arguments say everything.
func launchConfig(t testing.TB, program, dir string, port int, ready string, args []string) (*Server, error) {
	s := &Server{t: t, dir: dir, port: port, program: program, ready: ready, args: args}
	var err error
	if s.process, err = run(program, dir, ready, args...); err != nil {
		return nil, err
	}
	t.Cleanup(func() { s.process.kill() })
	return s, nil
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the server's address as redis://host:port.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Port is the server's TCP port.
func (s *Server) Port() int { return s.port }

// Dir is the directory in which the server runs: paths in its settings are relative to it.
func (s *Server) Dir() string { return s.dir }

// Log is what the server has logged since its latest start.
func (s *Server) Log() string { return s.process.log.String() }

// Pid is the id of the server's process.
func (s *Server) Pid() int { return s.process.pid }

// Client returns a client of the server, which is closed when the test ends.
func (s *Server) Client() *redis.Client {
	client := s.client()
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// client returns a client that its caller closes.
func (s *Server) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                     s.Addr(),
		DialTimeout:              answerLimit,
		DialerRetries:            1,
		ReadTimeout:              answerLimit,
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true, // sentinels know no CLIENT SETINFO
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// do runs a function with a client of the server, within answerLimit. It
// outlives the test's context, so that it works in t.Cleanup too.
func (s *Server) do(f func(ctx context.Context, c *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), answerLimit)
	defer cancel()
	client := s.client()
	defer func() { _ = client.Close() }()
	return f(ctx, client)
}

// Kill ends the server and its children with SIGKILL, and waits for its end.
func (s *Server) Kill() {
	s.process.kill()
	s.paused = false
}

// Restart starts a killed server again, with its port, files and arguments, and
// waits until it has loaded what it had kept. One that still runs is killed first.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	started, err := run(s.program, s.dir, s.ready, s.args...)
	if err != nil {
		s.t.Fatalf("starting redis on port %d again: %v", s.port, err)
	}
	s.process = started
}

// Pause stops the server with SIGSTOP: connections stay open, the system accepts more of them, and nobody
// answers.
func (s *Server) Pause() {
	s.t.Helper()
	if err := s.process.signal(sigStop); err != nil {
		s.t.Errorf("pausing redis on port %d: %v", s.port, err)
		return
	}
	s.paused = true
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.t.Helper()
	if err := s.process.signal(sigCont); err != nil {
		s.t.Errorf("resuming redis on port %d: %v", s.port, err)
		return
	}
	s.paused = false
}

// Down reports whether the server is killed or paused.
func (s *Server) Down() bool { return s.paused || !s.process.running() }

// eventually calls f until it returns nil, and fails the test when it has not
// done so within the limit.
func eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
