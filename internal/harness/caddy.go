package harness

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// Caddy is a real Caddy in this process, loaded with a Caddyfile. Caddy's state is global, so such tests
// do not run in parallel.
type Caddy struct {
	T       *testing.T
	Site    string // URL of the site
	Admin   string // URL of the admin API
	Options string // the global options that every config of this test begins with
	Routes  string // named routes that configs from now on have
	Port    string
	States  func() string // directory of what is known of the stores that were used
}

// Start runs a site with these directives. extra goes into the global
// options. The store is a file in the test's directory.
func Start(t *testing.T, directives, extra string) *Caddy {
	t.Helper()
	c := New(t, filepath.Join(t.TempDir(), "deliveries.db"), extra)
	Begin(t, c, directives)
	return c
}

// Begin loads the first config, and unloads the last one when the test ends.
func Begin(t *testing.T, c *Caddy, directives string) {
	t.Helper()
	for tries := 0; ; tries++ {
		err := c.Load(directives)
		if err == nil {
			break
		}
		// Somebody may have taken a port since it was found free.
		if tries == 3 || !errors.Is(err, syscall.EADDRINUSE) && !strings.Contains(err.Error(), "address already in use") {
			t.Fatal(err)
		}
		c.takePorts()
	}
	if sharedLog != "" && strings.Contains(c.Options, sharedLog) {
		logged.Store(true)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		process.Draining.Wait()
	})
}

// New is a Caddy whose store is that file. It runs from Begin on. extra goes into the global options.
func New(t *testing.T, store, extra string) *Caddy {
	t.Helper()
	return newOn(t, "file "+store, extra)
}

// newOn is New for any store, in the words of the configuration.
func newOn(t *testing.T, store, extra string) *Caddy {
	t.Helper()
	states := filepath.Join(t.TempDir(), "stores")
	c := &Caddy{T: t, States: func() string { return states }, Options: fmt.Sprintf(`admin ADMIN_ADDRESS
	persist_config off
	log {
		output file %s {
			roll_disabled
		}
	}
	webhooks {
		store %s
	}
	%s`, LogFile, store, extra)}
	// What other tests left behind or spent is not this one's.
	process.Book = process.NewBook(c.States)
	process.Limits = limiter.NewLocal(limiter.LocalOptions{})
	c.takePorts()
	return c
}

// takePorts finds ports for the site and the admin API.
func (c *Caddy) takePorts() {
	c.T.Helper()
	c.Port = FreePort(c.T)
	before := cmp.Or(strings.TrimPrefix(c.Admin, "http://"), "ADMIN_ADDRESS")
	address := "127.0.0.1:" + FreePort(c.T)
	c.Site, c.Admin = "http://127.0.0.1:"+c.Port, "http://"+address
	c.Options = Edited(c.Options, before, address)
}

// StartLogging is Start with a log file of its own.
func StartLogging(t *testing.T, log, directives string) *Caddy {
	t.Helper()
	searchAtEnd(t, log)
	shared := LogFile
	LogFile = log
	defer func() { LogFile = shared }()
	return Start(t, directives, "")
}

// Load replaces the running config by one with these directives.
func (c *Caddy) Load(directives string) error {
	config, err := Adapt(fmt.Sprintf("{\n\t%s\n}\n%s\nhttp://:%s {\n\tbind 127.0.0.1\n%s\n}\n", c.Options, c.Routes, c.Port, directives))
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	return c.AwaitOldConfig()
}

// AwaitOldConfig returns when only the running config listens, and kept connections to the one before are
// closed. A reload opens a second socket on each port, and Caddy returns before it has closed the first; a
// connection that is still in the first one's queue is then reset.
func (c *Caddy) AwaitOldConfig() error {
	ports := []string{c.Port, c.Admin[strings.LastIndexByte(c.Admin, ':')+1:]}
	var err error
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err = oneListenerEach(ports); err == nil {
			break
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return err
}

// oneListenerEach reports whether only one socket listens on each of the ports of 127.0.0.1. It can be
// found out on Linux only; elsewhere tests that reload may fail by chance.
func oneListenerEach(ports []string) error {
	sockets, err := os.ReadFile("/proc/net/tcp")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	const listening = "0A"
	for _, port := range ports {
		number, err := strconv.Atoi(port)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(sockets)) { // 0: 0100007F:1F90 00000000:0000 0A …
			fields := strings.Fields(line)
			if len(fields) > 3 && fields[3] == listening && fields[1] == fmt.Sprintf("0100007F:%04X", number) {
				n++
			}
		}
		if n > 1 {
			return fmt.Errorf("%d sockets listen on port %s", n, port)
		}
	}
	return nil
}

func Adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

func FreePort(t *testing.T) string { return caddyproc.PortFor(t) }

// LogsTo has the Caddys of this test log to a file of its own, which is searched when the test has ended.
// It must be called before they are started.
func LogsTo(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "caddy.log")
	searchAtEnd(t, path)
	shared := LogFile
	LogFile = path
	t.Cleanup(func() { LogFile = shared })
	return path
}
