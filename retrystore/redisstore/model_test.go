//go:build linux

package redisstore

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/modeltest"
)

// TestModel explores the store with a server whose clock the test moves. It is
// Linux that can do that to a program.
func TestModel(t *testing.T) { modeltest.Run(t, newModelServers(t).harness, modelFewer) }

// TestModelCatches proves that TestModel would find bugs.
func TestModelCatches(t *testing.T) { modeltest.CatchFlaws(t, newModelServers(t).harness, modelFewer) }

// modelFewer steps than with a file: each takes five times as long.
const modelFewer = 1

// modelServers are one server for each test, since each moves its clock.
type modelServers struct {
	clocks *modeltest.ServerClocks

	mu      sync.Mutex
	servers map[testing.TB]*modelServer
}

type modelServer struct {
	*redistest.Server
	clock  *modeltest.ServerClock
	stores int
	shards int
}

func newModelServers(t *testing.T) *modelServers {
	return &modelServers{clocks: modeltest.NewServerClocks(t), servers: make(map[testing.TB]*modelServer)}
}

func (m *modelServers) harness(t testing.TB) modeltest.Harness {
	m.mu.Lock()
	defer m.mu.Unlock()
	server := m.servers[t]
	if server == nil {
		server = m.start(t)
		m.servers[t] = server
	}
	server.stores++
	d := &modelData{t: t, server: server, prefix: fmt.Sprint("model", server.stores)}
	return modeltest.Harness{
		Open: d.open, Crash: d.crash, Now: time.Now, Advance: d.advance, Unit: time.Hour, Close: d.close,
		Rules: modeltest.Rules{LeasesOutlive: true, ClaimsInSteps: true, ServerClock: true},
	}
}

func (m *modelServers) start(t testing.TB) *modelServer {
	s := &modelServer{shards: 1}
	if strings.Contains(t.Name(), "Order") || strings.Contains(t.Name(), "Lane") {
		s.shards = 3 // among which claims and lists have to be merged
	}
	s.clock = m.clocks.Start(t, func() { s.Server = redistest.Start(t) })
	c := client(s.Server)
	defer c.Close()
	before, err := c.Time(t.Context()).Result()
	s.clock.Advance(time.Hour)
	after, errAfter := c.Time(t.Context()).Result()
	if passed := after.Sub(before); err != nil || errAfter != nil || passed < time.Hour {
		t.Fatalf("the server's clock cannot be moved: it is linked statically? %s passed, %v, %v", passed, err, errAfter)
	}
	return s
}

// modelPatience is how long a busy machine may take: nothing here is about time.
const modelPatience = 2 * time.Minute

// modelData is the data of one store.
type modelData struct {
	t      testing.TB
	server *modelServer
	prefix string
	client *redis.Client
	store  *Store
}

func (d *modelData) open() (retrystore.Store, error) {
	d.close() // the client of the last time; the store may be closed already
	d.client = redis.NewClient(&redis.Options{
		Addr: d.server.Addr(), MaxRetries: -1, ContextTimeoutEnabled: true, DialerRetries: 1,
		DialTimeout: modelPatience, ReadTimeout: modelPatience, WriteTimeout: modelPatience,
	})
	d.store = open(d.t, d.client, Options{Prefix: d.prefix, Shards: d.server.shards, Timeout: modelPatience})
	d.see()
	return d.store, nil
}

// crash cuts the store off. What a process does after its death does not reach Redis.
func (d *modelData) crash(retrystore.Store) error {
	d.close()
	return nil
}

func (d *modelData) close() {
	if d.client == nil {
		return
	}
	_ = d.client.Close()
	_ = d.store.Close()
	d.client = nil
}

func (d *modelData) advance(by time.Duration) {
	d.server.clock.Advance(by)
	d.see()
}

// see has the store find out how far the server's clock is from ours, which no
// real one changes by hours.
func (d *modelData) see() {
	_, err := d.store.Claim(d.t.Context(), retrystore.ClaimRequest{Lane: retrystore.Lane{Endpoint: "nobody", Destination: "nothing"}, Lease: time.Hour})
	if err != nil {
		d.t.Error(err)
	}
}
