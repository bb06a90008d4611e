package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// watched is a store that has its server checked as Caddy does, often, and whose lines
// are kept.
type watched struct {
	*Store
	t    *testing.T
	logs *observer.ObservedLogs
}

// alone, behind and among are how Caddy connects.
func alone(server *redistest.Server) redisclient.Options {
	return redisclient.Options{Addresses: []string{server.URL()}}
}

func behind(s *redistest.Sentinel) redisclient.Options {
	return redisclient.Options{Addresses: s.Addrs(), SentinelMaster: s.Master()}
}

func among(c *redistest.Cluster) redisclient.Options {
	return redisclient.Options{Addresses: c.Addrs(), Cluster: true}
}

// watch opens a store, whether its server is there or not.
func watch(t *testing.T, to redisclient.Options, o Options) *watched {
	t.Helper()
	connected := make(chan struct{}, 1)
	o.Reconnected, to.Connected = connected, func() {
		select {
		case connected <- struct{}{}:
		default:
		}
	}
	c, err := redisclient.New(to)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	o.Logger, o.markEvery = zap.New(core), 50*time.Millisecond
	if o.checkEvery == 0 {
		o.checkEvery = 100 * time.Millisecond
	}
	needs := redisclient.Needs{}
	needs.Commands, needs.Keys, needs.Channels = Needs(o.Prefix)
	o.Check = func(ctx context.Context) error {
		_, err := redisclient.Check(ctx, c, needs)
		if errors.Is(err, redisclient.ErrUnreachable) {
			return fmt.Errorf("%w: %w", retrystore.ErrUnavailable, err)
		}
		return err
	}
	s, err := Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(); _ = c.Close() })
	return &watched{s, t, logs}
}

// refuses waits until new events are refused because of that.
func (w *watched) refuses(why string) {
	w.t.Helper()
	i := 0
	eventually(w.t, 20*time.Second, func() error {
		i++
		_, err := w.Accept(w.t.Context(), submission(fmt.Sprint("refused", i), time.Minute))
		if !errors.Is(err, retrystore.ErrUnavailable) || !strings.Contains(err.Error(), why) {
			return fmt.Errorf("accepted: %v, want a refusal because of %s", err, why)
		}
		return nil
	})
	if c := w.Condition(); c.Refusing == nil || !strings.Contains(c.Refusing.Error(), why) {
		w.t.Errorf("condition: %+v", c)
	}
}

// logged wants so many lines at level error that have this text.
func (w *watched) logged(text string, want int) {
	w.t.Helper()
	lines := w.logs.FilterMessageSnippet(text).All()
	lines = slices.DeleteFunc(lines, func(e observer.LoggedEntry) bool { return e.Level < zap.ErrorLevel })
	if len(lines) != want {
		w.t.Errorf("%d lines at level error have %q, want %d: %v", len(lines), text, want, lines)
	}
}

const refusal, lostAll, lostShards = "must not be used as it is", "does not hold any more what was stored: ", "does not hold any more what was stored in some shards"

// loses waits until the store has noticed that its data is gone, and sees that it is told
// once, and that it goes on.
func (w *watched) loses(line, loss string) {
	w.t.Helper()
	eventually(w.t, 20*time.Second, func() error {
		if c := w.Condition(); c.Replaced != 1 || !strings.Contains(c.Loss, loss) {
			return fmt.Errorf("condition: %+v, want a loss of %q", c, loss)
		}
		return nil
	})
	usable(w.t, w.Store)
	for range 20 { // looks, each of which could tell it again
		w.checkSettings()
		if _, err := w.Stats(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.logged(line, 1)
	if c := w.Condition(); c.Replaced != 1 || c.Refusing != nil {
		w.t.Errorf("condition: %+v", c)
	}
}

// Somebody changes the eviction policy while events come in: new ones are refused until
// it is as it must be again. What is stored goes on.
func TestPolicyChangesWhileRunning(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := watch(t, alone(server), Options{})
	d, waiting := accept(t, w.Store, "before", time.Minute), accept(t, w.Store, "waits", 0)
	for range 2 {
		server.Client().ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru")
		w.refuses("noeviction")
		server.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction")
		usable(t, w.Store)
	}
	w.logged(refusal, 2)
	server.Client().ConfigSet(t.Context(), "maxmemory-policy", "volatile-ttl")
	w.refuses("noeviction")
	if err := w.Settle(t.Context(), d, delivered); err != nil {
		t.Errorf("settled while new ones are refused: %v", err)
	}
	if got, err := w.Get(t.Context(), waiting.ID); err != nil || got.State != retrystore.Pending {
		t.Errorf("%+v, %v", got, err)
	}
	if got := claim(t, w.Store, 1); len(got) != 1 {
		t.Errorf("claimed %d while new ones are refused, want 1", len(got))
	}
}

// A new connection is checked at once, long before the minute is over: Redis may have been
// restarted with another configuration.
func TestCheckedAtReconnection(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.AOF...)
	w := watch(t, alone(server), Options{checkEvery: time.Hour})
	usable(t, w.Store)
	server.Client().ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru")
	server.Client().Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	w.refuses("noeviction")
	server.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction")
	usable(t, w.Store)
}

// Redis comes only after Caddy: it gets all checks before anything is taken, and is used
// when it is as it must be.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args   []string
		before func(t *testing.T, c *redis.Client) // right after its start, before it is reached
		why    string
		repair []any
	}{
		"evicting": {[]string{"--maxmemory-policy", "allkeys-lru"}, nil, "noeviction", []any{"CONFIG", "SET", "maxmemory-policy", "noeviction"}},
		"lacking a permission": {[]string{"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-zadd"}, nil, "zadd",
			[]any{"ACL", "SETUSER", "default", "+zadd"}},
		"a replica": {[]string{"--replicaof", "127.0.0.1 1"}, nil, "replica", []any{"REPLICAOF", "NO", "ONE"}},
		"of other shards": {append([]string{"--save", ""}, redistest.AOF...), func(t *testing.T, c *redis.Client) {
			c.HSet(t.Context(), "wh:meta", "layout", layout, "shards", 7)
		}, "7 shards", []any{"DEL", "wh:meta"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, test.args...)
			if test.before != nil {
				test.before(t, server.Client())
			}
			server.Kill()
			w := watch(t, alone(server), Options{Shards: 1, Timeout: 500 * time.Millisecond})
			if _, err := w.Accept(t.Context(), submission("early", 0)); !errors.Is(err, retrystore.ErrUnavailable) {
				t.Errorf("accepted by nobody: %v", err)
			}
			taken := make(chan error, 1)
			stop := make(chan struct{})
			go func() { // nothing is taken in between
				defer close(taken)
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := w.Accept(context.Background(), submission(fmt.Sprint("between", i), 0)); !errors.Is(err, retrystore.ErrUnavailable) {
						taken <- fmt.Errorf("accepted: %v", err)
						return
					}
				}
			}()
			server.Restart()
			eventually(t, 20*time.Second, func() error {
				if c := w.Condition(); c.Refusing == nil || !strings.Contains(c.Refusing.Error(), test.why) {
					return fmt.Errorf("refuses because of %v, want %s", c.Refusing, test.why)
				}
				return nil
			})
			close(stop)
			if err := <-taken; err != nil {
				t.Error(err)
			}
			if err := server.Client().Do(t.Context(), test.repair...).Err(); err != nil {
				t.Fatal(err)
			}
			usable(t, w.Store)
			w.logged(refusal, 1)
		})
	}
}

