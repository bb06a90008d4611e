//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// Leases and retries depend on Redis's clock, so that is the clock that jumps. (Caddy's cannot: Go calls
// no function that could be replaced.)

// redisProgram is what package redistest runs instead of redis-server.
const redisProgram = "REDIS_SERVER"

// bendClock makes the redis-servers that are started from now on read a clock of ours. Without a C
// compiler they keep their own, and jumps are left out.
func (w *world) bendClock() error {
	dir := filepath.Join(w.dir, "clock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	clock, err := redistest.NewClock(dir)
	if errors.Is(err, redistest.ErrNoClock) {
		w.logf("no steps of the clock: %v", err)
		return nil
	}
	if err != nil {
		return nil // package redistest says what is missing
	}
	w.clock = clock
	before, was := os.LookupEnv(redisProgram)
	if err := os.Setenv(redisProgram, clock.Program); err != nil {
		return err
	}
	w.cleanup(func() {
		if _ = os.Unsetenv(redisProgram); was {
			_ = os.Setenv(redisProgram, before)
		}
	})
	return nil
}

// jumpAhead makes all leases lapse at once, if it goes far enough, and retries due.
func (w *world) jumpAhead(s Step) error { return w.jump(time.Duration(s.N) * time.Second) }

// jumpBack would make retries and lapsed leases wait longer, if nothing moved them along.
func (w *world) jumpBack(s Step) error { return w.jump(-time.Duration(s.N) * time.Second) }

func (w *world) jump(by time.Duration) error {
	if w.clock == nil {
		return errLeftOut
	}
	f := fault{name: "clock jumped", before: redisBefore, after: redisAfter, harmless: by < 0}
	return w.onRedis(f, func(*redisStore) {
		if err := w.clock.Step(by); err != nil {
			w.books.Problem("moving the clock of Redis: %v", err)
		}
	})
}
