package redisstore

import (
	"sync/atomic"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// What is kept of delivered events (retrystore.Retention) stays where delivered
// deliveries with open siblings are: the event, without its body, the siblings'
// hash, and the index P:z. P:y orders what is kept by when it was settled, for
// dropping the oldest. An event enters it in the script that settles the last of
// its deliveries; what exceeds the bounds is dropped beside that, for many events
// at a time, as the keys of others cannot be named before they are known.

// luaStrip puts an empty body in the place of an event's own. The record says
// then that it has none, and has no checksum.
const luaStrip = `
local function strip(key)
  local b = redis.call('GETRANGE', key, 0, 1023)
  local function number(at)
    local value, scale = 0, 1
    while true do
      at = at + 1
      if at > #b then b = redis.call('GETRANGE', key, 0, 2 * at + 1023) end
      local c = string.byte(b, at) or 0
      value, scale = value + c % 128 * scale, scale * 128
      if c < 128 or scale > 2^49 then return value, at end
    end
  end
  local size, at = number(5)
  size, at = number(at + size + 1)
  size, at = number(at)
  size, at = number(at + size)
  local cut = at + size
  if number(cut) == 0 then return end
  if cut > #b then b = redis.call('GETRANGE', key, 0, cut - 1) end
  redis.call('SET', key, '\0\0\0\0\2' .. string.sub(b, 6, cut) .. '\0')
end
`

// luaKeep puts deliveries of one event, by their indexes, among those kept. It
// returns the error if Redis refuses: it may be the script's first write.
const luaKeep = `
local function keep(kept, member, indexes, now)
  local rows = {}
  for i = 1, #indexes do
    rows[2 * i - 1], rows[2 * i] = now, string.sub(member, 1, -2) .. string.sub(indexes, i, i)
  end
  local answer = redis.pcall('ZADD', kept, unpack(rows))
  return type(answer) == 'table' and answer.err and answer or nil
end
`

// Answers of keptScript besides 0.
const (
	keptFits    = 1
	keptTooMany = 2
	keptFull    = 3
)

// keptScript ends a delivery of an event that is kept, once this was the last
// that was open or dead. A full Redis keeps nothing new.
//
//	KEYS  1 leases, 2 progress, 3 open index, 4 event, 5 siblings, 6 delivered, 7 kept, 8 tally
//	ARGV  1 member, 2 token, 3 attempt, 4 how many to keep, 5 whether with bodies (0 or 1), 6 endpoint
//	returns 0 if the lease is not the holder's; else 1; or 2 if more are kept than
//	      that; or 3 if the event ended, as Redis is full
var keptScript = newScript("settle", luaFence+luaMay+luaNow+luaProgress+luaForget+luaStrip+luaKeep+`
for _, i in ipairs({3, 6, 7}) do redis.call('ZCARD', KEYS[i]) end
local member, index = ARGV[1], string.sub(ARGV[1], -1)
local sole = index == '\255'
local left, done, broken = 1, done(KEYS[5]), nil
if not sole then
  left, broken = counted(KEYS[5])
  if broken then return broken end
end
local no = mayWrite(KEYS[6], KEYS[5], KEYS[5])
if no then return no end
local row = row(KEYS[2], index, ARGV[3])
local refused = left <= 1 and keep(KEYS[7], member, done .. index, now)
if refused and not string.find(refused.err, 'OOM', 1, true) then return refused end
redis.call('ZREM', KEYS[1], member)
redis.call('ZREM', KEYS[3], member)
if refused then
  if sole then
    uncount(KEYS[8], ARGV[6], redis.pcall('STRLEN', KEYS[4]))
    redis.call('DEL', KEYS[4])
  else
    forget(member, KEYS[4], KEYS[5], KEYS[6], KEYS[8], ARGV[6])
  end
  redis.call('DEL', KEYS[2])
  return 3
end
if not sole then
  redis.call('HINCRBY', KEYS[5], 'n', -1)
  row[#row + 1], row[#row + 2] = 'd', done .. index
end
redis.call('HSET', KEYS[5], unpack(row))
redis.call('ZADD', KEYS[6], 0, member)
redis.call('DEL', KEYS[2])
if left > 1 then return 1 end
uncount(KEYS[8], ARGV[6], redis.pcall('STRLEN', KEYS[4]))
if ARGV[5] == '0' then pcall(strip, KEYS[4]) end
return redis.call('ZCARD', KEYS[7]) > tonumber(ARGV[4]) and 2 or 1
`)

// deleteKeptScript is deleteScript for one with siblings, of which those that
// were delivered are kept.
//
//	KEYS  as luaAlter, 7 event, 8 siblings, 9 tally, 10 kept
//	ARGV  1 member, 2 whether with bodies (0 or 1), 3 endpoint
//	returns 'ok', or the state that does not allow it
var deleteKeptScript = newScript("delete", luaMay+luaForget+luaStrip+luaKeep+luaLook+`
redis.call('ZCARD', KEYS[10])
local _, broken = counted(KEYS[8])
broken = broken or denied(KEYS[1], nil, KEYS[8])
if broken then return broken end
local known = redis.call('HMGET', KEYS[8], 'n', 'd')
`+luaAlter+`
redis.call('ZREM', KEYS[1], ARGV[1])
if known[1] ~= '1' or not known[2] or keep(KEYS[10], ARGV[1], string.sub(known[2], 1, 255), now) then
  forget(ARGV[1], KEYS[7], KEYS[8], KEYS[6], KEYS[9], ARGV[3])
  redis.call('DEL', KEYS[5])
  return 'ok'
end
redis.call('HINCRBY', KEYS[8], 'n', -1)
uncount(KEYS[9], ARGV[3], redis.pcall('STRLEN', KEYS[7]))
if ARGV[2] == '0' then pcall(strip, KEYS[7]) end
redis.call('DEL', KEYS[5])
return 'ok'
`)

// exceedingScript names the oldest kept deliveries, as far as they are too many
// or too old.
//
//	KEYS  1 kept
//	ARGV  1 how many to keep, 2 for how many milliseconds, 0 for any, 3 how many to name at most
//	returns their ids
var exceedingScript = newScript("trim", luaNow+`
local over, age, out = redis.call('ZCARD', KEYS[1]) - ARGV[1], tonumber(ARGV[2]), {}
if over <= 0 and age == 0 then return out end
local rows = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #rows / 2 do
  if i > over and (age == 0 or rows[2 * i] + age > now) then break end
  out[i] = rows[2 * i - 1]
end
return out
`)

// dropScript removes kept events. To remove what is gone is no error.
//
//	KEYS  1 kept, 2 delivered, then for each: event, siblings
//	ARGV  1 how many, then for each: event id; then the deliveries that were named
//	returns 1
var dropScript = newScript("trim", `
local events = tonumber(ARGV[1])
local function drop(members)
  redis.call('ZREM', KEYS[1], unpack(members))
  redis.call('ZREM', KEYS[2], unpack(members))
end
for i = 1, events do
  local done, members = string.sub(redis.call('HGET', KEYS[2 + 2 * i], 'd') or '', 1, 255), {}
  for j = 1, #done do members[j] = ARGV[1 + i] .. string.sub(done, j, j) end
  redis.call('DEL', KEYS[1 + 2 * i], KEYS[2 + 2 * i])
  if #done > 0 then drop(members) end
end
drop({unpack(ARGV, events + 2)})
return 1
`)

const (
	// trimChunk is how many deliveries a script drops: Redis serves no other client
	// meanwhile.
	trimChunk = 64
	// squeezeChunks is how many chunks of each shard go when Redis is full.
	squeezeChunks = 8
	// lookInterval is how often a busy store looks for what has become too old;
	// one at rest does with its upkeep.
	lookInterval = time.Second
)

// keeper is what the store knows about retention.
type keeper struct {
	setting atomic.Pointer[retrystore.Retention] // normal; nil before Retain
	cleared atomic.Bool                          // nothing is kept, and nothing is left to drop
	full    atomic.Bool                          // Redis was full since the last look
	looked  atomic.Int64                         // when the latest look began, Unix nanoseconds
	kick    chan struct{}
}

// on returns what to keep, nil if that is nothing.
func (k *keeper) on() *retrystore.Retention {
	if r := k.setting.Load(); r != nil && r.Count > 0 {
		return r
	}
	return nil
}

// look has the trimmer look at all shards.
func (k *keeper) look() {
	select {
	case k.kick <- struct{}{}:
	default: // it was told already
	}
}

// squeeze has the oldest dropped, as there is no room for what is new.
func (k *keeper) squeeze() {
	if k.on() != nil {
		k.full.Store(true)
		k.look()
	}
}

// Retain says what to keep; see retrystore.Retainer. With several nodes each
// goes by its own: they should say the same. Every shard keeps its share of
// Count. Up to a sixteenth more, but no more than trimChunk, may be kept for a
// while, so that they go together.
func (s *Store) Retain(r retrystore.Retention) {
	r = r.Normal()
	s.keeper.setting.Store(&r)
	s.keeper.cleared.Store(false)
	s.keeper.look()
}

// keptCall is the end of a delivery while events are kept.
func (h *held) keptCall(r *retrystore.Retention, shards int, attempt []byte) *call {
	count := share(r.Count, shards)
	count += min(count/16, trimChunk)
	return keptScript.call(h.line,
		[]string{h.keys.leased, h.progress, h.keys.open, h.event, h.shard.siblings(h.id.event()), h.shard.delivered(), h.shard.kept(), h.shard.tally()},
		h.member, h.token, attempt, count, flag(r.Bodies), h.lane.name.Endpoint)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// noteKept hears what keptScript said of the bound. r is nil if it was another.
func (s *Store) noteKept(r *retrystore.Retention, answer any) {
	switch {
	case r == nil:
	case integer(answer) == keptFull:
		s.keeper.squeeze()
	case integer(answer) == keptTooMany, r.Age > 0 && time.Since(time.Unix(0, s.keeper.looked.Load())) > lookInterval:
		s.keeper.look()
	}
}

// trimmer drops what is too much or too old whenever it is told to look.
func (s *Store) trimmer() {
	for {
		select {
		case <-s.keeper.kick:
			s.trim()
		case <-s.stopped:
			return
		}
	}
}

// trim looks at all shards. Those that do not answer are left to the next look.
func (s *Store) trim() {
	r := s.keeper.setting.Load()
	p, err := s.enter(s.ctx)
	if r == nil || err != nil {
		if err == nil {
			s.leave()
		}
		return
	}
	s.leave()
	s.keeper.looked.Store(time.Now().UnixNano())
	full := s.keeper.full.Swap(false)
	all := true
	for n := range p.shards {
		all = s.trimShard(p, n, r, full) && all
	}
	if all && r.Count == 0 && s.keeper.setting.Load() == r {
		s.keeper.cleared.Store(true)
	}
}

// trimShard reports whether nothing was in its way. Close need not wait for all
// of it.
func (s *Store) trimShard(p *parts, n int, r *retrystore.Retention, full bool) bool {
	for chunk := 0; ; chunk++ {
		if _, err := s.enter(s.ctx); err != nil {
			return false
		}
		count := share(r.Count, len(p.shards))
		if full && chunk < squeezeChunks {
			count = 0
		}
		dropped, err := s.trimChunk(p, n, count, milliseconds(r.Age))
		s.leave()
		if err != nil || dropped < trimChunk || s.keeper.setting.Load() != r {
			return err == nil
		}
	}
}

// trimChunk drops some of the oldest that are kept in a shard, and says how many.
func (s *Store) trimChunk(p *parts, n, count int, age int64) (int, error) {
	shard, line := p.shards[n], p.line(n)
	c := exceedingScript.call(line, []string{shard.kept()}, count, age, trimChunk)
	if s.direct([]*call{c}); c.err != nil {
		return 0, c.err
	}
	keys := []string{shard.kept(), shard.delivered()}
	var events, members []any
	latest := eventID{}
	found, _ := c.reply.([]any)
	for _, m := range found {
		member := text(m)
		members = append(members, []byte(member))
		if !ours(member, n) {
			continue // nobody writes such a member
		}
		if id := deliveryID([]byte(member)).event(); id != latest { // those of one event are together
			latest = id
			keys = append(keys, shard.event(id), shard.siblings(id))
			events = append(events, id[:])
		}
	}
	if len(members) == 0 {
		return 0, nil
	}
	args := append([]any{len(events)}, append(events, members...)...)
	c = dropScript.call(line, keys, args...)
	s.direct([]*call{c})
	return len(members), c.err
}