// The data is gone while Caddy runs: that is told once, with what is lost, to the first
// caller.
func TestFlushIsTold(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(w *watched){
		"upkeep": func(*watched) {},
		"stats":  func(w *watched) { _, _ = w.Stats(w.t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			w := watch(t, alone(server), Options{})
			for i := range 5 {
				accept(t, w.Store, fmt.Sprint(i), 0)
			}
			if err := w.Settle(t.Context(), claim(t, w.Store, 1)[0], retrystore.Settlement{State: retrystore.Dead}); err != nil {
				t.Fatal(err)
			}
			if stats, err := w.Stats(t.Context()); err != nil || stats.Lanes[0].Pending != 4 {
				t.Fatalf("%+v, %v", stats, err)
			}
			server.Client().FlushAll(t.Context())
			first(w)
			w.loses(lostAll, "4 open deliveries and 1 dead letters")
		})
	}
}

// Sentinels make an empty replica the master.
func TestFailoverToEmptyReplica(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	w := watch(t, behind(sentinel), Options{})
	usable(t, w.Store)
	for i := range 5 {
		accept(t, w.Store, fmt.Sprint(i), 0)
	}
	if _, err := w.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := sentinel.Current()
	size := old.Client().DBSize(t.Context()).Val()
	for _, server := range sentinel.Servers { // a replica hears of writes up to a second after its link is up
		eventually(t, 20*time.Second, func() error {
			if n := server.Client().DBSize(t.Context()).Val(); n < size {
				return fmt.Errorf("%d keys, want %d", n, size)
			}
			return nil
		})
	}
	old.Kill()
	now := sentinel.AwaitFailover(old)
	// As if it had come back empty before it was made master.
	eventually(t, 20*time.Second, func() error { return now.Client().FlushAll(t.Context()).Err() })
	w.loses(lostAll, "open deliveries")
}

// Masters of a Cluster are looked at one by one: the policy of any of them, the data of
// any of them.
func TestClusterIsChecked(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 0)
	w := watch(t, among(cluster), Options{Shards: 6})
	usable(t, w.Store)
	for _, node := range cluster.Nodes {
		node.Client().ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru")
		w.refuses("noeviction")
		node.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction")
		eventually(t, 20*time.Second, func() error { return w.refusing() })
	}
	w.logged(refusal, 3)
	meta, err := w.cluster.ClusterKeySlot(t.Context(), "wh:meta").Result()
	if err != nil {
		t.Fatal(err)
	}
	home := cluster.MasterOf(int(meta))
	for _, node := range cluster.Nodes {
		t.Run(fmt.Sprint("emptied, with the generation: ", node == home), func(t *testing.T) {
			w := watch(t, among(cluster), Options{Shards: 6})
			second := watch(t, among(cluster), Options{Shards: 6})
			for _, w := range []*watched{w, second} { // each knows all marks
				usable(t, w.Store)
				w.checkSettings()
			}
			if err := node.Client().FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			line, loss := lostShards, "gone are the shards {wh:"
			if node == home {
				line, loss = lostAll, "redis was emptied"
			}
			w.loses(line, loss)
			second.loses(line, loss)
		})
	}
	// Between two checks.
	w.Close()
	node := cluster.Nodes[0]
	if node == home {
		node = cluster.Nodes[1]
	}
	if err := node.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	watch(t, among(cluster), Options{Shards: 6}).loses(lostShards, "gone are the shards {wh:")
}
