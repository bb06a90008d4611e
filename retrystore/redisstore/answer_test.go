package redisstore

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// A lost answer must not become a false alarm: the result is told again, and the script
// finds that the same node had told it.
func TestSettleWithoutAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := startProxy(t, server.Addr())
	c := redis.NewClient(&redis.Options{Addr: proxy.addr(), MaxRetries: -1, ContextTimeoutEnabled: true, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	s := open(t, c, Options{Timeout: time.Second})
	t.Cleanup(func() { _ = s.Close() })

	ds := make(map[string]*retrystore.Delivery)
	for _, how := range []string{"delivered", "retried", "released"} {
		ds[how] = accept(t, s, how, time.Minute)
	}
	end := map[string]func(d *retrystore.Delivery) error{
		"delivered": func(d *retrystore.Delivery) error { return s.Settle(t.Context(), d, delivered) },
		"retried": func(d *retrystore.Delivery) error {
			return s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now().Add(time.Hour)})
		},
		"released": func(d *retrystore.Delivery) error { return s.Release(t.Context(), d) },
	}
	for how, d := range ds {
		proxy.mute(true)
		if err := end[how](d); !errors.Is(err, retrystore.ErrUnavailable) {
			t.Fatalf("%s without an answer: %v", how, err)
		}
		proxy.mute(false)
		usable(t, s)
		if err := end[how](d); err != nil {
			t.Errorf("%s again: %v", how, err)
		}
		if err := end[how](d); !errors.Is(err, retrystore.ErrLeaseLost) {
			t.Errorf("%s a third time: %v, want ErrLeaseLost", how, err)
		}
	}
	// The event of an Accept without an answer is stored, and not leased.
	proxy.mute(true)
	if _, err := s.Accept(t.Context(), submission("accepted", time.Hour)); !errors.Is(err, retrystore.ErrUnavailable) {
		t.Fatalf("accepted without an answer: %v", err)
	}
	proxy.mute(false)
	usable(t, s)
	eventually(t, 5*time.Second, func() error {
		for _, d := range claim(t, s, 100) {
			if d.Event.EventID == "accepted" {
				return nil
			}
		}
		return errors.New("the lease of an Accept that was given up was not released")
	})
}

// proxy passes bytes on, and can keep the server's answers to itself.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	muted    bool
	conns    []net.Conn
	wg       sync.WaitGroup
}

func startProxy(t *testing.T, to string) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener}
	p.wg.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			p.wg.Go(func() { p.pass(in, out, func() bool { return false }) })
			p.wg.Go(func() { p.pass(out, in, p.isMuted) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) pass(from, to net.Conn, muted func() bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if muted() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) isMuted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.muted
}

func (p *proxy) mute(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = on
}
