package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Others may write to our keys: a person with redis-cli, another program with the
// same prefix. What they break must block nothing. Scripts check types before they
// write, so that one which fails on a broken key has written nothing. The key is then
// renamed, the script runs again, and upkeep brings the lane's sets in line.

// maxRepairs bounds how often one call is run again after a repair.
const maxRepairs = 3

// quarantine is in the names of the keys that were set aside.
const quarantine = ":broken:"

// setAsideScript renames keys that are of another type than ours. Where RENAME is
// not permitted it deletes them.
//
//	KEYS  for each: key, name to keep it under
//	ARGV  for each: the type it should have: z, h, s(tring) or S(et)
//	returns for each broken one: its number, whether it is kept (0 or 1)
var setAsideScript = newScript("repair", `
local out = {}
for i, kind in ipairs(ARGV) do
  local key, answer = KEYS[2 * i - 1], nil
  if kind == 'z' then answer = redis.pcall('ZCARD', key)
  elseif kind == 'h' then answer = redis.pcall('HGET', key, 't')
  elseif kind == 's' then answer = redis.pcall('GETRANGE', key, 0, 0)
  else answer = redis.pcall('SMEMBERS', key) end
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true) then return answer end
  if type(answer) == 'table' and answer.err then
    local moved = redis.pcall('RENAME', key, KEYS[2 * i])
    local kept = not (type(moved) == 'table' and moved.err)
    if not kept then redis.call('DEL', key) end
    out[#out + 1], out[#out + 2] = i, kept and 1 or 0
  end
end
return out
`)

// kindOf says of what type a key should be: of one of ours, by its name.
func kindOf(key string) string {
	_, name, _ := strings.Cut(key, "}:")
	kind, _, _ := strings.Cut(name, ":")
	switch kind {
	case "o", "q", "l", "x", "y", "z":
		return "z"
	case "s", "g", "b":
		return "h"
	case "lanes":
		return "S"
	}
	return "s"
}

// keys are those that the call names.
func (c *call) keys() []string {
	n, _ := c.words[2].(int)
	keys := make([]string, 0, n)
	for _, w := range c.words[3 : 3+n] {
		keys = append(keys, w.(string))
	}
	return keys
}

// repair looks at the keys of a call that failed, and repairs what it can. It reports
// whether it is worth while to run the call again.
func (s *Store) repair(ctx context.Context, c *call) bool {
	if c.repairs++; c.repairs > maxRepairs {
		return false
	}
	repaired, _ := s.setAside(ctx, c.line, c.keys())
	if strings.Contains(c.err.Error(), brokenCount) {
		repaired = s.recount(ctx, c) || repaired
	}
	return repaired
}

// setAside renames those of the keys that are not of their type. It reports whether there
// were any.
func (s *Store) setAside(ctx context.Context, l *line, keys []string) (bool, error) {
	pairs, kinds := make([]string, 0, 2*len(keys)), make([]any, 0, len(keys))
	for i, key := range keys {
		tag, _, _ := strings.Cut(key, "}")
		kind := kindOf(key)
		pairs = append(pairs, key, fmt.Sprintf("%s}%s%s:%d:%d", tag, quarantine, kind, time.Now().UnixNano(), i))
		kinds = append(kinds, kind)
	}
	c := setAsideScript.call(l, pairs, kinds...)
	s.now(ctx, c)
	found, _ := c.reply.([]any)
	for i := 0; i+1 < len(found); i += 2 {
		at := int(integer(found[i])) - 1
		if at < 0 || at >= len(keys) {
			continue
		}
		s.broken.Add(1)
		fields := []zap.Field{zap.String("key", fmt.Sprintf("%q", keys[at]))}
		if integer(found[i+1]) == 1 {
			fields = append(fields, zap.String("renamed_to", pairs[2*at+1]))
		} else {
			fields = append(fields, zap.String("advice", "allow +rename, and such keys are kept"))
		}
		s.log.Error("key of another type than ours was set aside; does somebody else write to our keys?", fields...)
		s.suspect()
	}
	return len(found) > 0, c.err
}

// now runs a call beside all queues, without a repair.
func (s *Store) now(ctx context.Context, c *call) {
	c.words[0], c.words[1] = "EVAL", c.script.source
	s.roundTrip(ctx, []*call{c})
}

// brokenCount is what scripts answer when a siblings' hash does not say how many of
// them are open or dead.
const brokenCount = "BROKENCOUNT"

