package redislimiter

import (
	"crypto/sha1"
	"encoding/hex"
)

// script is a Lua script and the name by which Redis knows it.
type script struct{ text, sha string }

func newScript(body string) *script {
	text := stateLua + body
	sum := sha1.Sum([]byte(text))
	return &script{text, hex.EncodeToString(sum[:])}
}

// stateLua is limiter.State in Lua, function by function; its comments say why.
// All numbers are whole and below 2^53, so that Lua's doubles are exact.
//
// A state is kept as a byte for the version of the format and doubles: whether
// it is a sliding window (0 or 1), burst, count, micros, at, born, spent, and of
// each mark the slot and its count. A value that is garbled or of another type counts as
// never used: it is overwritten, and counted.
//
// Replicas get all writes, so that spent tokens stay spent after a failover. The
// append-only file does not: with appendfsync always, a flood of requests would flush it
// for data that is not worth keeping. (With replicas, two keys leave an empty transaction
// of 29 bytes in the file, because Redis wraps what it sends to them.) A refusal is not
// replicated, because it changes nothing. Deletions are replicated, because a replica does
// not expire keys by itself.
const stateLua = `
local mod = math.fmod
local head, mark = '<Bddddddd', '<dd'
local headSize, markSize = 57, 16

local function div(a, b) return (a - mod(a, b)) / b end

local function ceilDiv(a, b)
  if a == 0 then return 0 end
  return div(a - 1, b) + 1
end

local function window(s) return ceilDiv(s.burst * s.micros, s.count) end

local function grain(s)
  if s.burst <= 32 then return 1 end
  return ceilDiv(window(s), 32)
end

local function fresh(s) return s.spent == 0 and #s.log == 0 end

local function total(log)
  local n = 0
  for i = 2, #log, 2 do n = n + log[i] end
  return n
end

local function add(s, slot, n)
  local log = s.log
  if n == 0 then return end
  if log[#log - 1] == slot then
    log[#log] = log[#log] + n
  else
    log[#log + 1] = slot
    log[#log + 1] = n
  end
end

local function settleLog(s, now)
  local g, w = grain(s), window(s)
  local current, later, log = div(now, g), 0, s.log
  s.log = {}
  for i = 1, #log, 2 do
    local slot, n = log[i], log[i + 1]
    if slot * g + g - 1 + w > now then
      if slot > current then later = later + n else add(s, slot, n) end
    end
  end
  add(s, current, later)
end

local function settle(s, now)
  local elapsed = math.max(now - s.at, 0)
  s.at, s.born = now, math.min(s.born, now)
  if s.spent > 0 then
    if elapsed >= ceilDiv(s.spent, s.count) then
      s.spent = 0
    else
      s.spent = s.spent - elapsed * s.count
    end
  end
  if #s.log > 0 then settleLog(s, now) end
end

local function same(s, limit)
  return s.sliding == limit.sliding and s.burst == limit.burst and s.count == limit.count and s.micros == limit.micros
end

local function put(s, limit)
  s.sliding, s.burst, s.count, s.micros = limit.sliding, limit.burst, limit.count, limit.micros
end

local function retune(s, limit)
  if s.sliding == 1 and limit.sliding == 1 then
    local from, log = grain(s), s.log
    put(s, limit)
    local to = grain(s)
    s.log = {}
    for i = 1, #log, 2 do add(s, div(log[i] * from + from - 1, to), log[i + 1]) end
    settleLog(s, s.at)
  elseif s.sliding == 0 and limit.sliding == 0 and s.count == limit.count and s.micros == limit.micros then
    put(s, limit)
    s.spent = math.min(s.spent, s.burst * s.micros)
  else
    local requests = ceilDiv(s.spent, s.micros) + total(s.log)
    s.spent, s.log = 0, {}
    put(s, limit)
    if s.sliding == 1 then
      add(s, div(s.at, grain(s)), requests)
    else
      s.spent = math.min(requests, s.burst) * s.micros
    end
  end
end

local function tune(s, limit, now)
  settle(s, now)
  if fresh(s) then
    put(s, limit)
    s.born = now
  elseif not same(s, limit) then
    retune(s, limit)
    s.born = now
  end
end

local function remaining(s)
  if s.sliding == 1 then return math.max(s.burst - total(s.log), 0) end
  return s.burst - ceilDiv(s.spent, s.micros)
end

local function expires(s, slot) local g = grain(s) return slot * g + g - 1 + window(s) end

local function nextIn(s)
  if fresh(s) then return 0 end
  if s.sliding == 1 then
    local surplus = math.max(total(s.log) - s.burst, 0) + 1
    for i = 1, #s.log, 2 do
      surplus = surplus - s.log[i + 1]
      if surplus <= 0 then return expires(s, s.log[i]) - s.at end
    end
  end
  local part = mod(s.spent, s.micros)
  if part == 0 then part = s.micros end
  return ceilDiv(part, s.count)
end

local function resetIn(s)
  if #s.log > 0 then return expires(s, s.log[#s.log - 1]) - s.at end
  return ceilDiv(s.spent, s.count)
end

local function slotOf(s)
  if s.sliding == 1 then return div(s.at, grain(s)) end
  return 0
end

local damaged = 0
local most = 2^53

local function whole(n, from, to) return n >= from and n <= to and mod(n, 1) == 0 end

local function sound(s)
  if not (whole(s.sliding, 0, 1) and whole(s.burst, 1, most) and whole(s.count, 1, 2^63) and whole(s.micros, 1, most)
    and s.burst * s.micros <= most and whole(s.at, 0, most) and whole(s.born, 0, most)
    and whole(s.spent, 0, s.sliding == 1 and 0 or s.burst * s.micros) and (s.sliding == 1 or #s.log == 0)) then return false end
  local last = -1
  for i = 1, #s.log, 2 do
    if not (whole(s.log[i], last + 1, most) and whole(s.log[i + 1], 1, most)) then return false end
    last = s.log[i]
  end
  return true
end

local function read(key)
  local raw = redis.pcall('GET', key)
  if type(raw) == 'table' then
    if string.sub(raw.err, 1, 9) ~= 'WRONGTYPE' then return redis.call('GET', key) end
    raw = ''
  end
  local s = {sliding = 0, burst = 1, count = 1, micros = 1, at = 0, born = 0, spent = 0, log = {}, raw = raw}
  if not raw then return s end
  if #raw >= headSize and mod(#raw - headSize, markSize) == 0 and string.byte(raw) == 1 then
    local found = {log = {}, raw = raw}
    local _, at
    _, found.sliding, found.burst, found.count, found.micros, found.at, found.born, found.spent, at = struct.unpack(head, raw)
    while at <= #raw do
      found.log[#found.log + 1], found.log[#found.log + 2], at = struct.unpack(mark, raw, at)
    end
    if sound(found) then return found end
  end
  damaged = damaged + 1
  return s
end

local function save(key, s, expire, scope)
  if fresh(s) then
    if s.raw then
      redis.set_repl(redis.REPL_REPLICA)
      redis.call('DEL', key)
    end
    return
  end
  local parts = {struct.pack(head, 1, s.sliding, s.burst, s.count, s.micros, s.at, s.born, s.spent)}
  for i = 1, #s.log, 2 do parts[#parts + 1] = struct.pack(mark, s.log[i], s.log[i + 1]) end
  local packed = table.concat(parts)
  if packed == s.raw then return end
  redis.set_repl(scope)
  if expire then
    redis.call('SET', key, packed, 'PX', string.format('%.0f', ceilDiv(resetIn(s), 1000) + 1))
  else
    redis.call('SET', key, packed)
  end
end

local function limitAt(i)
  return {burst = tonumber(ARGV[i]), count = tonumber(ARGV[i + 1]), micros = tonumber(ARGV[i + 2]), sliding = tonumber(ARGV[i + 3])}
end

local now = tonumber(ARGV[1])
local ownClock = now == nil
if ownClock then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
`

