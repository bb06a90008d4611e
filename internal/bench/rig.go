package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
)

// rig is the processes of one trial: Caddy, the application and, where asked,
// Redis. Each trial has new ones, with empty stores.
type rig struct {
	reaper *reaper
	caddy  *caddyproc.Process
	app    *application
	redis  *redisServer // or nil
	at     site
	undo   []func()

	caddySyncs, redisSyncs syncCount // zero without syncProbe
}

// assemble starts the processes for a step, with their files in dir.
func (b *bench) assemble(ctx context.Context, s step, dir string) (_ *rig, err error) {
	r := &rig{reaper: b.reaper, at: site{dir: dir}}
	defer func() {
		if err != nil {
			r.dismantle()
		}
	}()
	if r.app, err = startApplication(s.Workload.FanOut+1, s.manners()...); err != nil {
		return nil, err
	}
	r.undo = append(r.undo, r.app.stop)
	if err := r.tellReaper(r.app.pid()); err != nil {
		return nil, err
	}
	r.at.application = r.app.addresses
	if s.System.store == "redis" {
		if err := r.startRedis(ctx, b, s); err != nil {
			return nil, err
		}
	}
	return r, r.startCaddy(b, s)
}

func (r *rig) startRedis(ctx context.Context, b *bench, s step) (err error) {
	binary := b.redisBinary
	if s.probe == syncProbe {
		if binary, r.redisSyncs, err = countSyncs(binary, filepath.Join(r.at.dir, "redis-syncs")); err != nil {
			return err
		}
	}
	if r.redis, err = startRedis(ctx, binary, filepath.Join(r.at.dir, "redis"), s.Workload.RedisSync); err != nil {
		return err
	}
	r.undo = append(r.undo, r.redis.stop)
	r.at.redis = r.redis.address
	return r.tellReaper(r.redis.pid())
}

func (r *rig) startCaddy(b *bench, s step) (err error) {
	var ports [2]string
	for i := range ports {
		if ports[i], err = caddyproc.FreePort(); err != nil {
			return err
		}
	}
	r.at.address = net.JoinHostPort("127.0.0.1", ports[0])
	r.at.admin = net.JoinHostPort("127.0.0.1", ports[1])
	config := filepath.Join(r.at.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(s.caddyfile(r.at)), 0o600); err != nil {
		return err
	}
	binary := b.caddyBinary
	if s.probe == syncProbe {
		if binary, r.caddySyncs, err = countSyncs(binary, filepath.Join(r.at.dir, "caddy-syncs")); err != nil {
			return err
		}
	}
	r.caddy = &caddyproc.Process{
		Binary: binary, Config: config, Address: r.at.address,
		Env: []string{"XDG_DATA_HOME=" + r.at.dir, "XDG_CONFIG_HOME=" + r.at.dir},
	}
	if err := r.caddy.Start(); err != nil {
		return err
	}
	r.undo = append(r.undo, r.caddy.Kill)
	return r.tellReaper(r.caddy.Pid())
}

// tellReaper of a process that is about to be in undo's care.
func (r *rig) tellReaper(pid int) error {
	r.undo = append(r.undo, func() { _ = r.reaper.ended(pid) }) // it has ended itself if it cannot be told
	return r.reaper.started(pid)
}

// dismantle ends the processes, the latest first. It may be called twice.
func (r *rig) dismantle() {
	for i := len(r.undo) - 1; i >= 0; i-- {
		r.undo[i]()
	}
	r.undo = nil
}

// queues are deliveries by their state.
type queues struct{ open, dead int }

// open is how many deliveries Caddy still has to make or has given up, without
// those of the endpoint whose events are held.
func (r *rig) open(ctx context.Context) (int, error) {
	q, err := r.queues(ctx)
	return q.open + q.dead, err
}

// queues asks Caddy, and leaves out the endpoint whose events are held.
func (r *rig) queues(ctx context.Context) (q queues, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.at.admin+"/webhooks/stats", nil)
	if err != nil {
		return q, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return q, errors.Join(err, r.caddy.LastWords())
	}
	defer response.Body.Close()
	var stats struct {
		Destinations []struct {
			Endpoint              string
			Pending, Leased, Dead int
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		return q, fmt.Errorf("asking Caddy for its stats: %w", err)
	}
	for _, d := range stats.Destinations {
		if d.Endpoint != "held" {
			q.open += d.Pending + d.Leased
			q.dead += d.Dead
		}
	}
	return q, nil
}
