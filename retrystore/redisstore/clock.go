package redisstore

import (
	"time"

	"go.uber.org/zap"
)

// clockStep is by how many milliseconds a server's clock may go back until that is a step.
const clockStep = "1000"

// clockScript notes the latest time that the server's clock has shown. If the clock was set back
// since, or another server with a clock that is behind has taken over, it moves along
// what is due later: a retry in a minute is still one in a minute, and a lease of a dead
// node does not outlast the step.
//
//	KEYS  1 clock, then the queues and leases of all lanes; none to ask only
//	returns {by how much the clock went back, how many it moved}
//
// The first of several nodes does it for all.
var clockScript = newScript("clock", luaNow+`
local band, top, back, moved = `+luaBand+`, '(`+luaTop+`', 0, 0
local seen = redis.pcall('GET', KEYS[1])
seen = type(seen) == 'string' and tonumber(seen) or 0
if seen >= now + `+clockStep+` and seen < now + 315360000000 then back = seen - now end
if back > 0 and #KEYS == 1 then return {back, 0} end
for i = 2, #KEYS do redis.call('ZCARD', KEYS[i]) end
local function note() redis.call('SET', KEYS[1], string.format('%.0f', now)) end
if back == 0 then
  note()
  return {0, 0}
end
local function move(key, base, member, score)
  redis.call('ZADD', key, base + math.max(score - base - back, now), member)
  moved = moved + 1
end
local function follow(key, base)
  local low = base + now
  while true do
    local rows = redis.call('ZRANGEBYSCORE', key, '(' .. string.format('%.0f', low), '(' .. string.format('%.0f', base + band), 'WITHSCORES', 'LIMIT', 0, 256)
    if #rows == 0 then return end
    local last = tonumber(rows[#rows])
    local equal = redis.call('ZRANGEBYSCORE', key, rows[#rows], rows[#rows])
    for i = 1, #rows, 2 do
      if tonumber(rows[i + 1]) < last then move(key, base, rows[i], tonumber(rows[i + 1])) end
    end
    for _, member in ipairs(equal) do move(key, base, member, last) end
    low = last
  end
end
for i = 2, #KEYS do
  local from = 0
  while true do
    local first = redis.call('ZRANGEBYSCORE', KEYS[i], from, top, 'WITHSCORES', 'LIMIT', 0, 1)
    if #first == 0 then break end
    local base = math.floor(first[2] / band) * band
    follow(KEYS[i], base)
    from = base + band
  end
end
note()
return {back, moved}
`)

// followClock looks in each shard whether its server's clock was set back.
func (s *Store) followClock() {
	p, err := s.enter(s.ctx)
	if err != nil {
		return
	}
	defer s.leave()
	calls, err := s.ask(p, func(n int) *call { return clockScript.call(p.line(n), []string{p.shards[n].clock()}) })
	if err != nil {
		return
	}
	for _, c := range calls {
		if answer, _ := c.reply.([]any); len(answer) == 2 && integer(answer[0]) > 0 {
			s.moveAlong(p, c.shard)
		}
	}
}

// moveAlong moves what is due later in a shard whose server's clock was set back.
func (s *Store) moveAlong(p *parts, n int) {
	if err := s.learnLanes(s.ctx, p); err != nil {
		return // the next look finds the same
	}
	keys := []string{p.shards[n].clock()}
	lanes := p.lanes.all()
	for _, l := range lanes {
		keys = append(keys, l.keys[n].queue, l.keys[n].leased)
	}
	c := clockScript.call(p.line(n), keys)
	s.direct([]*call{c})
	answer, _ := c.reply.([]any)
	switch {
	case c.err != nil:
		s.log.Warn("redis's clock was set back, and what is due later could not be moved along yet", zap.String("shard", p.shards[n].tag), zap.Error(c.err))
		return
	case len(answer) != 2 || integer(answer[0]) == 0:
		return // another node was faster
	}
	s.log.Warn("redis's clock was set back; what is due later was moved along", zap.String("shard", p.shards[n].tag),
		zap.Duration("by", time.Duration(integer(answer[0]))*time.Millisecond), zap.Int64("deliveries", integer(answer[1])))
	for _, l := range lanes {
		s.wakers.call(l.name)
	}
}
