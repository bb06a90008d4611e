package redistest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// sentinelCount and replicaCount are what a Sentinel has, the least that survives the loss of one.
const (
	sentinelCount = 3
	replicaCount  = 2
)

// masterName is the name by which sentinels know the master.
const masterName = "webhooks"

// Sentinel is a master with two replicas, watched by three sentinels of which two agree on a failover.
type Sentinel struct {
	// Servers are the master as it was at the start, then its replicas.
	Servers []*Server
	// Sentinels watch them.
	Sentinels []*Server

	t testing.TB
}

// StartSentinel runs a master, two replicas and three sentinels. A master that
// is gone for 0.7 s is replaced within some 2 s. The arguments are added to
// those of the servers, not of the sentinels.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{t: t}
	const servers = 1 + replicaCount
	err := onFreePorts(t, servers+sentinelCount, func(ports []int) (err error) {
		dirs := fresh(t, servers)
		var launches []func() (*Server, error)
		for i := range servers {
			launches = append(launches, func() (*Server, error) { return launch(t, dirs[i], ports[i], args) })
		}
		if s.Servers, err = launchAll(launches...); err != nil {
			return err
		}
		s.replicate()
		s.Sentinels, err = s.watch(ports[servers:])
		return err
	})
	if err != nil {
		t.Fatalf("starting sentinels: %v", err)
	}
	eventually(t, startLimit, "the sentinels see all", s.watched)
	return s
}

// replicate makes all but the first server its replicas. It is done by command
// and not by argument, so that a server that comes back is what it was last.
func (s *Sentinel) replicate() {
	s.t.Helper()
	for _, replica := range s.Servers[1:] {
		err := replica.do(func(ctx context.Context, r *redis.Client) error {
			if err := r.ReplicaOf(ctx, "127.0.0.1", strconv.Itoa(s.Servers[0].port)).Err(); err != nil {
				return err
			}
			return r.ConfigRewrite(ctx).Err()
		})
		if err != nil {
			s.t.Fatalf("REPLICAOF: %v", err)
		}
	}
	eventually(s.t, startLimit, "the replicas replicate", func() error {
		for _, replica := range s.Servers[1:] {
			err := replica.do(func(ctx context.Context, r *redis.Client) error {
				info, err := r.Info(ctx, "replication").Result()
				if err == nil && !strings.Contains(info, "master_link_status:up") {
					err = errors.New("a replica's link to the master is down")
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// watch starts the sentinels. They are told of each other and of the replicas:
// to find out takes them seconds.
func (s *Sentinel) watch(ports []int) ([]*Server, error) {
	ids := make([]string, len(ports))
	for i := range ids {
		b := make([]byte, 20)
		_, _ = rand.Read(b) // never fails
		ids[i] = hex.EncodeToString(b)
	}
	dirs := fresh(s.t, len(ports))
	var launches []func() (*Server, error)
	for i, port := range ports {
		lines := []string{
			"bind 127.0.0.1",
			"port " + strconv.Itoa(port),
			"sentinel myid " + ids[i],
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", masterName, s.Servers[0].port),
			"sentinel down-after-milliseconds " + masterName + " 700",
			"sentinel failover-timeout " + masterName + " 3000",
			"sentinel parallel-syncs " + masterName + " " + strconv.Itoa(replicaCount),
		}
		for _, replica := range s.Servers[1:] {
			lines = append(lines, fmt.Sprintf("sentinel known-replica %s 127.0.0.1 %d", masterName, replica.port))
		}
		for j, other := range ports {
			if j != i {
				lines = append(lines, fmt.Sprintf("sentinel known-sentinel %s 127.0.0.1 %d %s", masterName, other, ids[j]))
			}
		}
		launches = append(launches, func() (*Server, error) {
			config, err := configFile(dirs[i], lines...)
			if err != nil {
				return nil, err
			}
			return launchConfig(s.t, "", dirs[i], port, sentinelReady, []string{config, "--sentinel"})
		})
	}
	return launchAll(launches...)
}

// watched reports why the sentinels are not ready to replace the master.
func (s *Sentinel) watched() error {
	for _, sentinel := range s.Sentinels {
		err := sentinel.do(func(ctx context.Context, r *redis.Client) error {
			master, err := r.Do(ctx, "sentinel", "ckquorum", masterName).Text()
			if err != nil {
				return err
			}
			if !strings.Contains(master, strconv.Itoa(sentinelCount)+" usable") {
				return errors.New(master)
			}
			info, err := r.Info(ctx, "sentinel").Result()
			if err == nil && !strings.Contains(info, fmt.Sprintf("status=ok,address=127.0.0.1:%d,slaves=%d,sentinels=%d",
				s.Servers[0].port, replicaCount, sentinelCount)) {
				err = errors.New(info)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Addrs are the host:port of the sentinels.
func (s *Sentinel) Addrs() []string { return addresses(s.Sentinels) }

// Master is the name by which the sentinels know the master.
func (s *Sentinel) Master() string { return masterName }

// Current returns the server that most sentinels call the master now. Killing it does not change that at
// once: wait for another one.
func (s *Sentinel) Current() *Server {
	s.t.Helper()
	var current *Server
	eventually(s.t, startLimit, "most sentinels name one master", func() error {
		votes := map[int]int{}
		for _, sentinel := range s.Sentinels {
			if sentinel.Down() {
				continue
			}
			var address []string
			err := sentinel.do(func(ctx context.Context, r *redis.Client) (err error) {
				address, err = r.Do(ctx, "sentinel", "get-master-addr-by-name", masterName).StringSlice()
				return err
			})
			if err != nil || len(address) != 2 {
				return fmt.Errorf("sentinel answers %v, error %w", address, err)
			}
			port, err := strconv.Atoi(address[1])
			if err != nil {
				return fmt.Errorf("sentinel names %s: %w", net.JoinHostPort(address[0], address[1]), err)
			}
			if votes[port]++; votes[port] > sentinelCount/2 {
				current, err = find(s.Servers, port)
				return err
			}
		}
		return fmt.Errorf("they name %v", votes)
	})
	return current
}

// AwaitFailover waits until the sentinels have replaced the old master, and returns the new one.
func (s *Sentinel) AwaitFailover(old *Server) *Server {
	s.t.Helper()
	var current *Server
	eventually(s.t, startLimit, "another master is elected", func() error {
		if current = s.Current(); current == old {
			return errors.New("it is still the old one")
		}
		return nil
	})
	return current
}
