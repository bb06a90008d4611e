package redistest

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Migrate moves a slot and its keys from its master to another one, as
// redis-cli --cluster reshard does.
func (c *Cluster) Migrate(slot int, from, to *Server) {
	c.t.Helper()
	c.BeginMigration(slot, from, to)
	for c.MoveKeys(slot, from, to, 100) > 0 {
		continue
	}
	c.EndMigration(slot, from, to)
}

// BeginMigration opens the slot: from now on the old master answers ASK for
// keys that it does not have, and TRYAGAIN when it has some of a command's keys.
func (c *Cluster) BeginMigration(slot int, from, to *Server) {
	c.t.Helper()
	c.setSlot(to, slot, "importing", c.id(from))
	c.setSlot(from, slot, "migrating", c.id(to))
}

// MoveKeys moves up to n keys of the open slot and returns how many it moved.
func (c *Cluster) MoveKeys(slot int, from, to *Server, n int) int {
	c.t.Helper()
	moved := 0
	err := from.do(func(ctx context.Context, r *redis.Client) error {
		keys, err := r.ClusterGetKeysInSlot(ctx, slot, n).Result()
		if err != nil || len(keys) == 0 {
			return err
		}
		moved = len(keys)
		command := []any{"migrate", "127.0.0.1", to.port, "", 0, answerLimit.Milliseconds(), "keys"}
		for _, key := range keys {
			command = append(command, key)
		}
		return r.Do(ctx, command...).Err()
	})
	if err != nil {
		c.t.Fatalf("moving keys of slot %d: %v", slot, err)
	}
	return moved
}

// EndMigration gives the slot, of which all keys were moved, to its new master
// and waits until every node that answers knows it.
func (c *Cluster) EndMigration(slot int, from, to *Server) {
	c.t.Helper()
	// The new master first: if the old one forgot the slot before, nobody would have it.
	c.setSlot(to, slot, "node", c.id(to))
	c.setSlot(from, slot, "node", c.id(to))
	eventually(c.t, clusterLimit, "all nodes know the slot's new master", func() error {
		for _, node := range c.Nodes {
			if node.Down() {
				continue
			}
			if err := node.do(func(ctx context.Context, r *redis.Client) error { return knows(ctx, r, slot, to.port) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// knows reports why a node does not see the slot at the port.
func knows(ctx context.Context, r *redis.Client, slot, port int) error {
	known, err := nodes(ctx, r)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(known, func(v nodeView) bool { return v.port == port && v.owns(slot) }) {
		return fmt.Errorf("a node does not see it at port %d", port)
	}
	return nil
}

func (c *Cluster) setSlot(node *Server, slot int, words ...any) {
	c.t.Helper()
	err := node.do(func(ctx context.Context, r *redis.Client) error {
		return r.Do(ctx, append([]any{"cluster", "setslot", slot}, words...)...).Err()
	})
	if err != nil {
		c.t.Fatalf("CLUSTER SETSLOT %d %v: %v", slot, words, err)
	}
}

// id is the node's name within the cluster.
func (c *Cluster) id(node *Server) (id string) {
	c.t.Helper()
	err := node.do(func(ctx context.Context, r *redis.Client) (err error) {
		id, err = r.Do(ctx, "cluster", "myid").Text()
		return err
	})
	if err != nil {
		c.t.Fatalf("CLUSTER MYID: %v", err)
	}
	return id
}
