package redisstore

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/storetest"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis reports every failed connection on stderr
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	t.Run("one shard", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		conformance(t, 1, func() redis.UniversalClient { return client(server) })
	})
	t.Run("four shards", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		conformance(t, 4, func() redis.UniversalClient { return client(server) })
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		// Nothing fails over because the machine is busy.
		cluster := redistest.StartCluster(t, 3, 3, "--cluster-node-timeout", "30000")
		conformance(t, 16, func() redis.UniversalClient { return clusterClient(cluster) })
	})
}

func conformance(t *testing.T, shards int, dial func() redis.UniversalClient) {
	var prefixes atomic.Int32
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Parallel()
		prefix := fmt.Sprint("test", prefixes.Add(1))
		probe := dial()
		t.Cleanup(func() { _ = probe.Close() })
		clients := make(map[retrystore.Store]redis.UniversalClient)
		pass := func(t *testing.T, d time.Duration) { age(t, probe, prefix, d) }
		return storetest.Harness{
			Open: func(t *testing.T) retrystore.Store {
				c := dial()
				s := open(t, c, Options{Prefix: prefix, Shards: shards, Timeout: 20 * time.Second})
				clients[s] = c
				t.Cleanup(func() { _ = s.Close(); _ = c.Close() })
				return s
			},
			// What a process does after its death does not reach Redis.
			Crash:        func(t *testing.T, s retrystore.Store) { _ = clients[s].Close() },
			Now:          time.Now,
			Advance:      pass,
			Jump:         pass,
			Unit:         time.Hour,
			LeasesLast:   true,
			PendingParts: shards,
			NoKeyCount:   true,
		}
	})
}

// age makes all that is stored under the prefix older by d, or younger, and so
// lets time pass: the clock of the server cannot be moved.
func age(t *testing.T, c redis.UniversalClient, prefix string, d time.Duration) {
	t.Helper()
	ms := (d + time.Millisecond - 1).Milliseconds()
	older := func(ctx context.Context, node *redis.Client) error {
		keys := node.Scan(ctx, 0, "{"+prefix+":*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := ageScript.Run(ctx, node, []string{keys.Val()}, ms).Err(); err != nil {
				return fmt.Errorf("key %q: %w", keys.Val(), err)
			}
		}
		return keys.Err()
	}
	var err error
	if cluster, ok := c.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), older)
	} else {
		err = older(t.Context(), c.(*redis.Client))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ageScript subtracts ARGV[1] milliseconds from every time that KEYS[1] holds.
var ageScript = redis.NewScript(`
local key, ms = KEYS[1], tonumber(ARGV[1])
local kind = string.match(key, '^{[^}]*}:(%a+)')
if kind == 'l' or kind == 'q' or kind == 'y' then
  local rows = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #rows, 2 do redis.call('ZADD', key, 'XX', rows[i + 1] - ms, rows[i]) end
elseif kind == 's' then
  if redis.call('HEXISTS', key, 'bs') == 1 then redis.call('HINCRBY', key, 'bs', -ms) end
elseif kind == 'k' then
  local left = redis.call('PTTL', key) - ms
  if left <= 0 then
    redis.call('DEL', key)
  else
    local token, til = string.match(redis.call('GET', key), '^h(%d+):(%d+)')
    if token then redis.call('SET', key, 'h' .. token .. ':' .. string.format('%.0f', til - ms)) end
    redis.call('PEXPIRE', key, left)
  end
end
return 1
`)

// client is as the store asks for: it does not retry by itself, and respects contexts.
func client(server *redistest.Server) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true, DialerRetries: 1})
}

func clusterClient(cluster *redistest.Cluster) *redis.ClusterClient {
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), ContextTimeoutEnabled: true, DialerRetries: 1})
}

// open opens a store whose server is up, however busy the machine.
func open(t testing.TB, c redis.UniversalClient, o Options) *Store {
	t.Helper()
	if os.Getenv("REDISSTORE_LOG") != "" {
		o.Logger = zaptest.NewLogger(t)
	}
	s, err := Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		if s.parts.Load() == nil {
			return *s.absence.Load()
		}
		return nil
	})
	return s
}
