//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// The stores that runs are made with.
const (
	storeFile     = "file"
	storeRedis    = "redis"
	storeSentinel = "sentinel"
	storeCluster  = "cluster"
)

// What a fault of Redis may undo: a result that was under way when Redis ended, and one whose answer did
// not come back before the proxy gave up waiting for it.
const (
	redisBefore = time.Second
	redisAfter  = 3 * time.Second
)

var redisKinds = []kind{
	{name: "kill -9", weight: 4, lasts: [2]int{100, 1500}, run: (*world).killRedis},
	{name: "kill -9, a torn last write", weight: 2, lasts: [2]int{100, 800}, run: (*world).tearRedis},
	{name: "SIGSTOP", weight: 4, lasts: [2]int{300, 4000}, run: (*world).pauseRedis},
	{name: "full", weight: 3, lasts: [2]int{300, 2000}, run: redisSetting("maxmemory", "1", "0")},
	{name: "wants replicas", weight: 1, lasts: [2]int{300, 1500}, run: redisSetting("min-replicas-to-write", "1", "0")},
	{name: "forgets its scripts", weight: 2, n: [2]int{1, 10}, run: (*world).flushScripts},
	{name: "drops all connections", weight: 2, n: [2]int{1, 10}, run: (*world).dropConnections},
	{name: "clock jumps ahead, s:", weight: 2, n: [2]int{1, 600}, run: (*world).jumpAhead},
	{name: "clock jumps back, s:", weight: 1, n: [2]int{1, 600}, run: (*world).jumpBack},
}

var sentinelKinds = []kind{
	{name: "kill -9 of the master", weight: 3, lasts: [2]int{0, 1000}, run: (*world).killMaster},
	{name: "SIGSTOP of the master", weight: 3, lasts: [2]int{300, 4000}, run: (*world).pauseRedis},
	{name: "kill -9 of a replica", weight: 2, lasts: [2]int{100, 1500}, run: (*world).killReplica},
	{name: "SIGSTOP of the replicas", weight: 2, lasts: [2]int{300, 1500}, run: (*world).pauseReplicas},
	{name: "forgets its scripts", weight: 1, n: [2]int{1, 5}, run: (*world).flushScripts},
	{name: "drops all connections", weight: 1, n: [2]int{1, 5}, run: (*world).dropConnections},
}

var clusterKinds = []kind{
	{name: "kill -9 of a master", weight: 3, lasts: [2]int{0, 1000}, run: (*world).killMaster},
	{name: "SIGSTOP of a master", weight: 3, lasts: [2]int{300, 4000}, run: (*world).pauseRedis},
	{name: "kill -9 of a replica", weight: 1, lasts: [2]int{100, 1500}, run: (*world).killReplica},
	{name: "forgets its scripts", weight: 1, n: [2]int{1, 5}, run: (*world).flushScripts},
	{name: "drops all connections", weight: 1, n: [2]int{1, 5}, run: (*world).dropConnections},
}

// redisStore is one server, or those of a Sentinel or a Cluster.
//
// An event is confirmed by every replica of its master. With fewer an
// acknowledged one may be lost, and is, within a few seeds (-min-replicas 1 -store
// sentinel): while one replica is being made master, the old master may go on for
// a moment, and the other replica confirms to it what it will soon throw away.
type redisStore struct {
	servers  []*redistest.Server
	sentinel *redistest.Sentinel
	cluster  *redistest.Cluster
	confirm  int // min_replicas
	clients  map[*redistest.Server]*redis.Client
}

// client is one for each server: they live as long as the run.
func (s *redisStore) client(server *redistest.Server) *redis.Client {
	if s.clients[server] == nil {
		s.clients[server] = server.Client()
	}
	return s.clients[server]
}

func (w *world) startStore() (backing, error) {
	if w.plan.Store == storeFile {
		return w.startFile()
	}
	if w.plan.Store == storeRedis {
		if err := w.bendClock(); err != nil {
			return nil, err
		}
	}
	s := &redisStore{clients: make(map[*redistest.Server]*redis.Client)}
	err := w.withServers(func(t testing.TB) {
		switch w.plan.Store {
		case storeRedis:
			s.servers = []*redistest.Server{redistest.Start(t, redistest.AOF...)}
		case storeSentinel:
			s.sentinel = redistest.StartSentinel(t, redistest.AOF...)
			s.servers = s.sentinel.Servers
			s.confirm = orElse(w.minReplicas, len(s.servers)-1)
		case storeCluster:
			s.cluster = redistest.StartCluster(t, 3, 3, redistest.AOF...)
			s.servers = s.cluster.Nodes
			s.confirm = orElse(w.minReplicas, len(s.servers)/3-1)
		}
	})
	return s, err
}

