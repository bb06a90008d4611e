package redisstore

import (
	"flag"
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
	flag.Parse()
	logging.Disable() // go-redis reports every failed connection on stderr
	// The server's clock cannot be moved: conformance tests spend their time
	// asleep, so more of them than there are processors may run at once.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
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
		cluster := redistest.StartCluster(t, 3, 3)
		conformance(t, 16, func() redis.UniversalClient { return clusterClient(cluster) })
	})
}

func conformance(t *testing.T, shards int, dial func() redis.UniversalClient) {
	var prefixes atomic.Int32
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Parallel()
		prefix := fmt.Sprint("test", prefixes.Add(1))
		clients := make(map[retrystore.Store]redis.UniversalClient)
		return storetest.Harness{
			Open: func(t *testing.T) retrystore.Store {
				c := dial()
				s := open(t, c, Options{Prefix: prefix, Shards: shards})
				clients[s] = c
				t.Cleanup(func() { _ = s.Close(); _ = c.Close() })
				return s
			},
			// What a process does after its death does not reach Redis.
			Crash:        func(t *testing.T, s retrystore.Store) { _ = clients[s].Close() },
			Now:          time.Now,
			Advance:      func(_ *testing.T, d time.Duration) { time.Sleep(d) },
			Unit:         300 * time.Millisecond,
			LeasesLast:   true,
			PendingParts: shards,
			NoKeyCount:   true,
		}
	})
}

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
