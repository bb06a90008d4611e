package redisstore

import (
	"errors"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// reconcileChunk is how many entries a script looks at: Redis serves no other client
// meanwhile.
const reconcileChunk = 256

// sizesScript says whether the sets of a lane can be in line.
//
//	KEYS  1 open index, 2 queue, 3 leases
//	returns {open, queued, leased, scores that are in no band}
var sizesScript = newScript("repair", `
local top = `+luaTop+`
local function strays(key) return redis.call('ZCOUNT', key, '-inf', '(0') + redis.call('ZCOUNT', key, top, '+inf') end
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3]), strays(KEYS[2]) + strays(KEYS[3])}
`)

// enlistScript sees to it that what is queued or leased is in the open index, and
// has a score of a band.
//
//	KEYS  1 open index, 2 queue or leases
//	ARGV  1 offset, 2 how many, 3 shard, 4 first score of a band
//	returns {how many it looked at, how many it repaired, members that are no deliveries, …}
var enlistScript = newScript("repair", luaNow+`
local out, top = {0, 0}, tonumber(`+luaTop+`)
redis.call('ZCARD', KEYS[1])
local rows = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'WITHSCORES', 'LIMIT', ARGV[1], ARGV[2])
out[1] = #rows / 2
for i = 1, #rows, 2 do
  local member, score = rows[i], tonumber(rows[i + 1])
  if #member ~= 17 or string.byte(member, 16) ~= tonumber(ARGV[3]) then
    out[#out + 1] = member
  else
    local fixed = 0
    if not redis.call('ZSCORE', KEYS[1], member) then fixed = redis.call('ZADD', KEYS[1], 0, member) end
    if not score or score ~= score or score < 0 or score >= top then
      redis.call('ZADD', KEYS[2], ARGV[4] + now, member)
      fixed = 1
    end
    out[2] = out[2] + fixed
  end
end
return out
`)

// looseScript names open deliveries that are neither queued nor leased.
//
//	KEYS  1 open index, 2 queue, 3 leases
//	ARGV  1 lower bound, 2 how many to look at
//	returns {the last it looked at, none at the end; members, …}
var looseScript = newScript("repair", `
local rows = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local out = {#rows == tonumber(ARGV[2]) and rows[#rows] or ''}
for _, member in ipairs(rows) do
  if not redis.call('ZSCORE', KEYS[2], member) and not redis.call('ZSCORE', KEYS[3], member) then out[#out + 1] = member end
end
return out
`)

// requeueScript queues a delivery that is open, and neither queued nor leased.
//
//	KEYS  1 open index, 2 queue, 3 leases
//	ARGV  1 member, 2 first score of its band
//	returns 1 if it did
var requeueScript = newScript("repair", luaNow+`
local open, queued, held = redis.call('ZSCORE', KEYS[1], ARGV[1]), redis.call('ZSCORE', KEYS[2], ARGV[1]), redis.call('ZSCORE', KEYS[3], ARGV[1])
if not open or queued or held then return 0 end
redis.call('ZADD', KEYS[2], ARGV[2] + now, ARGV[1])
return 1
`)

// reconcile repairs the sets of all lanes: it makes a set that was deleted or set aside anew
// from the others.
func (s *Store) reconcile() {
	p, err := s.enter(s.ctx)
	if err != nil {
		return
	}
	defer s.leave()
	for _, l := range p.lanes.all() {
		for n := range p.shards {
			if err := s.reconcileLane(p, l, n); err != nil {
				s.log.Debug("checking the sets of a lane", zap.Stringer("lane", l.name), zap.Error(err))
			}
		}
	}
}

func (s *Store) reconcileLane(p *parts, l *lane, n int) error {
	k := &l.keys[n]
	sizes := sizesScript.call(p.line(n), []string{k.open, k.queue, k.leased})
	if s.direct([]*call{sizes}); sizes.err != nil {
		return sizes.err
	}
	size, _ := sizes.reply.([]any)
	if len(size) != 4 || integer(size[0]) == integer(size[1])+integer(size[2]) && integer(size[3]) == 0 {
		return nil
	}
	var repaired int64
	for _, set := range []string{k.queue, k.leased} {
		fixed, err := s.enlist(p, n, k.open, set)
		if repaired += fixed; err != nil {
			return err
		}
	}
	fixed, err := s.requeueLoose(p, l, n)
	if repaired += fixed; repaired > 0 {
		s.broken.Add(uint64(repaired))
		s.log.Error("sets of a lane were not in line, as if somebody had deleted or changed one; deliveries were queued again",
			zap.Stringer("lane", l.name), zap.String("shard", p.shards[n].tag), zap.Int64("deliveries", repaired))
		s.wake(l)
	}
	return err
}

// enlist looks at all of a queue, or of leases.
func (s *Store) enlist(p *parts, n int, open, set string) (fixed int64, err error) {
	for offset := 0; ; offset += reconcileChunk {
		c := enlistScript.call(p.line(n), []string{open, set}, offset, reconcileChunk, n, int64(band(0, true))*bandWidth)
		if s.direct([]*call{c}); c.err != nil {
			return fixed, c.err
		}
		answer, _ := c.reply.([]any)
		if len(answer) < 2 {
			return fixed, unexpected(c)
		}
		fixed += integer(answer[1])
		var garbage []string
		for _, m := range answer[2:] {
			garbage = append(garbage, text(m))
		}
		if len(garbage) > 0 {
			if err := s.evict(p.line(n), []string{open, set}, garbage); err != nil {
				return fixed, err
			}
			offset -= len(garbage)
		}
		if integer(answer[0]) < reconcileChunk {
			return fixed, nil
		}
	}
}

// requeueLoose queues what is open, and neither queued nor leased.
func (s *Store) requeueLoose(p *parts, l *lane, n int) (fixed int64, err error) {
	k := &l.keys[n]
	for lower := "-"; ; {
		c := looseScript.call(p.line(n), []string{k.open, k.queue, k.leased}, lower, reconcileChunk)
		if s.direct([]*call{c}); c.err != nil {
			return fixed, c.err
		}
		answer, _ := c.reply.([]any)
		if len(answer) < 1 {
			return fixed, unexpected(c)
		}
		for _, m := range answer[1:] {
			queued, err := s.requeue(p, l, n, text(m))
			if err != nil {
				return fixed, err
			}
			if queued {
				fixed++
			}
		}
		last := text(answer[0])
		if last == "" {
			return fixed, nil
		}
		lower = "(" + last
	}
}

// requeue queues one, if its event is there and says that it belongs here.
func (s *Store) requeue(p *parts, l *lane, n int, member string) (bool, error) {
	k := &l.keys[n]
	if !ours(member, n) {
		return false, s.evict(p.line(n), []string{k.open}, []string{member})
	}
	id := deliveryID([]byte(member))
	h, err := s.readHead(p.line(n), p.shards[n].event(id.event()), id.String())
	if errors.Is(err, retrystore.ErrNotFound) {
		return false, s.lose(p, l, id)
	}
	priority := 0
	if err == nil {
		if name, ok := h.lane(id); !ok || name != l.name {
			return false, s.evict(p.line(n), []string{k.open}, []string{member})
		}
		priority = h.targets[id.target()].priority
	} else if !errors.Is(err, retrystore.ErrCorrupt) {
		return false, err
	}
	c := requeueScript.call(p.line(n), []string{k.open, k.queue, k.leased}, id[:], int64(band(priority, true))*bandWidth)
	s.direct([]*call{c})
	return integer(c.reply) == 1, c.err
}
