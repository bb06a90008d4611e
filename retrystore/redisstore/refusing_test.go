package redisstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// A full server refuses new events and takes results, which make room.
func TestFullServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStore(t, server, Options{})
	probe := server.Client()
	info := usage(t, probe)
	limit := int64(info["used_memory"]) + 3<<20
	probe.ConfigSet(t.Context(), "maxmemory", fmt.Sprint(limit))
	var ds []*retrystore.Delivery
	for i := 0; ; i++ {
		sub := submission(fmt.Sprint(i), time.Minute)
		sub.Event.Body = make([]byte, 10_000)
		r, err := s.Accept(t.Context(), sub)
		if errors.Is(err, retrystore.ErrFull) {
			break
		}
		if err != nil || i > 10_000 {
			t.Fatalf("event %d: %v, want ErrFull at some time", i, err)
		}
		ds = append(ds, r.Deliveries[0])
	}
	for i := 0; ; i++ { // small as it is, it finds no room in the end either
		_, err := s.HoldKey(t.Context(), testKey(fmt.Sprint("guard", i)), time.Minute)
		if errors.Is(err, retrystore.ErrFull) {
			break
		}
		if err != nil || i > 100_000 {
			t.Fatalf("hold in a full server: %v", err)
		}
	}
	// Whatever ends, moves or shows a delivery works, and so does a new node.
	second := newStore(t, server, Options{})
	for i, do := range []func(d *retrystore.Delivery) error{
		func(d *retrystore.Delivery) error { return s.Release(t.Context(), d) },
		func(d *retrystore.Delivery) error { return s.Renew(t.Context(), d, time.Hour) },
		func(d *retrystore.Delivery) error {
			return s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now().Add(time.Hour)})
		},
		func(d *retrystore.Delivery) error {
			if err := s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Dead}); err != nil {
				return err
			}
			if err := second.Replay(t.Context(), d.ID); err != nil {
				return err
			}
			return second.Delete(t.Context(), d.ID)
		},
	} {
		if err := do(ds[i]); err != nil {
			t.Errorf("step %d in a full server: %v", i, err)
		}
	}
	if got := claim(t, second, 10); len(got) != 1 {
		t.Errorf("claimed %d in a full server, want the released one", len(got))
	}
	for _, d := range ds[10:] {
		if err := s.Settle(t.Context(), d, delivered); err != nil {
			t.Fatalf("settled in a full server: %v", err)
		}
	}
	accept(t, s, "room again", 0)
}

// A server that takes no writes for a while, for whatever reason, is an outage
// that ends by itself.
func TestRefusingServer(t *testing.T) {
	t.Parallel()
	type command = []any
	for name, test := range map[string]struct{ before, after []command }{
		"NOREPLICAS": {
			[]command{{"CONFIG", "SET", "min-replicas-to-write", "1"}},
			[]command{{"CONFIG", "SET", "min-replicas-to-write", "0"}},
		},
		"READONLY": {
			[]command{{"REPLICAOF", "127.0.0.1", "1"}},
			[]command{{"REPLICAOF", "NO", "ONE"}},
		},
		"MASTERDOWN": {
			[]command{{"CONFIG", "SET", "replica-serve-stale-data", "no"}, {"REPLICAOF", "127.0.0.1", "1"}},
			[]command{{"REPLICAOF", "NO", "ONE"}},
		},
		"MISCONF": {
			[]command{{"CONFIG", "SET", "save", "3600 1"}, {"BGSAVE"}},
			[]command{{"CONFIG", "SET", "save", ""}, {"CONFIG", "SET", "stop-writes-on-bgsave-error", "no"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "--dbfilename", "missing")
			s := newStore(t, server, Options{Timeout: time.Second})
			d := accept(t, s, "1", time.Minute)
			if name == "MISCONF" { // it cannot save where a directory has the file's name
				if err := os.MkdirAll(filepath.Join(server.Dir(), "missing", "full"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			probe := server.Client()
			run := func(commands []command) {
				t.Helper()
				for _, c := range commands {
					if err := probe.Do(t.Context(), c...).Err(); err != nil {
						t.Fatal(err)
					}
				}
			}
			run(test.before)
			eventually(t, 20*time.Second, func() error {
				_, err := s.Accept(t.Context(), submission(fmt.Sprint(time.Now().UnixNano()), 0))
				if !errors.Is(err, retrystore.ErrUnavailable) || !strings.Contains(err.Error(), name) {
					return fmt.Errorf("accepted: %v, want %s", err, name)
				}
				return nil
			})
			refusedAtOnce(t, s)
			run(test.after)
			usable(t, s)
			if err := s.Settle(t.Context(), d, delivered); err != nil {
				t.Errorf("settled afterwards: %v", err)
			}
		})
	}
}
