// Command demo shows what the proxy does: it starts Caddy with the quickstart
// config and a small application behind it, sends webhooks signed the way the
// providers sign them, lets the application fail and kills the proxy, and
// checks that every event arrives. It ends with 0 if all went well.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
)

func main() {
	caddy := flag.String("caddy", "bin/caddy", "a Caddy that was built with this module")
	config := flag.String("config", "examples/quickstart/Caddyfile", "the quickstart config")
	keep := flag.Bool("keep", false, "keep Caddy and the application running, on their usual ports, for trying by hand")
	flag.Parse()
	show := demo
	if *keep {
		show = playground
	}
	if err := show(*caddy, *config); err != nil {
		fmt.Fprintln(os.Stderr, "\nwrong:", err)
		os.Exit(1)
	}
}

// playground runs everything until it is interrupted.
func playground(caddy, config string) error {
	ports, err := usualPorts()
	if err != nil {
		return err
	}
	app, err := startApplication("localhost:" + ports.app)
	if err != nil {
		return err
	}
	defer app.close()
	app.onArrival = func(a arrival) {
		fmt.Printf("arrived: %s %s (attempt %s)\n", a.provider, a.eventID, a.attempt)
	}
	p := newPlayground(caddy, config, ports)
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Stop()
	address := ""
	if ports.admin != defaultPorts.admin {
		address = " --address localhost:" + ports.admin
	}
	fmt.Printf(`
Caddy listens on http://localhost:%[1]s, the application behind it on port %[2]s. Try:

  bin/caddy webhooks send stripe http://localhost:%[1]s/stripe --secret whsec_demo
  bin/caddy webhooks stats%[3]s

Ctrl-C ends it. deliveries.db keeps what was stored.

`, ports.site, ports.app, address)
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt, syscall.SIGTERM)
	select {
	case <-interrupt:
		return nil
	case <-p.Exited():
		return errors.New("caddy has ended; its log is above")
	}
}

// demo is the show. Each scene prints what it does and fails if it went otherwise.
func demo(caddy, config string) error {
	app, err := startApplication("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer app.close()
	dir, err := os.MkdirTemp("", "webhooks-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := newProxy(caddy, config, dir, app)
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Kill()

	s := &stage{app: app, proxy: p}
	for _, scene := range []func() error{
		s.everyProvider, s.refusals, s.applicationFails, s.proxyIsKilled,
	} {
		if err := scene(); err != nil {
			return errors.Join(err, p.LastWords())
		}
	}
	fmt.Printf("\n%d events were accepted, %d arrived, each once.\n", s.accepted, app.count())
	if s.accepted != app.count() {
		return fmt.Errorf("%d events were accepted, but %d arrived", s.accepted, app.count())
	}
	return nil
}

// stage holds what the scenes share.
type stage struct {
	app      *application
	proxy    *caddyproc.Process
	accepted int
}

// patience bounds how long a scene waits for a delivery. It is generous: on an
// idle machine they take milliseconds, or a retry's second or two.
const patience = 30 * time.Second

func (s *stage) everyProvider() error {
	title("A webhook of each provider, signed as the provider signs it")
	for _, provider := range providers {
		w, err := newWebhook(provider, s.proxy.Address)
		if err != nil {
			return err
		}
		if err := s.sendAndArrive(w); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) refusals() error {
	title("The same event twice, a forged one, an old one")
	w, err := newWebhook("stripe", s.proxy.Address)
	if err != nil {
		return err
	}
	if err := s.sendAndArrive(w); err != nil {
		return err
	}
	if err := s.send(w, "again", http.StatusOK, "duplicate"); err != nil {
		return err
	}
	forged, err := newWebhook("github", s.proxy.Address)
	if err != nil {
		return err
	}
	forged.body = append(forged.body, ' ')
	if err := s.send(forged, "body changed", http.StatusUnauthorized, "invalid_signature"); err != nil {
		return err
	}
	old, err := newWebhookAt("slack", s.proxy.Address, time.Now().Add(-time.Hour))
	if err != nil {
		return err
	}
	return s.send(old, "signed an hour ago", http.StatusBadRequest, "timestamp_expired")
}

func (s *stage) applicationFails() error {
	title("The application answers 500, then recovers")
	s.app.failing.Store(true)
	w, err := newWebhook("shopify", s.proxy.Address)
	if err != nil {
		return err
	}
	if err := s.send(w, "", http.StatusAccepted, "accepted"); err != nil {
		return err
	}
	s.accepted++
	if !s.app.waitForFailure(patience) {
		return errors.New("no attempt reached the failing application")
	}
	fmt.Println("  the application answered 500; now it recovers")
	s.app.failing.Store(false)
	return s.arrive(w)
}

func (s *stage) proxyIsKilled() error {
	title("The application is down and the proxy is killed with SIGKILL after it answered")
	s.app.failing.Store(true)
	var sent []*webhook
	for _, provider := range providers {
		w, err := newWebhook(provider, s.proxy.Address)
		if err != nil {
			return err
		}
		code, word := w.acceptedAs()
		if err := s.send(w, "", code, word); err != nil {
			return err
		}
		s.accepted++
		sent = append(sent, w)
	}
	s.proxy.Kill()
	fmt.Println("  proxy killed; both start again")
	s.app.failing.Store(false)
	if err := s.proxy.Start(); err != nil {
		return err
	}
	for _, w := range sent {
		if err := s.arrive(w); err != nil {
			return err
		}
	}
	return s.send(sent[0], "again, after the restart", http.StatusOK, "duplicate")
}

func (s *stage) sendAndArrive(w *webhook) error {
	code, word := w.acceptedAs()
	if err := s.send(w, "", code, word); err != nil {
		return err
	}
	s.accepted++
	return s.arrive(w)
}

// send posts the webhook, prints the answer and checks it.
func (s *stage) send(w *webhook, note string, wantCode int, wantWord string) error {
	started := time.Now()
	code, word, err := w.post()
	if err != nil {
		return err
	}
	fmt.Printf("  %-17s %-24s answered %d %-18s %6s\n", w.provider, note, code, word, time.Since(started).Round(100*time.Microsecond))
	if code != wantCode || word != wantWord {
		return fmt.Errorf("%s was answered %d %s: want %d %s", w.provider, code, word, wantCode, wantWord)
	}
	return nil
}

// arrive waits for the event at the application and prints it.
func (s *stage) arrive(w *webhook) error {
	a, ok := s.app.wait(w.eventID, patience)
	if !ok {
		return fmt.Errorf("event %s of %s did not arrive within %s", w.eventID, w.provider, patience)
	}
	if string(a.body) != string(w.body) {
		return fmt.Errorf("event %s of %s arrived with another body", w.eventID, w.provider)
	}
	fmt.Printf("  %-17s %-24s arrived, attempt %s\n", w.provider, "", a.attempt)
	return nil
}

func title(text string) { fmt.Printf("\n%s\n%s\n", text, strings.Repeat("-", len(text))) }
