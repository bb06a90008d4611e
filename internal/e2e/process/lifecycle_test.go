package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/proxy"
	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// TestReload gives the proxy a new config every 200 ms under load.
func TestReload(t *testing.T) {
	const reloads = 75
	losesAndRepeatsNothing(t, "reload", func(s *proxy.Proxy) error {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for revision := 1; revision <= reloads; revision++ {
			<-ticker.C
			if err := s.Reload(revision); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestStop stops and starts the proxy politely under load: unlike a kill, that
// repeats nothing either.
func TestStop(t *testing.T) {
	const stops = 5
	losesAndRepeatsNothing(t, "stop", func(s *proxy.Proxy) error {
		for range stops {
			time.Sleep(500 * time.Millisecond) // lets it work for a while
			s.Stop()
			if err := s.Start(); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestShutdownDelay has the HTTP servers go on for a second while Caddy exits: till
// their end every webhook is accepted, in whatever order Caddy stops its apps. The
// application is so slow that attempts are in flight all the time.
func TestShutdownDelay(t *testing.T) {
	const (
		stops = 10
		delay = time.Second
		limit = 10 * time.Second // to end in, on a busy machine
	)
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, 13)
	app.Behave(oracle.Manner{Kind: oracle.Take, Delay: 100 * time.Millisecond, Share: 0.5})
	s := proxy.Start(t, app, "", "shutdown_delay "+delay.String())
	stop := proxy.Send(t, &oracle.Provider{Books: books, URLs: []string{s.Hook}, Run: "delay", Connections: 8, Pace: 10 * time.Millisecond})
	for range stops {
		before, begin := books.Acknowledged(), time.Now()
		if err := s.Terminate(); err != nil {
			t.Fatal(err)
		}
		<-s.Exited()
		if took := time.Since(begin); took < delay || took > delay+limit {
			t.Errorf("Caddy ended after %s", took)
		}
		if books.Acknowledged() == before {
			t.Error("no webhook was accepted during the delay: this test shows nothing")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	app.Behave()
	s.WaitUntilEmpty(t, time.Minute)
	if n := books.Resent()["unavailable"]; n > 0 {
		t.Errorf("%d webhooks were answered 503", n)
	}
	proxy.Judge(t, books, nil)
}

// losesAndRepeatsNothing disturbs a proxy under load, and wants every
// acknowledged event to arrive exactly once.
func losesAndRepeatsNothing(t *testing.T, run string, disturb func(s *proxy.Proxy) error) {
	t.Helper()
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, 11)
	app.Behave(proxy.Failing(0.10, 0)...)
	s := proxy.Start(t, app, "", "")
	stop := proxy.Send(t, &oracle.Provider{Books: books, URLs: []string{s.Hook}, Run: run, Connections: 32, Pace: 10 * time.Millisecond})
	if err := disturb(s); err != nil {
		t.Fatal(err)
	}
	stop()
	app.Behave()
	s.WaitUntilEmpty(t, time.Minute)
	proxy.Judge(t, books, nil)
}

// TestSecondProcess starts a second Caddy on the file of the first: it says why
// it does not start, while `caddy validate` works and the first goes on.
func TestSecondProcess(t *testing.T) {
	books := oracle.NewBooks()
	s := proxy.Start(t, proxy.StartApplication(t, books, 17), "", "")
	validate := exec.Command(proxy.Binary, "validate", "--config", s.Config, "--adapter", "caddyfile")
	validate.Env = append(os.Environ(), s.Env...)
	if out, err := validate.CombinedOutput(); err != nil {
		t.Errorf("caddy validate beside the running one: %v\n%s", err, out)
	}

	second := filepath.Join(t.TempDir(), "Caddyfile")
	other := s.Caddyfile(caddyproc.PortFor(t), caddyproc.PortFor(t), 0)
	if err := os.WriteFile(second, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(proxy.Binary, "run", "--config", second, "--adapter", "caddyfile")
	run.Env = append(os.Environ(), s.Env...)
	out, err := run.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "deliveries.db") || !strings.Contains(string(out), "another process") {
		t.Errorf("a second process ended with %v and said:\n%s", err, out)
	}

	sender := &oracle.Provider{Books: books, URLs: []string{s.Hook}, Run: "second"}
	defer sender.Close()
	sender.SendOne(t.Context())
	s.WaitUntilEmpty(t, time.Minute)
	proxy.Judge(t, books, nil)
}