func (s *redisStore) line() string {
	switch {
	case s.sentinel != nil:
		return fmt.Sprintf("redis %s {\n\t\t\tsentinel %s\n\t\t\tmin_replicas %d 500ms\n\t\t}", strings.Join(s.sentinel.Addrs(), " "), s.sentinel.Master(), s.confirm)
	case s.cluster != nil:
		return fmt.Sprintf("redis %s {\n\t\t\tcluster\n\t\t\tmin_replicas %d 500ms\n\t\t}", strings.Join(s.cluster.Addrs(), " "), s.confirm)
	}
	return "redis " + s.servers[0].URL()
}

func (s *redisStore) alarms() (lines []string) {
	for _, server := range s.servers {
		for line := range strings.Lines(server.Log()) {
			if strings.Contains(line, "BUG REPORT") || strings.Contains(line, "Bad file format") {
				lines = append(lines, fmt.Sprintf("redis on port %d logged: %s", server.Port(), line))
			}
		}
	}
	return lines
}

// saveLogs keeps what the servers have logged since their latest start.
func (s *redisStore) saveLogs(dir string) (err error) {
	all := slices.Clone(s.servers)
	if s.sentinel != nil {
		all = append(all, s.sentinel.Sentinels...)
	}
	for _, server := range all {
		name := fmt.Sprintf("redis-%d.log", server.Port())
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(server.Log()), 0o600))
	}
	return err
}

// failovers are read from the logs: on a busy machine, or when its connections are
// dropped, a master is replaced that nobody has killed.
func (s *redisStore) failovers() (all []oracle.Fault) {
	servers, words := s.servers, "Failover election won"
	if s.sentinel != nil {
		servers, words = s.sentinel.Sentinels, "+switch-master"
	}
	for _, server := range servers {
		for line := range strings.Lines(server.Log()) {
			// "16869:X 23 Nov 2026 17:31:15.077 # +switch-master …"
			fields := strings.Fields(line)
			if len(fields) < 5 || !strings.Contains(line, words) {
				continue
			}
			at, err := time.ParseInLocation("2 Jan 2006 15:04:05.000", strings.Join(fields[1:5], " "), time.Local)
			if err != nil {
				continue
			}
			all = append(all, oracle.Fault{Name: "failover", From: at, To: at, Before: failoverBefore, After: failoverAfter})
		}
	}
	return all
}

// A failover begins some time before the servers say so. The old master, if it
// lives, may take itself for the master for 8 s more: so long do sentinels wait
// before they make it a replica.
const (
	failoverBefore = 3 * time.Second
	failoverAfter  = 9 * time.Second
)

// master is the server that a step is done to.
func (s *redisStore) master(step Step) *redistest.Server {
	switch {
	case s.sentinel != nil:
		return s.sentinel.Current()
	case s.cluster != nil:
		return s.cluster.MasterOf((int(step.At/time.Millisecond) * 37) % 16384)
	}
	return s.servers[0]
}

// replicas are those of the master.
func (s *redisStore) replicas(master *redistest.Server) (replicas []*redistest.Server) {
	if s.cluster != nil {
		if r := s.cluster.ReplicaOf(master); r != nil {
			replicas = append(replicas, r)
		}
		return replicas
	}
	for _, server := range s.servers {
		if server != master {
			replicas = append(replicas, server)
		}
	}
	return replicas
}

// onRedis does something to the servers, notes it, and waits until they are well
// again: promises hold for one failure at a time.
func (w *world) onRedis(f fault, do func(s *redisStore)) error {
	s := w.store.(*redisStore)
	return w.during(f, func() error {
		return w.withServers(func(t testing.TB) {
			do(s)
			s.recover(t)
		})
	})
}

// recoverLimit is how long that may take. Sentinels that a busy machine has stopped for
// two seconds change nothing for 30 s ("tilt"), and the next stop begins them anew.
const recoverLimit = 3 * time.Minute

// recover waits until every server runs and has its replicas.
func (s *redisStore) recover(t testing.TB) {
	for _, server := range s.servers {
		if server.Down() {
			server.Restart()
		}
	}
	want := 0
	if s.sentinel != nil {
		want = len(s.servers) - 1
	} else if s.cluster != nil {
		want = len(s.servers) / 2
	}
	for deadline := time.Now().Add(recoverLimit); ; time.Sleep(20 * time.Millisecond) {
		connected := 0
		for _, server := range s.servers {
			info, err := s.client(server).Info(t.Context(), "replication").Result()
			if err == nil && strings.Contains(info, "role:slave") && strings.Contains(info, "master_link_status:up") {
				connected++
			}
		}
		if connected >= want {
			return
		}
		if t.Context().Err() != nil || time.Now().After(deadline) {
			t.Fatalf("%d of %d replicas are connected after a fault", connected, want)
		}
	}
}

