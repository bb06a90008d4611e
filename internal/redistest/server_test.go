package redistest

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer(t *testing.T) {
	begin := time.Now()
	s := Start(t, AOF...)
	c := s.Client()
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("started and written to after %s", time.Since(begin))

	s.Kill()
	if err := c.Ping(t.Context()).Err(); err == nil || !s.Down() {
		t.Fatalf("a killed server answers: down %v", s.Down())
	}
	s.Restart()
	if got, err := c.Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Fatalf("after a kill the key is %q, error %v", got, err)
	}
	s.Restart() // one that runs
	if got, err := c.Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Fatalf("after another the key is %q, error %v", got, err)
	}

	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); !errors.Is(err, context.DeadlineExceeded) {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatalf("a paused server: %v", err)
		}
	}
	s.Resume()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	s.Kill()
	s.Restart()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// A password, or no TCP port at all, does not keep a server from starting.
func TestServerThatDoesNotLetUsIn(t *testing.T) {
	s := Start(t, "--requirepass", "secret")
	if err := s.Client().Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("got %v, want NOAUTH", err)
	}
	Start(t, "--port", "0", "--unixsocket", "redis.sock")
}

// A server that cannot start says why.
func TestServerThatCannotStart(t *testing.T) {
	port, err := takePort()
	if err != nil {
		t.Fatal(err)
	}
	defer giveBack(port)
	if _, err := launch(t, t.TempDir(), port, []string{"--maxmemory", "nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
	taken := Start(t)
	if _, err := launch(t, t.TempDir(), taken.port, nil); !errors.Is(err, errPortTaken) {
		t.Errorf("got %v, want that the port is taken", err)
	}
	t.Setenv("REDIS_SERVER", "no-such-program")
	if _, err := launch(t, t.TempDir(), port, nil); err == nil || !strings.Contains(err.Error(), "apt-get install") {
		t.Errorf("got %v, want how to install it", err)
	}
}

// crashing is set in the process that TestServerEndsWithTheTest starts to crash it.
const crashing = "REDISTEST_CRASH"

func TestServerEndsWithTheTest(t *testing.T) {
	if os.Getenv(crashing) != "" {
		s := Start(t)
		// Standard output belongs to package testing.
		_, _ = os.Stderr.WriteString("address " + s.Addr() + "\n")
		panic("as a test may")
	}
	if runtime.GOOS != "linux" {
		return // see processAttributes
	}
	for _, how := range []string{"panic", "kill"} {
		command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		command.Env = append(os.Environ(), crashing+"="+how)
		stderr, err := command.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		address := ""
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if got, ok := strings.CutPrefix(lines.Text(), "address "); ok {
				address = got
				if how == "kill" {
					_ = command.Process.Signal(syscall.SIGKILL)
				}
			}
		}
		if err := command.Wait(); err == nil || address == "" {
			t.Fatalf("%s: error %v, address %q", how, err, address)
		}
		eventually(t, 10*time.Second, how+": the server has ended", func() error {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				return nil
			}
			return errors.Join(errors.New("it still listens"), connection.Close())
		})
	}
}
