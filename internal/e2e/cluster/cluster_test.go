package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/proxy"
	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// leaseTime is how long the proxies of these tests hold a delivery: the timeout
// of an attempt and forward's margin.
const leaseTime = 12 * time.Second

// cluster is two proxies that share one Redis, each with a provider of its own.
type cluster struct {
	books   *oracle.Books
	redis   *redistest.Server
	nodes   [2]*proxy.Proxy
	senders [2]*oracle.Provider
}

func newCluster(t *testing.T, books *oracle.Books, app *oracle.Application, connections int, pace time.Duration) *cluster {
	t.Helper()
	c := &cluster{books: books, redis: redistest.Start(t, redistest.AOF...)}
	for i := range c.nodes {
		c.nodes[i] = proxy.Start(t, app, "redis "+c.redis.URL(), "")
		c.senders[i] = &oracle.Provider{Books: books, URLs: []string{c.nodes[i].Hook}, Run: fmt.Sprint("node", i),
			Connections: connections, Pace: pace}
		t.Cleanup(c.senders[i].Close)
	}
	return c
}

// TestRedisFaults kills and pauses two proxies and their Redis, and fills it,
// again and again under load: nothing acknowledged is lost, and nothing is
// delivered twice but what was in flight at a fault.
func TestRedisFaults(t *testing.T) {
	const seed, wanted = 23, 20_000
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, seed)
	app.Behave(proxy.Failing(0.10, 0.03)...)
	c := newCluster(t, books, app, 32, 15*time.Millisecond)
	stop := proxy.Send(t, c.senders[:]...)

	random := rand.New(rand.NewPCG(seed, 3))
	faults := []struct {
		name  string
		apply func(t *testing.T)
	}{
		{"kill -9 of Caddy 1", func(t *testing.T) { c.restartNode(t, 0) }},
		{"kill -9 of Caddy 2", func(t *testing.T) { c.restartNode(t, 1) }},
		{"kill -9 of Redis", func(*testing.T) { c.redis.Kill(); pause(random, 100, 600); c.redis.Restart() }},
		{"pause of Redis", func(*testing.T) { c.redis.Pause(); pause(random, 500, 2500); c.redis.Resume() }},
		{"pause of Caddy 1", func(t *testing.T) { c.pauseNode(t, 0, time.Second) }},
		{"Redis full", func(t *testing.T) { c.fillRedis(t, random) }},
	}
	var outages []oracle.Fault
	counts := make(map[string]int)
	endure := func(name string, apply func(t *testing.T)) {
		o := oracle.Fault{Name: name, From: time.Now(), Before: proxy.SettleWindow}
		apply(t)
		o.To = time.Now()
		outages = append(outages, o)
		counts[name]++
	}
	for round := 0; len(outages) < 3*len(faults) || books.Acknowledged() < wanted; round++ {
		if round > 40*len(faults) {
			t.Fatalf("%d faults, but only %d acknowledged", len(outages), books.Acknowledged())
		}
		pause(random, 300, 900) // lets it work for a while
		fault := faults[round%len(faults)]
		endure(fault.name, fault.apply)
	}
	// Long enough for the other one to take over what it held: it must notice.
	endure("pause of Caddy 2 beyond its leases", func(t *testing.T) { c.pauseNode(t, 1, leaseTime+2*time.Second) })
	stop()
	app.Behave()
	c.nodes[0].WaitUntilEmpty(t, time.Minute)
	proxy.Judge(t, books, outages)
	t.Logf("faults: %v", counts)
}

// pause waits for a random number of milliseconds.
func pause(random *rand.Rand, from, to int) {
	time.Sleep(time.Duration(from+random.IntN(to-from)) * time.Millisecond)
}

func (c *cluster) restartNode(t *testing.T, i int) {
	c.nodes[i].Kill()
	if err := c.nodes[i].Start(); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) pauseNode(t *testing.T, i int, how time.Duration) {
	if err := c.nodes[i].Pause(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(how)
	if err := c.nodes[i].Resume(); err != nil {
		t.Fatal(err)
	}
}

// fillRedis leaves it no memory for a while.
func (c *cluster) fillRedis(t *testing.T, random *rand.Rand) {
	client := c.redis.Client()
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	pause(random, 300, 900)
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
}

// TestRedisTakeover kills a proxy while all that it holds is in flight: the
// other one delivers it within the time of a lease.
func TestRedisTakeover(t *testing.T) {
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, 29)
	c := newCluster(t, books, app, 1, 0)
	app.Behave(oracle.Manner{Kind: oracle.Hang})
	const held = 40
	for range held {
		c.senders[0].SendOne(t.Context())
	}
	proxy.WaitUntil(t, time.Minute, "all hang", func() bool { return app.Waiting() == held })
	c.nodes[0].Kill()
	kill := oracle.Fault{Name: "kill", From: time.Now()}
	kill.To = kill.From
	app.Behave()
	app.StopHanging()
	proxy.WaitUntil(t, leaseTime+5*time.Second, "all were taken over", func() bool { return books.Taken(proxy.Destination) == held })
	t.Logf("%d deliveries of a killed node were taken over within %s; a lease lasts %s", held, time.Since(kill.From).Round(time.Millisecond), leaseTime)
	proxy.Judge(t, books, []oracle.Fault{kill})
}

// TestRedisShares has one proxy take in all events while the other only helps:
// what does not fit into the first one's slots goes to whoever has some.
func TestRedisShares(t *testing.T) {
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, 31)
	app.Behave(oracle.Manner{Delay: 20 * time.Millisecond})
	c := newCluster(t, books, app, 96, 0)
	stop := proxy.Send(t, c.senders[0])
	time.Sleep(4 * time.Second) // of load
	stop()
	c.nodes[1].WaitUntilEmpty(t, time.Minute)
	proxy.Judge(t, books, nil)
	shares := make(map[string]float64)
	for _, node := range c.nodes {
		shares[node.Hook] = node.Metric(t, "webhook_delivery_attempts_total")
	}
	total := shares[c.nodes[0].Hook] + shares[c.nodes[1].Hook]
	if helped := shares[c.nodes[1].Hook]; helped < total/10 {
		t.Errorf("the second node made %.0f of %.0f attempts, want a tenth at least", helped, total)
	}
	t.Logf("attempts by node: %v", shares)
}
