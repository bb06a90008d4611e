package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// clusterLimit bounds how long a cluster may take to form. It takes about a
// second on an idle machine.
const clusterLimit = 60 * time.Second

// slotCount is the number of hash slots (Redis Cluster specification, "Key distribution model").
const slotCount = 16384

// Cluster is a Redis Cluster.
type Cluster struct {
	// Nodes are the masters as they were at the start, then their replicas.
	Nodes []*Server

	t testing.TB
}

// StartCluster runs a Cluster of so many masters, each with an equal share of the slots, and so many
// replicas in all, which are distributed to the masters in turn. A master that is gone is replaced within
// some 3 s if it has a replica: the node timeout is 1.5 s. The arguments are added to those of every node.
func StartCluster(t testing.TB, masters, replicas int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	n := masters + replicas
	err := onFreePorts(t, 2*n, func(ports []int) (err error) {
		dirs := fresh(t, n)
		var launches []func() (*Server, error)
		for i := range n {
			launches = append(launches, func() (*Server, error) {
				return launch(t, dirs[i], ports[i], append([]string{
					"--cluster-enabled", "yes",
					"--cluster-port", strconv.Itoa(ports[n+i]), // port+10000 belongs to outgoing connections
					"--cluster-node-timeout", "1500",
					"--cluster-replica-validity-factor", "0", // a replica is never too old to take over
					"--cluster-allow-replica-migration", "no",
				}, args...))
			})
		}
		if c.Nodes, err = launchAll(launches...); err != nil {
			return err
		}
		return c.form(masters, ports[n:])
	})
	if err != nil {
		t.Fatalf("starting a cluster: %v", err)
	}
	eventually(t, clusterLimit, "the cluster is formed", func() error { return c.formed(masters) })
	return c
}

