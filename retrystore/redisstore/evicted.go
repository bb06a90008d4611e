package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// evictions are what masters said of the keys that they evicted.
type evictions struct {
	mu     sync.Mutex
	counts map[string]int64 // by the server's run id
	looked time.Time
}

// checkEvictions tells keys that were evicted since the last look. A server that evicts
// removes acknowledged events; its policy may be another one again by now.
func (s *Store) checkEvictions(ctx context.Context) {
	e := &s.evictions
	e.mu.Lock()
	defer e.mu.Unlock()
	var mu sync.Mutex
	counts, grown := make(map[string]int64), int64(0)
	look := func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx).Result()
		if err != nil {
			return nil // away, or not permitted
		}
		values := make(map[string]string)
		for line := range strings.Lines(info) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			values[name] = value
		}
		count, _ := strconv.ParseInt(values["evicted_keys"], 10, 64)
		uptime, _ := strconv.ParseInt(values["uptime_in_seconds"], 10, 64)
		before, known := e.counts[values["run_id"]]
		mu.Lock()
		defer mu.Unlock()
		counts[values["run_id"]] = count
		switch {
		case known && count < before: // the statistics were reset
			grown += count
		case known:
			grown += count - before
		case !e.looked.IsZero() && time.Duration(uptime)*time.Second <= time.Since(e.looked):
			grown += count // it was started since
		}
		return nil
	}
	if s.cluster != nil {
		_ = s.cluster.ForEachMaster(ctx, look)
	} else {
		_ = look(ctx, s.single)
	}
	if len(counts) == 0 {
		return
	}
	if e.counts == nil {
		e.counts = make(map[string]int64)
	}
	for id, n := range counts {
		e.counts[id] = n
	}
	e.looked = time.Now()
	if grown <= 0 {
		return
	}
	c := &s.condition
	c.mu.Lock()
	c.replaced++
	c.evicted += grown
	c.evictions = fmt.Sprintf("found %s: Redis has evicted %d keys: acknowledged events, or event keys, are lost, unless the keys were of another program",
		time.Now().UTC().Format(time.RFC3339), c.evicted)
	c.mu.Unlock()
	s.log.Error("redis has evicted keys: acknowledged events are lost, unless the keys were of another program; set its maxmemory-policy to noeviction",
		zap.Int64("keys", grown))
}
