package redisclient

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

func TestClientName(t *testing.T) {
	s := redistest.Start(t)
	client := open(t, Options{Addresses: []string{s.URL()}, ClientName: "caddy node-1"})
	list, err := client.Do(t.Context(), "client", "list").Text()
	if err != nil || !strings.Contains(list, " name=caddy-node-1 ") || strings.Contains(list, " resp=3") {
		t.Errorf("%s, error %v", list, err)
	}
}

// A command whose answer did not come in time is not sent again.
func TestNothingIsRepeated(t *testing.T) {
	s := redistest.Start(t)
	client := open(t, Options{Addresses: []string{s.URL()}, ReadTimeout: 50 * time.Millisecond, DialTimeout: 50 * time.Millisecond})
	if err := client.Incr(t.Context(), "k").Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	begin := time.Now()
	if err := client.Incr(t.Context(), "k").Err(); err == nil {
		t.Fatal("a paused server has answered")
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	s.Resume()
	if n, err := s.Client().Get(t.Context(), "k").Int(); n != 2 || err != nil {
		t.Errorf("counted to %d, error %v", n, err)
	}
}

// A context that ends is enough to end waiting for an answer.
func TestContextEndsWaiting(t *testing.T) {
	s := redistest.Start(t)
	client := open(t, Options{Addresses: []string{s.URL()}})
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Fatal("a paused server has answered")
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

// An outage is noticed at once, and what go-redis has to say goes to the logger.
func TestOutageIsNoticedAtOnce(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	s := redistest.Start(t)
	client := open(t, Options{Addresses: []string{"redis://:s3cr3t@" + s.Addr()}, Logger: zap.New(core)})
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Addresses: []string{s.URL()}}) // without a logger: the other's stays
	s.Kill()
	begin := time.Now()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a killed server has answered")
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if logs.Len() == 0 {
		t.Error("nothing is logged")
	}
	for _, entry := range logs.All() {
		text := fmt.Sprint(entry.Message, entry.ContextMap())
		if strings.Contains(text, "failed to dial") && !strings.Contains(text, "after 1 attempts") {
			t.Errorf("logged %s", text)
		}
		if strings.Contains(text, "s3cr3t") || entry.Level != zap.DebugLevel {
			t.Errorf("logged %s", text)
		}
	}
	setLogger(zap.NewNop())
}

// On a Cluster a user who may do little is spared questions that it may not
// ask, and slots are found where they are.
func TestClusterRouting(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0)
	for _, node := range c.Nodes {
		err := node.Client().Do(t.Context(), "acl", "setuser", "little", "on", ">s3cr3t", "~wh*", "~{wh*", "+set", "+eval", "+get", "+cluster|slots").Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	client := open(t, Options{Addresses: []string{"redis://little:s3cr3t@" + c.Addrs()[1]}, Cluster: true})
	for i := range 100 {
		key := fmt.Sprintf("wh%d", i)
		if err := client.Eval(t.Context(), "return redis.call('SET', KEYS[1], ARGV[1])", []string{key}, i).Err(); err != nil {
			t.Fatal(err)
		}
	}
	n, err := c.Nodes[0].Client().ClusterKeySlot(t.Context(), "{wh:0}").Result()
	if err != nil {
		t.Fatal(err)
	}
	slot := int(n)
	from := c.MasterOf(slot)
	to := c.Nodes[0]
	if from == to {
		to = c.Nodes[2]
	}
	c.Migrate(slot, from, to)
	pipe := client.Pipeline()
	for i := range 100 {
		pipe.Set(t.Context(), fmt.Sprintf("{wh:0}%d", i), i, 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes {
		stats, err := node.Client().Info(t.Context(), "commandstats").Result()
		if err != nil || strings.Contains(stats, "cmdstat_command") || strings.Contains(stats, "cmdstat_client") {
			t.Errorf("error %v, commands:\n%s", err, stats)
		}
	}
}

// The master is found again after a failover.
func TestSentinelFailover(t *testing.T) {
	s := redistest.StartSentinel(t, redistest.AOF...)
	client := open(t, Options{Addresses: s.Addrs(), SentinelMaster: s.Master()})
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	old := s.Current()
	old.Kill()
	s.AwaitFailover(old)
	deadline := time.Now().Add(10 * time.Second)
	for client.Set(t.Context(), "k", "w", 0).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatal("no master is found")
		}
	}
	report, err := Check(t.Context(), client, Needs{})
	if err != nil || report.Mode != "sentinel" {
		t.Errorf("%+v, error %v", report, err)
	}
}

// The options that a program gives prevail over the standard ones.
func TestOptionsArePassedOn(t *testing.T) {
	o := Options{Addresses: []string{"h"}, PoolSize: 7, DialTimeout: 1, ReadTimeout: 2, WriteTimeout: 3}
	for _, o := range []Options{o, {Addresses: o.Addresses, PoolSize: 7, DialTimeout: 1, ReadTimeout: 2, WriteTimeout: 3, SentinelMaster: "m"}} {
		got := open(t, o).(*redis.Client).Options()
		if got.PoolSize != 7 || got.DialTimeout != 1 || got.PoolTimeout != 1 || got.ReadTimeout != 2 || got.WriteTimeout != 3 ||
			got.MaxRetries != 0 || got.DialerRetries != 1 || got.Protocol != 2 || !got.DisableIdentity || !got.ContextTimeoutEnabled {
			t.Errorf("%+v", got)
		}
	}
}
