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

// inPlaces makes backends that have the same Redis and no budget in common.
func inPlaces(client redis.UniversalClient) limitertest.New {
	var prefixes atomic.Int64
	return func(t testing.TB, now func() time.Time) limiter.Backend {
		return strict{t, open(t, client, redislimiter.Options{
			Prefix: fmt.Sprintf("t%d", prefixes.Add(1)), Timeout: patient, Now: now,
		})}
	}
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
	t.Parallel()
	s := redistest.Start(t)
	limitertest.Run(t, inPlaces(connect(t, redisclient.Options{Addresses: []string{s.URL()}})))
}

// The arithmetic is the same on a Cluster: it takes fewer scripts to see what differs.
func TestConformanceOnCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 0)
	backend := inPlaces(connect(t, redisclient.Options{Addresses: c.Addrs(), Cluster: true}))
	limitertest.Cases(t, backend)
	limitertest.Random(t, backend, 20)
}

func FuzzLimiter(f *testing.F) {
	s := redistest.Start(f)
	backend := inPlaces(connect(f, redisclient.Options{Addresses: []string{s.URL()}}))
	f.Add([]byte("a script of takes, returns, steps and changes"))
	f.Fuzz(func(t *testing.T, script []byte) { limitertest.Play(t, backend, script) })
}
