package commands

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

// terminal is a pseudo-terminal with what a `caddy` shows on it.
type terminal struct {
	t      *testing.T
	master *os.File
	ended  chan error

	mu    sync.Mutex
	shown strings.Builder
}

// onTerminal runs `caddy webhooks` on a terminal of that many columns.
func onTerminal(t *testing.T, columns uint16, env []string, args ...string) *terminal {
	t.Helper()
	master, slave := openTerminal(t, columns)
	cmd := harness.CaddyCommand(t, append([]string{"webhooks"}, args...)...)
	cmd.Env = append(append(cmd.Env, "TERM=xterm", "NO_COLOR="), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that Ctrl-C is a signal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	s := &terminal{t: t, master: master, ended: make(chan error, 1)}
	go s.read(cmd)
	return s
}

func openTerminal(t *testing.T, columns uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		failed = errors.Join(failed,
			unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0),
			unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// read collects what is shown until nobody has the terminal open any more.
func (s *terminal) read(cmd *exec.Cmd) {
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.shown.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			s.ended <- cmd.Wait()
			return
		}
	}
}

func (s *terminal) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// sees waits until the text is shown.
func (s *terminal) sees(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(harness.Patience); !strings.Contains(s.text(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			shown := s.text()
			s.t.Fatalf("the terminal does not show %q but ends with %q", text, shown[max(0, len(shown)-1000):])
		}
	}
}

func (s *terminal) types(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

const ctrlC = "\x03"

// exit waits for the end and returns the exit code.
func (s *terminal) exit() int {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode()
		} else if err != nil {
			s.t.Fatal(err)
		}
		return 0
	case <-time.After(harness.Patience):
		s.t.Fatalf("it does not end; it shows %q", s.text())
		return -1
	}
}

// TestTableOnTerminal has the terminal's width and colours, unless they are not wanted.
func TestTableOnTerminal(t *testing.T) {
	c, _ := harness.DeadSite(t, 2)
	address := "--address=" + c.AdminAddress()
	coloured := onTerminal(t, 60, nil, "list", address)
	if code := coloured.exit(); code != 0 || !strings.Contains(coloured.text(), "\x1b[31mdead\x1b[0m") {
		t.Errorf("ended with %d, shows no red: %q", code, coloured.text())
	}
	plain := onTerminal(t, 60, []string{"NO_COLOR=1"}, "list", address)
	plain.exit()
	wide := 0
	for line := range strings.SplitSeq(plain.text(), "\r\n") {
		wide = max(wide, utf8.RuneCountInString(line))
	}
	// The id is never cut, so that it can be copied: this is as narrow as it gets.
	if strings.Contains(plain.text(), "\x1b") || wide > 80 || wide < 60 {
		t.Errorf("with NO_COLOR it is %d wide: %q", wide, plain.text())
	}
}

// TestWatchOnTerminal redraws in place, with rates, until Ctrl-C.
func TestWatchOnTerminal(t *testing.T) {
	c, app := harness.DeadSite(t, 1)
	watch := onTerminal(t, 80, nil, "stats", "--address="+c.AdminAddress(), "--watch", "200ms")
	watch.sees("\x1b[31m1\x1b[0m") // the dead letter, in red
	watch.sees("per second: 0.0 accepted, ")
	app.AnswerStatus(200)
	if _, err := harness.RunCommand(harness.Command("replay"), "--address="+c.AdminAddress(), "--all-dead"); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the delivery is counted", func() bool {
		return regexp.MustCompile(`accepted, ([1-9]\d*\.\d|0\.[1-9]) delivered`).MatchString(watch.text())
	})
	if frames := strings.Count(watch.text(), "\x1b[H"); frames < 3 || strings.Count(watch.text(), "\x1b[J") != frames {
		t.Errorf("%d frames", frames)
	}
	watch.types(ctrlC)
	if code := watch.exit(); code != 0 || strings.Contains(watch.text(), "Error") {
		t.Errorf("ended with %d: %q", code, watch.text())
	}
}

// TestPurgeAsks deletes after a yes, and only then.
func TestPurgeAsks(t *testing.T) {
	c, _ := harness.DeadSite(t, 2)
	purge := []string{"purge", "--address=" + c.AdminAddress(), "--all-dead"}
	asked := onTerminal(t, 80, nil, purge...)
	asked.sees("Delete 2 dead letters for good? [y/N]")
	asked.types("\n")
	if code := asked.exit(); code != 1 || !strings.Contains(asked.text(), "nothing was deleted") || dead(c) != 2 {
		t.Errorf("after no: %d, %d are left, %q", code, dead(c), asked.text())
	}
	asked = onTerminal(t, 80, nil, purge...)
	asked.sees("[y/N]")
	asked.types("y\n")
	if code := asked.exit(); code != 0 || !strings.Contains(asked.text(), "2 dead letters deleted") || dead(c) != 0 {
		t.Errorf("after yes: %d, %d are left, %q", code, dead(c), asked.text())
	}
}

// TestReplayOnTerminal shows a bar, ends with Ctrl-C, and goes on with what is left.
func TestReplayOnTerminal(t *testing.T) {
	const all = 30
	c, app := harness.DeadSite(t, all)
	app.AnswerStatus(200)
	address := "--address=" + c.AdminAddress()
	replay := onTerminal(t, 80, nil, "replay", address, "--all-dead", "--rate=10/s")
	replay.sees("of 30, ")
	replay.sees("█")
	replay.types(ctrlC)
	code := replay.exit()
	left := dead(c)
	if code != 1 || left == 0 || left == all ||
		!strings.Contains(replay.text(), fmt.Sprintf("cancelled: %d dead letter", all-left)) || !strings.Contains(replay.text(), "goes on with what is left") {
		t.Fatalf("ended with %d, %d are left: %q", code, left, replay.text())
	}
	out, stderr, code := harness.RunCaddy(t, "webhooks", "replay", address, "--all-dead")
	if code != 0 || out != wording.Plural(left, "dead letter")+" replayed\n" || dead(c) != 0 {
		t.Errorf("the rest: %d, %q, %q", code, out, stderr)
	}
}

// TestSendOnTerminal shows a bar, and sums up what was sent when Ctrl-C ends it.
func TestSendOnTerminal(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	send := onTerminal(t, 80, nil, "send", "github", c.Site+"/github", "--secret="+harness.GitHubSecret, "--count=1000", "--rate=20/s")
	send.sees("of 1000, ")
	send.types(ctrlC)
	if code := send.exit(); code != 1 || !strings.Contains(send.text(), "202 accepted") || !strings.Contains(send.text(), "interrupted after ") {
		t.Errorf("ended with %d: %q", code, send.text())
	}
}