// takeScript takes a token of every key, or of none.
//
//	KEYS    a key for every ask, all in one slot
//	ARGV    the time in microseconds, or "" for the server's clock; 1 to take, 0 to look only;
//	        and for every ask its burst, count, micros, and 1 for a sliding window or 0
//	returns 1 if all were allowed, or 0; the time; and for every ask
//	        remaining, next, reset, and the slot that was taken from; then how many keys were damaged
var takeScript = newScript(`
local states, allowed = {}, 1
for i, key in ipairs(KEYS) do
  local s = read(key)
  tune(s, limitAt(4 * i - 1), now)
  if remaining(s) < 1 then allowed = 0 end
  states[i] = s
end
local taking = allowed == 1 and ARGV[2] == '1'
local scope = taking and redis.REPL_REPLICA or redis.REPL_NONE
local answer = {allowed, now}
for i, s in ipairs(states) do
  local slot = slotOf(s)
  if taking then
    if s.sliding == 1 then add(s, slot, 1) else s.spent = s.spent + s.micros end
  end
  save(KEYS[i], s, ownClock, scope)
  answer[#answer + 1] = remaining(s)
  answer[#answer + 1] = nextIn(s)
  answer[#answer + 1] = resetIn(s)
  answer[#answer + 1] = slot
end
answer[#answer + 1] = damaged
return answer
`)

// returnScript gives back what was taken.
//
//	KEYS    a key for every token, all in one slot
//	ARGV    the time in microseconds, or "" for the server's clock; and for every token the burst,
//	        count, micros, and 1 for a sliding window or 0, of the limit it was taken under, when, and from what slot
//	returns how many were given back, the others being void, and how many keys were damaged
var returnScript = newScript(`
local given = 0
for i, key in ipairs(KEYS) do
  local s, limit = read(key), limitAt(6 * i - 4)
  local at, slot = tonumber(ARGV[6 * i]), tonumber(ARGV[6 * i + 1])
  if s.raw then
    settle(s, now)
    if not fresh(s) and same(s, limit) and at >= s.born then
      if s.sliding == 0 then
        s.spent = math.max(s.spent - s.micros, 0)
        given = given + 1
      else
        local log = s.log
        for j = 1, #log, 2 do
          if log[j] == slot then
            log[j + 1] = log[j + 1] - 1
            given = given + 1
            if log[j + 1] == 0 then
              table.remove(log, j)
              table.remove(log, j)
            end
            break
          end
        end
      end
    end
    save(key, s, ownClock, redis.REPL_REPLICA)
  end
end
return {given, damaged}
`)
