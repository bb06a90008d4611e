package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// usable waits until the store takes events again.
func usable(t testing.TB, s *Store) {
	t.Helper()
	i := 0
	eventually(t, 20*time.Second, func() error {
		i++
		_, err := s.Accept(t.Context(), submission(fmt.Sprint("usable", i), time.Minute))
		return err
	})
}

// refusedAtOnce checks that no call waits in an outage.
func refusedAtOnce(t testing.TB, s *Store) {
	t.Helper()
	began := time.Now()
	const calls = 200
	for i := range calls {
		if _, err := s.Accept(t.Context(), submission(fmt.Sprint("refused", i), 0)); !errors.Is(err, retrystore.ErrUnavailable) {
			t.Fatalf("during an outage: %v, want ErrUnavailable", err)
		}
	}
	_, claim := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: testLane, Max: 1, Lease: time.Minute})
	_, stats := s.Stats(t.Context())
	for what, err := range map[string]error{"Claim": claim, "Stats": stats} {
		if !errors.Is(err, retrystore.ErrUnavailable) {
			t.Errorf("%s during an outage: %v, want ErrUnavailable", what, err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%d calls during an outage took %s", calls, took)
	}
}

// down waits until the store has noticed that Redis is away.
func down(t testing.TB, s *Store) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		_, err := s.Accept(t.Context(), submission("down", 0))
		if l := s.parts.Load().lines[0]; l.refusal() == nil {
			return fmt.Errorf("the line is up; Accept says %v", err)
		}
		return nil
	})
}

// Redis dies under load, without a word, and comes back: with a file that is
// synced after every command nothing acknowledged is lost.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.AOF...)
	s := newStore(t, server, Options{})
	l := startLoad(t, s, 32)
	for range 3 {
		l.advance(t, 300)
		server.Kill()
		down(t, s)
		refusedAtOnce(t, s)
		server.Restart()
		usable(t, s)
	}
	l.advance(t, 300)
	l.end(t, s)
}

// Deliveries in flight when Redis dies are settled when it is back.
func TestSettleAfterOutage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.AOF...)
	s := newStore(t, server, Options{})
	var ds []*retrystore.Delivery
	for i := range 20 {
		ds = append(ds, accept(t, s, fmt.Sprint(i), time.Minute))
	}
	server.Kill()
	down(t, s)
	for _, d := range ds {
		if err := s.Settle(t.Context(), d, delivered); !errors.Is(err, retrystore.ErrUnavailable) {
			t.Fatalf("settled during an outage: %v", err)
		}
	}
	server.Restart()
	usable(t, s)
	for _, d := range ds {
		if err := s.Settle(t.Context(), d, delivered); err != nil {
			t.Errorf("settled after the outage: %v", err)
		}
	}
}

// A stopped server does not answer: the first calls fail after the timeout, later ones at
// once. When the server goes on, all works again.
func TestPause(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{Timeout: 500 * time.Millisecond})
	l := startLoad(t, s, 32)
	l.advance(t, 200)
	server.Pause()
	began := time.Now()
	down(t, s)
	refusedAtOnce(t, s)
	if rest := 2*time.Second - time.Since(began); rest > 0 {
		time.Sleep(rest)
	}
	server.Resume()
	usable(t, s)
	l.advance(t, 200)
	l.end(t, s)
	if l.slowest > 2*time.Second {
		t.Errorf("somebody waited %s", l.slowest)
	}
}

// The cache of scripts and all the data vanish under load: the store goes on.
func TestFlushUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{})
	probe := server.Client()
	l := startLoad(t, s, 16)
	for range 10 {
		l.advance(t, 100)
		if err := probe.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	l.end(t, s)
	if l.refused > 0 {
		t.Errorf("%d calls were refused because scripts had to be sent again", l.refused)
	}

	d := accept(t, s, "before", time.Minute)
	if err := probe.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context(), d, delivered); !errors.Is(err, retrystore.ErrLeaseLost) {
		t.Errorf("settled what was flushed: %v", err)
	}
	accept(t, s, "before", 0)
	if got := claim(t, s, 10); len(got) != 1 {
		t.Errorf("claimed %d after a flush, want 1", len(got))
	}
	stats, err := s.Stats(t.Context())
	if err != nil || len(stats.Lanes) != 1 || stats.Lanes[0].Leased != 1 {
		t.Errorf("stats after a flush: %+v, %v", stats, err)
	}
}

// Caddy starts while Redis is away, and takes webhooks once it is there.
func TestOpenWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	began := time.Now()
	c := client(server)
	t.Cleanup(func() { _ = c.Close() })
	s, err := Open(t.Context(), c, Options{Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Open took %s", took)
	}
	if _, err := s.Accept(t.Context(), submission("1", 0)); !errors.Is(err, retrystore.ErrUnavailable) {
		t.Errorf("accepted by nobody: %v", err)
	}
	server.Restart()
	usable(t, s)
}

// What Redis refuses for good is an error of Open that says so.
func TestOpenRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "secret")
	for name, o := range map[string]redis.Options{
		"no password":    {},
		"wrong password": {Password: "wrong"},
	} {
		o.Addr, o.MaxRetries = server.Addr(), -1
		c := redis.NewClient(&o)
		_, err := Open(t.Context(), c, Options{})
		if err == nil || strings.Contains(err.Error(), "wrong\"") {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
}

// Close waits for the calls under way and refuses others, also during an outage.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(*redistest.Server){
		"up": func(*redistest.Server) {}, "killed": (*redistest.Server).Kill, "paused": (*redistest.Server).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStore(t, server, Options{Timeout: 300 * time.Millisecond})
			var wg sync.WaitGroup
			stop, ran := make(chan struct{}), make(chan struct{}, 1000)
			for w := range 32 {
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case ran <- struct{}{}:
						default:
						}
						_, err := s.Accept(t.Context(), submission(fmt.Sprint(w, "-", i), 0))
						if errors.Is(err, retrystore.ErrClosed) {
							return
						}
						if err != nil && !errors.Is(err, retrystore.ErrUnavailable) {
							t.Error(err)
						}
					}
				})
			}
			for range 500 {
				<-ran
			}
			disturb(server)
			began := time.Now()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("Close took %s", took)
			}
			close(stop)
			wg.Wait()
			if _, err := s.Accept(t.Context(), submission("late", 0)); !errors.Is(err, retrystore.ErrClosed) {
				t.Errorf("accepted by a closed store: %v", err)
			}
			if name == "paused" {
				server.Resume()
			}
		})
	}
}

// A queue that is full refuses instead of growing.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{Timeout: 5 * time.Second})
	accept(t, s, "first", 0)
	server.Pause()
	var wg sync.WaitGroup
	var mu sync.Mutex
	full := 0
	for i := range queueSize + 2*senders*maxBatch + 100 {
		wg.Go(func() {
			_, err := s.Accept(t.Context(), submission(fmt.Sprint(i), 0))
			if !errors.Is(err, retrystore.ErrUnavailable) {
				t.Errorf("accepted by a paused server: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && strings.Contains(err.Error(), "writes are waiting") {
				full++
			}
		})
	}
	wg.Wait()
	if full == 0 {
		t.Error("no call was refused because the queue was full")
	}
	server.Resume()
	usable(t, s)
}