// luaCount returns that number, or an error for the script to return before it writes.
const luaCount = `
local function counted(siblings)
  local n = tonumber(redis.call('HGET', siblings, 'n') or '')
  if not n or n < 1 or n > 255 or n % 1 ~= 0 then return nil, redis.error_reply('` + brokenCount + ` of siblings') end
  return n
end
`

// luaInt reads a number; 0 if it is garbled.
const luaInt = `
local function int(v)
  v = tonumber(v or 0)
  if not v or v ~= v or v < 0 or v > 2^53 or v % 1 ~= 0 then return 0 end
  return v
end
`

// openScript counts those deliveries of an event that are open or dead.
//
//	KEYS  1 siblings, then for each delivery: open index, dead letters
//	ARGV  for each delivery: member
//	returns the number, which it also writes where it was lost
var openScript = newScript("repair", luaCount+`
if counted(KEYS[1]) then return 0 end
local n = 0
for i = 1, #ARGV do
  if redis.call('ZSCORE', KEYS[2 * i], ARGV[i]) or redis.call('ZSCORE', KEYS[2 * i + 1], ARGV[i]) then n = n + 1 end
end
redis.call('HSET', KEYS[1], 'n', math.max(n, 1))
return n
`)

// recount writes anew how many deliveries of the events of a call are open or dead.
// An event that cannot be read stays, because its number is not known.
func (s *Store) recount(ctx context.Context, c *call) (repaired bool) {
	p := s.parts.Load()
	for _, key := range c.keys() {
		_, name, _ := strings.Cut(key, "}:")
		id, ok := strings.CutPrefix(name, "g:")
		if !ok || p == nil || len(id) != len(eventID{}) {
			continue
		}
		event := eventID([]byte(id))
		if event.shard() >= len(p.shards) {
			continue
		}
		shard := p.shards[event.shard()]
		keys, args := []string{key}, []any(nil)
		read := locateScript.call(c.line, []string{shard.event(event)}, 1<<30)
		s.now(ctx, read)
		h, _, err := decodeHead([]byte(text(read.reply)))
		for i := 0; err == nil && i < len(h.targets); i++ {
			k := &p.lanes.get(retrystore.Lane{Endpoint: h.endpoint, Destination: h.targets[i].destination}).keys[shard.number]
			keys, args = append(keys, k.open, k.dead), append(args, event.delivery(byte(i)).member())
		}
		write := openScript.call(c.line, keys, args...)
		s.now(ctx, write)
		repaired = repaired || write.err == nil
		s.broken.Add(1)
		s.log.Error("siblings of a delivery were counted anew: their hash was damaged", zap.String("key", fmt.Sprintf("%q", key)), zap.Error(write.err))
	}
	return repaired
}

// evictScript removes members that are no deliveries of ours.
//
//	KEYS  sets
//	ARGV  members
//	returns 1
var evictScript = newScript("repair", `
for _, key in ipairs(KEYS) do
  for _, member in ipairs(ARGV) do redis.call('ZREM', key, member) end
end
return 1
`)

// evict removes foreign members of sets.
func (s *Store) evict(l *line, sets []string, members []string) error {
	args := make([]any, len(members))
	for i, m := range members {
		args[i] = []byte(m)
	}
	c := evictScript.call(l, sets, args...)
	if s.direct([]*call{c}); c.err != nil {
		return c.err
	}
	s.broken.Add(uint64(len(members)))
	for _, m := range members[:min(len(members), 10)] {
		s.log.Error("entry of a queue that is no delivery was removed; does somebody else write to our keys?",
			zap.Strings("keys", quoted(sets)), zap.String("entry", fmt.Sprintf("%.80q", m)), zap.Int("entries", len(members)))
	}
	return nil
}

func quoted(keys []string) []string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = fmt.Sprintf("%q", key)
	}
	return all
}

// ours reports whether a member of a set of the shard can be a delivery.
func ours(member string, shard int) bool {
	return len(member) == len(deliveryID{}) && int(member[15]) == shard
}

// Broken returns how many keys, entries and records were found damaged, and were
// set aside, since the store was opened.
func (s *Store) Broken() uint64 { return s.broken.Load() }

// suspect has upkeep look at the lanes soon.
func (s *Store) suspect() {
	select {
	case s.suspected <- struct{}{}:
	default:
	}
}