// form gives the masters their slots and makes the nodes known to each other.
func (c *Cluster) form(masters int, busPorts []int) error {
	for i, node := range c.Nodes {
		err := node.do(func(ctx context.Context, r *redis.Client) error {
			if err := r.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
				return err
			}
			if i < masters {
				first, after := slotCount*i/masters, slotCount*(i+1)/masters
				if err := r.ClusterAddSlotsRange(ctx, first, after-1).Err(); err != nil {
					return err
				}
			}
			for j, other := range c.Nodes[:i] { // gossip alone takes seconds to introduce all to all
				if err := r.Do(ctx, "cluster", "meet", "127.0.0.1", other.port, busPorts[j]).Err(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// formed reports why the cluster is not yet as it is to be, and makes the
// replicas replicate as soon as they know their masters.
func (c *Cluster) formed(masters int) error {
	var errs []error
	for i, node := range c.Nodes { // all of them: the first sees few masters once the last replicates
		err := node.do(func(ctx context.Context, r *redis.Client) error { return c.settled(ctx, r, i, masters) })
		if err != nil {
			errs = append(errs, fmt.Errorf("node %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// settled reports why the i-th node is not yet as it is to be.
func (c *Cluster) settled(ctx context.Context, r *redis.Client, i, masters int) error {
	known, err := nodes(ctx, r)
	if err != nil {
		return err
	}
	met := slices.DeleteFunc(slices.Clone(known), func(v nodeView) bool { return v.has("handshake") || v.has("noaddr") })
	if len(met) < len(c.Nodes) {
		return fmt.Errorf("it knows %d of %d nodes", len(met), len(c.Nodes))
	}
	replica := i >= masters
	if replica && slices.ContainsFunc(met, func(v nodeView) bool { return v.has("myself") && v.has("master") }) {
		master := c.Nodes[(i-masters)%masters]
		at := slices.IndexFunc(met, func(v nodeView) bool { return v.port == master.port })
		if at < 0 {
			return errors.New("it does not know its master")
		}
		if err := r.ClusterReplicate(ctx, met[at].id).Err(); err != nil {
			return err
		}
	}
	return serving(ctx, r, known, masters, replica)
}

// serving reports why a node is not yet ready to serve.
func serving(ctx context.Context, r *redis.Client, known []nodeView, masters int, replica bool) error {
	info, err := r.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, "cluster_state:ok") {
		return errors.New("its cluster state is not ok")
	}
	seen := 0
	for _, view := range known {
		if view.has("master") {
			seen++
		}
	}
	if seen != masters {
		return fmt.Errorf("it sees %d masters instead of %d", seen, masters)
	}
	if replica {
		replication, err := r.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if !strings.Contains(replication, "master_link_status:up") {
			return errors.New("its master has not sent its keys yet")
		}
	}
	return nil
}

// Addrs are the host:port of all nodes.
func (c *Cluster) Addrs() []string { return addresses(c.Nodes) }

// Client returns a client of the cluster, which is closed when the test ends.
func (c *Cluster) Client() *redis.ClusterClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs(), ContextTimeoutEnabled: true})
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// MasterOf returns the node that serves a slot: of the nodes that answer and claim the slot, the one with
// the latest claim. It waits for one while a failover is under way.
func (c *Cluster) MasterOf(slot int) *Server {
	c.t.Helper()
	var owner *Server
	eventually(c.t, clusterLimit, fmt.Sprintf("slot %d has a master", slot), func() error {
		epoch := int64(-1)
		for _, node := range c.Nodes {
			if node.Down() {
				continue
			}
			err := node.do(func(ctx context.Context, r *redis.Client) error {
				known, err := nodes(ctx, r)
				for _, view := range known {
					if view.has("myself") && view.has("master") && view.owns(slot) && view.epoch > epoch {
						owner, epoch = node, view.epoch
					}
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		if owner == nil {
			return errors.New("nobody claims it")
		}
		return nil
	})
	return owner
}

// ReplicaOf returns a node that replicates the master, or nil.
func (c *Cluster) ReplicaOf(master *Server) *Server {
	c.t.Helper()
	var replica *Server
	err := master.do(func(ctx context.Context, r *redis.Client) error {
		known, err := nodes(ctx, r)
		if err != nil {
			return err
		}
		me := slices.IndexFunc(known, func(v nodeView) bool { return v.has("myself") })
		for _, view := range known {
			if me >= 0 && view.master == known[me].id {
				replica, err = find(c.Nodes, view.port)
			}
		}
		return err
	})
	if err != nil {
		c.t.Fatalf("replica of port %d: %v", master.port, err)
	}
	return replica
}

// nodeView is a line of CLUSTER NODES: how a node sees one of the nodes.
type nodeView struct {
	id, master string
	port       int
	flags      []string
	epoch      int64
	slots      []string // "0-5460", "7", and "[7->-id]" while it migrates
}

// nodes asks a node how it sees them all.
func nodes(ctx context.Context, r *redis.Client) ([]nodeView, error) {
	text, err := r.ClusterNodes(ctx).Result()
	if err != nil {
		return nil, err
	}
	var views []nodeView
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 8 {
			return nil, fmt.Errorf("CLUSTER NODES has the line %q", line)
		}
		address, _, _ := strings.Cut(words[1], "@")
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("CLUSTER NODES has the line %q: %w", line, err)
		}
		view := nodeView{id: words[0], master: words[3], flags: strings.Split(words[2], ","), slots: words[8:]}
		view.port, _ = strconv.Atoi(port)
		view.epoch, _ = strconv.ParseInt(words[6], 10, 64)
		views = append(views, view)
	}
	return views, nil
}

func (v nodeView) has(flag string) bool { return slices.Contains(v.flags, flag) }

func (v nodeView) owns(slot int) bool {
	for _, text := range v.slots {
		from, to, ranged := strings.Cut(text, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			continue // [7->-id]
		}
		last := first
		if ranged {
			last, _ = strconv.Atoi(to)
		}
		if first <= slot && slot <= last {
			return true
		}
	}
	return false
}
