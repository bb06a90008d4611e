package redisstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// lanesScript reads the lanes of a shard. There are as many as destinations were
// ever configured.
//
//	KEYS  1 lanes
//	returns their names
var lanesScript = newScript("lanes", `return redis.call('SMEMBERS', KEYS[1])`)

// learnLanes asks Redis for the lanes that this and other nodes use.
func (s *Store) learnLanes(_ context.Context, p *parts) error {
	calls, err := s.ask(p, func(n int) *call { return lanesScript.call(p.line(n), []string{p.shards[n].lanes()}) })
	for _, c := range calls {
		names, _ := c.reply.([]any)
		for _, name := range names {
			if l, ok := parseLane(text(name)); ok {
				p.lanes.get(l)
			}
		}
	}
	return err
}

// statsScript counts the deliveries of a lane in a shard.
//
//	KEYS  1 open index, 2 queue, 3 leases, 4 dead letters
//	returns {pending, leased, dead, pending ones tried before, the oldest open id}
//
// It counts from band to band; empty ones are jumped over.
var statsScript = newScript("stats", luaNow+`
local band, high = `+luaBand+`, '(`+luaTop+`'
local function count(key, width)
  local all, odd, from = 0, 0, 0
  while true do
    local top = redis.call('ZRANGEBYSCORE', key, from, high, 'WITHSCORES', 'LIMIT', 0, 1)
    if #top == 0 then return all, odd end
    local base = math.floor(top[2] / band) * band
    local n = redis.call('ZCOUNT', key, base, base + width)
    all = all + n
    if base / band % 2 == 1 then odd = odd + n end
    from = base + band
  end
end
local queued, retrying = count(KEYS[2], band - 1)
local lapsed, lapsedRetrying = count(KEYS[3], now)
local oldest = redis.call('ZRANGEBYLEX', KEYS[1], '-', '+', 'LIMIT', 0, 1)
return {queued + lapsed, redis.call('ZCARD', KEYS[3]) - lapsed, redis.call('ZCARD', KEYS[4]),
  retrying + lapsedRetrying, oldest[1] or ''}
`)

// Stats counts; see retrystore.Inspector. It looks at every lane in every shard,
// but at no delivery. Keys is not known, and Bytes is all that the servers hold.
func (s *Store) Stats(ctx context.Context) (retrystore.Stats, error) {
	p, err := s.enter(ctx)
	if err != nil {
		return retrystore.Stats{}, err
	}
	defer s.leave()
	stats := retrystore.Stats{Keys: -1}
	if err := s.learnLanes(ctx, p); err != nil {
		return stats, err
	}
	lanes := p.lanes.all()
	var calls []*call
	for _, l := range lanes {
		for n, k := range l.keys {
			calls = append(calls, statsScript.call(p.line(n), []string{k.open, k.queue, k.leased, k.dead}))
		}
	}
	s.direct(calls)
	for i, l := range lanes {
		n := retrystore.LaneStats{Lane: l.name}
		for _, c := range calls[i*len(p.shards) : (i+1)*len(p.shards)] {
			if c.err != nil {
				return retrystore.Stats{}, c.err // half the truth is worse than none
			}
			if err := addStats(&n, c); err != nil {
				return retrystore.Stats{}, err
			}
		}
		if n.Pending+n.Leased+n.Dead > 0 {
			stats.Lanes = append(stats.Lanes, n)
		}
	}
	slices.SortFunc(stats.Lanes, func(a, b retrystore.LaneStats) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Destination, b.Destination))
	})
	tallies, err := s.tallies(p)
	if err != nil {
		return retrystore.Stats{}, err
	}
	bytes := make(map[string]int64)
	for _, byEndpoint := range tallies {
		for endpoint, n := range byEndpoint {
			bytes[endpoint] += n
		}
	}
	stats.Endpoints = retrystore.EndpointBytes(bytes)
	s.counted(ctx, stats)
	stats.Bytes = s.memory(ctx)
	return stats, nil
}

func addStats(n *retrystore.LaneStats, c *call) error {
	answer, _ := c.reply.([]any)
	if len(answer) != 5 {
		return unexpected(c)
	}
	n.Pending += int(integer(answer[0]))
	n.Leased += int(integer(answer[1]))
	n.Dead += int(integer(answer[2]))
	n.Retrying += int(integer(answer[3]))
	if oldest := text(answer[4]); len(oldest) == len(deliveryID{}) {
		if at := idTime(oldest); n.OldestPending.IsZero() || at.Before(n.OldestPending) {
			n.OldestPending = at
		}
	}
	return nil
}

// memory is what the servers use, or 0 if they do not say.
func (s *Store) memory(ctx context.Context) int64 {
	var mu sync.Mutex
	total := int64(0)
	add := func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		for line := range strings.Lines(info) {
			if value, ok := strings.CutPrefix(line, "used_memory:"); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
				mu.Lock()
				total += n
				mu.Unlock()
			}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	var err error
	if s.cluster != nil {
		err = s.cluster.ForEachMaster(ctx, add)
	} else {
		err = add(ctx, s.single)
	}
	if err != nil {
		return 0
	}
	return total
}

// isGone reports whether an error means that a delivery is gone or unreadable, and not that
// the server is away.
func isGone(err error) bool {
	return errors.Is(err, retrystore.ErrNotFound) || errors.Is(err, retrystore.ErrCorrupt)
}
