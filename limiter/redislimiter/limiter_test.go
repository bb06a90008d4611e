package redislimiter_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/limitertest"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient waits for a machine that has much else to do.
const patient = 10 * time.Second

// connect returns a client that the test closes.
func connect(t testing.TB, o redisclient.Options) redis.UniversalClient {
	t.Helper()
	client, err := redisclient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// open returns a limiter that the test closes.
func open(t testing.TB, client redis.UniversalClient, o redislimiter.Options) *redislimiter.Limiter {
	t.Helper()
	l, err := redislimiter.New(client, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// conform runs the suite. Each of its tests gets a prefix, that is an empty place, of its own.
func conform(t *testing.T, client redis.UniversalClient) {
	var prefixes atomic.Int64
	limitertest.Run(t, func(t testing.TB, now func() time.Time) limiter.Backend {
		return strict{t, open(t, client, redislimiter.Options{
			Prefix: fmt.Sprintf("t%d", prefixes.Add(1)), Timeout: patient, OnError: redislimiter.Deny, Now: now,
		})}
	})
}

// strict fails the test of a limiter that did not ask Redis.
type strict struct {
	testing.TB
	*redislimiter.Limiter
}

func (s strict) Take(ctx context.Context, asks ...limiter.Ask) (limiter.Decision, error) {
	d, err := s.Limiter.Take(ctx, asks...)
	if n := s.Unavailable(); n != 0 {
		s.Errorf("%d takes were not answered by redis", n)
	}
	return d, err
}

func TestConformance(t *testing.T) {
	s := redistest.Start(t)
	conform(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}))
}

func TestConformanceOnCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0)
	conform(t, connect(t, redisclient.Options{Addresses: c.Addrs(), Cluster: true}))
}
