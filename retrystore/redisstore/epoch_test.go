package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

const olderState = "went back to an older state"

// Redis is killed and comes back with its snapshot: what was accepted since is gone, which
// each node tells once, also one that was stopped meanwhile.
func TestOlderStateIsTold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--save", "3600 1000000")
	var state []byte
	keep := Options{Recall: func() []byte { return state }, Remember: func(b []byte) { state = b }}
	w, other, stopped := watch(t, alone(server), Options{}), watch(t, alone(server), Options{}), watch(t, alone(server), keep)
	for i := range 5 {
		accept(t, w.Store, fmt.Sprint("before", i), 0)
	}
	if err := server.Client().Do(t.Context(), "SAVE").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		accept(t, w.Store, fmt.Sprint("after", i), 0)
	}
	for _, one := range []*watched{other, stopped} {
		one.beatAll()
	}
	if err := stopped.Close(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart()
	w.loses(olderState, olderState)
	other.loses(olderState, olderState)
	again := watch(t, alone(server), keep)
	again.loses(olderState, olderState)
	accept(t, w.Store, "after0", 0)

	quiet := watch(t, alone(server), keep)
	quiet.checkSettings()
	if c := quiet.Condition(); c.Replaced != 0 {
		t.Errorf("what was told before is told again: %+v", c)
	}
}

// Somebody deletes or overwrites what says how the data is divided: the words name the
// key and the remedy, and nothing is said to be lost.
func TestSettingsAreGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := watch(t, alone(server), Options{Shards: 3})
	for i := range 5 {
		accept(t, w.Store, fmt.Sprint(i), 0)
	}
	generation := w.Condition().Generation
	for round, command := range [][]any{{"DEL", "wh:meta"}, {"SET", "wh:meta", "x"}} {
		do(t, server.Client(), command)
		if round == 1 {
			w.refuses("DEL wh:meta")
			c := client(server)
			t.Cleanup(func() { _ = c.Close() })
			if _, err := Open(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), "DEL wh:meta") {
				t.Errorf("opened: %v", err)
			}
			do(t, server.Client(), []any{"DEL", "wh:meta"})
		}
		eventually(t, 20*time.Second, func() error {
			if n := w.logs.FilterMessageSnippet("key of the settings was gone").Len(); n != round+1 {
				return fmt.Errorf("told %d times", n)
			}
			return w.refusing()
		})
	}
	if c := w.Condition(); c.Replaced != 0 || c.Generation != generation {
		t.Errorf("condition: %+v", c)
	}
	if shards := server.Client().HGet(t.Context(), "wh:meta", "shards").Val(); shards != "3" {
		t.Errorf("divided into %s", shards)
	}
	if got := claim(t, w.Store, 10); len(got) != 5 {
		t.Errorf("claimed %d", len(got))
	}
}

// The password changes while connections are made: that is said, and not what to allow.
func TestPasswordIsWanted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := watch(t, alone(server), Options{})
	admin := server.Client().Conn()
	t.Cleanup(func() { _ = admin.Close() })
	for _, command := range [][]any{{"CONFIG", "SET", "requirepass", "secret"}, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}, {"CLIENT", "KILL", "TYPE", "pubsub"}} {
		if err := admin.Process(t.Context(), redis.NewCmd(t.Context(), command...)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, func() error {
		_, err := w.Stats(t.Context())
		if !errors.Is(err, retrystore.ErrUnavailable) || !strings.Contains(err.Error(), "wants a password") || strings.Contains(err.Error(), "ACL SETUSER") {
			return fmt.Errorf("stats: %v", err)
		}
		return nil
	})
}

// Keys are evicted between two looks, by a policy that is the right one again at the next.
func TestEvictionIsTold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	probe := server.Client()
	w := watch(t, alone(server), Options{})
	for i := range 200 {
		sub := submission(fmt.Sprint(i), 0)
		sub.Event.Body = make([]byte, 10_000)
		if _, err := w.Accept(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	w.condition.mu.Lock() // so that nobody sees the policy
	limit := int64(usage(t, probe)["used_memory"]) - 1<<20
	do(t, probe, []any{"CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", fmt.Sprint(limit)})
	do(t, probe, []any{"SET", "other", "x"})
	do(t, probe, []any{"CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0"})
	w.condition.mu.Unlock()
	eventually(t, 20*time.Second, func() error {
		if c := w.Condition(); c.Replaced == 0 || !strings.Contains(c.Loss, "Redis has evicted ") {
			return fmt.Errorf("condition: %+v", c)
		}
		return nil
	})
	if w.logs.FilterMessageSnippet("redis has evicted keys").Len() == 0 {
		t.Error("the log says nothing")
	}
}

// A tally that says too much is counted anew when it refuses events.
func TestWrongTallyIsCountedAnew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := watch(t, alone(server), Options{})
	sub := func(id string) *retrystore.Submission {
		sub := pair(id, 0)
		sub.MaxBytes = 1 << 20
		return sub
	}
	for i := range 300 {
		if _, err := w.Accept(t.Context(), sub(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	tally := w.parts.Load().shards[0].tally()
	right := server.Client().HGet(t.Context(), tally, testLane.Endpoint).Val()
	do(t, server.Client(), []any{"HSET", tally, testLane.Endpoint, "99999999999999"})
	if _, err := w.Accept(t.Context(), sub("refused")); !errors.Is(err, retrystore.ErrFull) {
		t.Fatalf("this test shows nothing: %v", err)
	}
	eventually(t, 20*time.Second, func() error {
		if now := server.Client().HGet(t.Context(), tally, testLane.Endpoint).Val(); now != right {
			return fmt.Errorf("counted %s, want %s", now, right)
		}
		return nil
	})
	if _, err := w.Accept(t.Context(), sub("room")); err != nil {
		t.Error(err)
	}
}