func (w *world) killRedis(s Step) error {
	return w.onRedis(fault{name: "redis killed", before: redisBefore, after: redisAfter}, func(r *redisStore) {
		r.servers[0].Kill()
		w.wait(s.For)
		r.servers[0].Restart()
	})
}

// tearRedis leaves the beginning of a command at the end of the file of commands,
// as a write that was not finished would: appendfsync is always, so it was not answered.
func (w *world) tearRedis(s Step) error {
	return w.onRedis(fault{name: "redis killed", before: redisBefore, after: redisAfter}, func(r *redisStore) {
		server := r.servers[0]
		server.Kill()
		files, _ := filepath.Glob(filepath.Join(server.Dir(), "appendonlydir", "*.incr.aof"))
		if len(files) == 0 {
			w.books.Problem("redis has no file of commands in %s", server.Dir())
			return
		}
		file, err := os.OpenFile(files[len(files)-1], os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString("*3\r\n$3\r\nSET\r\n$4\r\nha")
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			w.books.Problem("tearing the file of commands: %v", err)
		}
		w.wait(s.For)
		server.Restart()
	})
}

// pauseRedis stops the server, or the master, with SIGSTOP. Sentinels replace it if that lasts, and when
// it continues it takes itself for the master for some time.
func (w *world) pauseRedis(s Step) error {
	f := fault{name: faultRedisPause, before: redisBefore, after: redisAfter}
	if w.plan.Store != storeRedis {
		f.name, f.after = faultMasterPause, 10*time.Second
	}
	return w.onRedis(f, func(r *redisStore) {
		master := r.master(s)
		master.Pause()
		w.wait(s.For)
		master.Resume()
	})
}

func (w *world) killMaster(s Step) error {
	return w.onRedis(fault{name: "master killed", before: redisBefore, after: 5 * time.Second}, func(r *redisStore) {
		master := r.master(s)
		master.Kill()
		if r.sentinel != nil {
			r.sentinel.AwaitFailover(master)
		}
		w.wait(s.For)
		master.Restart()
	})
}

func (w *world) killReplica(s Step) error {
	return w.onRedis(fault{name: "replica killed", harmless: true}, func(r *redisStore) {
		if replicas := r.replicas(r.master(s)); len(replicas) > 0 {
			replica := replicas[s.Node%len(replicas)]
			replica.Kill()
			w.wait(s.For)
			replica.Restart()
		}
	})
}

// pauseReplicas leaves no replica that could confirm a write.
func (w *world) pauseReplicas(s Step) error {
	return w.onRedis(fault{name: faultReplicasPause, harmless: true, after: redisAfter}, func(r *redisStore) {
		replicas := r.replicas(r.master(s))
		for _, replica := range replicas {
			replica.Pause()
		}
		w.wait(s.For)
		for _, replica := range replicas {
			replica.Resume()
		}
	})
}

// redisSetting changes a setting for a while. Results go on, so nothing is repeated.
func redisSetting(name, value, back string) func(*world, Step) error {
	return func(w *world, s Step) error {
		w.outage.begin()
		defer w.outage.end()
		return w.onRedis(fault{name: "redis " + name, harmless: true, after: redisAfter}, func(r *redisStore) {
			client := r.client(r.servers[0])
			ctx := context.WithoutCancel(w.over)
			if err := client.ConfigSet(ctx, name, value).Err(); err != nil {
				w.books.Problem("redis: %v", err)
			}
			w.wait(s.For)
			if err := client.ConfigSet(ctx, name, back).Err(); err != nil {
				w.books.Problem("redis: %v", err)
			}
		})
	}
}

// often does something to the master n times within a second or so.
func (w *world) often(s Step, f fault, do func(ctx context.Context, client *redis.Client) error) error {
	return w.onRedis(f, func(r *redisStore) {
		client := r.client(r.master(s))
		for range s.N {
			if err := do(context.WithoutCancel(w.over), client); err != nil {
				w.books.Problem("redis: %v", err)
			}
			w.wait(100 * time.Millisecond)
		}
	})
}

func (w *world) flushScripts(s Step) error {
	return w.often(s, fault{name: "scripts flushed", harmless: true}, func(ctx context.Context, client *redis.Client) error {
		return client.ScriptFlush(ctx).Err()
	})
}

// dropConnections closes those of the proxies. What was on its way is in doubt.
func (w *world) dropConnections(s Step) error {
	return w.often(s, fault{name: "connections dropped", before: 300 * time.Millisecond, after: redisAfter}, func(ctx context.Context, client *redis.Client) error {
		return client.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err()
	})
}
