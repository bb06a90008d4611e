package redislimiter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

// How Redis is tried while it is away: at once, then after pauses that double.
const (
	probeTimeout  = time.Second
	shortestPause = 100 * time.Millisecond
	longestPause  = time.Second
)

// circuit keeps calls for a place from waiting for a Redis that is away.
type circuit struct {
	limiter  *Limiter
	lane     *lane
	probeKey string

	away atomic.Bool
}

// open is called when a call has found Redis away. The first call of open starts the probes.
func (c *circuit) open(cause error) {
	if !c.away.CompareAndSwap(false, true) {
		return
	}
	c.limiter.outages.begin(cause)
	c.limiter.spawn("redis limiter: probe", c.watch) // an error means that the Limiter is closed
}

// watch probes until Redis is back, or the Limiter is closed.
func (c *circuit) watch() {
	safe.Loop(c.limiter.lifetime.Done(), c.limiter.options.Logger, "redis limiter: probe", c.probe)
}

// probe tries Redis until it is back.
func (c *circuit) probe() {
	pause := shortestPause
	for !c.try() {
		timer := time.NewTimer(pause)
		select {
		case <-c.limiter.lifetime.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, longestPause)
	}
	c.away.Store(false)
	c.limiter.outages.end()
}

// try takes a token of a key for this purpose: a Redis that answers a PING need not take
// writes. It ends with the Limiter.
func (c *circuit) try() bool {
	ctx, cancel := context.WithTimeout(c.limiter.lifetime, max(probeTimeout, c.limiter.options.Timeout))
	defer cancel()
	probe := &call{ctx: ctx, script: takeScript, keys: []string{c.probeKey}, args: []any{1, 1, 1, 1, 0}}
	c.lane.pipeline(ctx, []*call{probe}, true)
	return probe.err == nil
}

// outages counts the circuits that are open, and logs when the first one opens
// and when the last one closes.
type outages struct {
	logger *zap.Logger

	mu    sync.Mutex
	count int
}

func (o *outages) begin(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count++; o.count == 1 {
		o.logger.Warn("redis does not check rate limits any more", zap.Error(cause))
	}
}

func (o *outages) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count--; o.count == 0 {
		o.logger.Info("redis checks rate limits again")
	}
}

func (o *outages) any() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count > 0
}
