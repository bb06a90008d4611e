package redisstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func newClusterStore(t *testing.T, cluster *redistest.Cluster, o Options) *Store {
	t.Helper()
	c := clusterClient(cluster)
	t.Cleanup(func() { _ = c.Close() })
	s := open(t, c, o)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// slotOf is the slot of a shard.
func slotOf(t *testing.T, s *Store, shard int) int {
	t.Helper()
	slot, err := s.cluster.ClusterKeySlot(t.Context(), s.parts.Load().shards[shard].tag).Result()
	if err != nil {
		t.Fatal(err)
	}
	return int(slot)
}

// Slots move from master to master under load, and back.
func TestMigrationUnderLoad(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 0)
	s := newClusterStore(t, cluster, Options{Shards: 4})
	l := startLoad(t, s, 16)
	l.advance(t, 400)
	for shard := range 2 {
		slot := slotOf(t, s, shard)
		from := cluster.MasterOf(slot)
		to := cluster.Nodes[0]
		if to == from {
			to = cluster.Nodes[1]
		}
		cluster.Migrate(slot, from, to)
		l.advance(t, 200)
		// The second time in steps, with the slot open for a while.
		cluster.BeginMigration(slot, to, from)
		cluster.MoveKeys(slot, to, from, 50)
		l.advance(t, 20)
		for cluster.MoveKeys(slot, to, from, 100) > 0 {
			continue
		}
		cluster.EndMigration(slot, to, from)
		l.advance(t, 200)
	}
	l.end(t, s)
}

// A master dies under load and its replica takes over: what one replica had
// confirmed is there. Meanwhile the other shards work.
func TestFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 3)
	s := newClusterStore(t, cluster, Options{MinReplicas: 1, ReplicaTimeout: time.Second})
	l := startLoad(t, s, 32)
	l.advance(t, 500)
	slot := slotOf(t, s, 0)
	old := cluster.MasterOf(slot)
	old.Kill()
	l.advance(t, 200) // of the other two masters
	eventually(t, 30*time.Second, func() error {
		if now := cluster.MasterOf(slot); now == old {
			return errors.New("no replica took over")
		}
		return nil
	})
	for shard := range s.parts.Load().shards {
		eventually(t, 30*time.Second, func() error {
			if err := s.parts.Load().line(shard).refusal(); err != nil {
				return fmt.Errorf("shard %d: %w", shard, err)
			}
			return nil
		})
	}
	old.Restart() // as a replica, without which nothing is confirmed
	l.advance(t, 500)
	l.end(t, s)
}

// A shard whose master is gone, without a replica, makes no other shard fail.
func TestLostShardFailsNoOther(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 0, "--cluster-require-full-coverage", "no")
	s := newClusterStore(t, cluster, Options{Timeout: time.Second})
	const events = 90
	for i := range events {
		accept(t, s, fmt.Sprint(i), 0)
	}
	lost := cluster.Nodes[0]
	lost.Kill()
	inLost := func(shard int) bool { return slotOf(t, s, shard)*3/16384 == 0 }
	var here, gone int
	for shard := range s.parts.Load().shards {
		if inLost(shard) {
			gone++
		} else {
			here++
		}
	}
	if here == 0 || gone == 0 {
		t.Fatalf("%d shards here, %d gone", here, gone)
	}
	claimed := 0
	eventually(t, 20*time.Second, func() error {
		for _, d := range claim(t, s, events) {
			if id, _ := parseID(d.ID); inLost(id.event().shard()) {
				t.Errorf("delivery of the lost shard %d claimed", id.event().shard())
			}
			if err := s.Settle(t.Context(), d, delivered); err != nil {
				t.Errorf("settled in a shard that is there: %v", err)
			}
			claimed++
		}
		stored, refused := 0, 0
		for i := range 100 {
			_, err := s.Accept(t.Context(), submission(fmt.Sprint("later", time.Now().UnixNano(), i), 0))
			switch {
			case err == nil:
				stored++
			case errors.Is(err, retrystore.ErrUnavailable):
				refused++
			default:
				t.Error(err)
			}
		}
		if claimed == 0 || stored == 0 || refused == 0 {
			return fmt.Errorf("%d claimed, %d stored, %d refused", claimed, stored, refused)
		}
		return nil
	})
	if _, err := s.Stats(t.Context()); !errors.Is(err, retrystore.ErrUnavailable) {
		t.Errorf("stats of what is not all there: %v", err)
	}
	lost.Restart()
	eventually(t, 20*time.Second, func() error {
		for shard := range s.parts.Load().shards {
			if err := s.parts.Load().line(shard).refusal(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sentinel replaces a master under load.
func TestSentinelFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: sentinel.Master(), SentinelAddrs: sentinel.Addrs(), MaxRetries: -1, ContextTimeoutEnabled: true, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = c.Close() })
	s := open(t, c, Options{MinReplicas: 1, ReplicaTimeout: time.Second})
	t.Cleanup(func() { _ = s.Close() })
	l := startLoad(t, s, 16)
	l.advance(t, 300)
	old := sentinel.Current()
	old.Kill()
	sentinel.AwaitFailover(old)
	usable(t, s)
	old.Restart()
	l.advance(t, 300)
	l.end(t, s)
}

// Accept waits for replicas, for a duplicate too: it is answered only when the
// first one is as durable as was asked for.
func TestMinReplicas(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t), redistest.Start(t)
	if err := replica.Client().Do(t.Context(), "REPLICAOF", "127.0.0.1", master.Port()).Err(); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, master, Options{MinReplicas: 1, ReplicaTimeout: 300 * time.Millisecond})
	usable(t, s) // once the replica is there
	first := accept(t, s, "confirmed", time.Minute)

	replica.Pause()
	if _, err := s.Accept(t.Context(), submission("unconfirmed", time.Hour)); !errors.Is(err, retrystore.ErrUnavailable) {
		t.Errorf("accepted without a replica: %v", err)
	}
	if _, err := s.Accept(t.Context(), submission("unconfirmed", time.Hour)); !errors.Is(err, retrystore.ErrUnavailable) {
		t.Errorf("a duplicate of what no replica has: %v", err)
	}
	// Results need no replica: a crash may repeat them.
	if err := s.Settle(t.Context(), first, delivered); err != nil {
		t.Errorf("settled without a replica: %v", err)
	}
	// What was stored in spite of the answer is delivered, not held for an hour.
	eventually(t, 5*time.Second, func() error {
		if ds := claim(t, s, 1); len(ds) != 1 || ds[0].Event.EventID != "unconfirmed" {
			return fmt.Errorf("claimed %v", ds)
		}
		return nil
	})
	replica.Resume()
	eventually(t, 10*time.Second, func() error {
		r, err := s.Accept(t.Context(), submission("unconfirmed", 0))
		if err == nil && !r.Duplicate {
			err = errors.New("stored twice")
		}
		return err
	})
	if value, err := replica.Client().Get(context.WithoutCancel(t.Context()), s.parts.Load().shards[0].seen(testKey("unconfirmed"))).Result(); err != nil || value[0] != 'e' {
		t.Errorf("the replica has %q, error %v", value, err)
	}
}
