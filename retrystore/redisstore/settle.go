package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// luaFence is the beginning of the scripts that need a lease. It returns 0 from
// the script unless the lease with the token is the delivery's latest. A lapsed lease is the
// latest until another worker takes the delivery. A lease that Accept made has no token in
// Redis.
//
//	KEYS  1 leases, 2 progress
//	ARGV  1 member, 2 token
const luaFence = `
local band, history = ` + luaBand + `, ` + luaHistory + `
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or (redis.call('HGET', KEYS[2], 't') or '1') ~= ARGV[2] then return 0 end
local first = math.floor(score / band) * band
`

const (
	luaBand    = "4398046511104"  // bandWidth
	luaHistory = "20"             // retrystore.MaxHistory
	luaTop     = "96757023244288" // bandCount * bandWidth: no score is as high
)

// luaNow sets now to the server's milliseconds.
const luaNow = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

// luaRecord adds an attempt to the history, a ring, of a delivery's progress.
const luaRecord = luaInt + `
local function record(key, attempt)
  local n = int(redis.call('HGET', key, 'a')) + 1
  redis.call('HSET', key, 'a', n, 'h' .. (n - 1) % history, attempt)
end
`

// luaProgress reads the fields of a delivery's progress that are ours, but for the
// token and the number of attempts. row is what is kept of it among the siblings, with
// the last attempt.
const luaProgress = luaInt + `
local function progress(key)
  local names = {'ba', 'bs', 'r', 'le'}
  for i = 0, history - 1 do names[#names + 1] = 'h' .. i end
  local values, out = redis.call('HMGET', key, unpack(names)), {}
  for i, name in ipairs(names) do
    if values[i] then out[#out + 1], out[#out + 2] = name, values[i] end
  end
  return out
end
local function row(key, index, attempt)
  local fields, out, attempts = progress(key), {}, int(redis.call('HGET', key, 'a'))
  for i = 1, #fields, 2 do
    out[#out + 1], out[#out + 2] = index .. fields[i], fields[i + 1]
  end
  out[#out + 1], out[#out + 2] = index .. 'a', attempts + 1
  out[#out + 1], out[#out + 2] = index .. 'h' .. attempts % history, attempt
  return out
end
`

// deliveredScript ends a delivery that is its event's only one, and so the event.
//
//	KEYS  1 leases, 2 progress, 3 open index, 4 event, 5 tally
//	ARGV  1 member, 2 token, 3 endpoint
//	returns 1, or 0 if the lease is not the holder's
//
// It is the common end, so it does without what the fence of the others asks for, and
// without asking whether it may do all: if it may not, the holder has its lease for another
// ten seconds.
// An open index that is broken does not keep it from ending: it is repaired elsewhere.
var deliveredScript = newScript("settle", luaUncount+`
if (redis.call('HGET', KEYS[2], 't') or '1') ~= ARGV[2] then return 0 end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
local size = redis.pcall('STRLEN', KEYS[4])
local ended = redis.pcall('DEL', KEYS[4], KEYS[2])
if type(ended) == 'table' and ended.err then
  redis.call('ZADD', KEYS[1], `+luaBand+` + redis.call('TIME')[1] * 1000 + 10000, ARGV[1])
  return ended
end
redis.pcall('ZREM', KEYS[3], ARGV[1])
uncount(KEYS[5], ARGV[3], size)
return 1
`)

// siblingScript ends a delivery that has, or had, siblings. While one of them is
// open or dead it is kept as delivered, and its progress with the siblings;
// else the event ends.
//
//	KEYS  1 leases, 2 progress, 3 open index, 4 event, 5 siblings, 6 delivered, 7 tally
//	ARGV  1 member, 2 token, 3 attempt, 4 endpoint
//	returns 1, or 0 if the lease is not the holder's
var siblingScript = newScript("settle", luaFence+luaMay+luaProgress+luaForget+`
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[6])
local _, broken = counted(KEYS[5])
broken = broken or denied(KEYS[1], KEYS[5], KEYS[5])
if broken then return broken end
local index = string.sub(ARGV[1], -1)
local kept, ended = row(KEYS[2], index, ARGV[3]), done(KEYS[5])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if forget(ARGV[1], KEYS[4], KEYS[5], KEYS[6], KEYS[7], ARGV[4]) then
  redis.call('DEL', KEYS[2])
  return 1
end
redis.call('HSET', KEYS[5], 'd', ended .. index, unpack(kept))
redis.call('ZADD', KEYS[6], 0, ARGV[1])
redis.call('DEL', KEYS[2])
return 1
`)

// luaForget counts a sibling off. When it was the last that was open or dead it
// removes the event with all that is kept of it, and returns true. Its first
// write is one that a full Redis takes, if it is the script's first.
const luaForget = luaCount + luaUncount + `
local function done(siblings) return string.sub(redis.call('HGET', siblings, 'd') or '', 1, 255) end
local function forget(member, event, siblings, delivered, tally, endpoint)
  if redis.call('HINCRBY', siblings, 'n', -1) > 0 then return false end
  local done = done(siblings)
  for i = 1, #done do
    redis.call('ZREM', delivered, string.sub(member, 1, -2) .. string.sub(done, i, i))
  end
  uncount(tally, endpoint, redis.pcall('STRLEN', event))
  redis.call('DEL', event, siblings)
  return true
end
`

// retryScript makes a leased delivery pending again, due later.
//
//	KEYS  1 leases, 2 progress, 3 queue
//	ARGV  1 member, 2 token, 3 attempt, 4 milliseconds until it is due
//	returns 1, or 0 if the lease is not the holder's
var retryScript = newScript("settle", luaFence+luaMay+luaNow+luaRecord+`
redis.call('ZCARD', KEYS[3])
local no = denied(KEYS[1], KEYS[2])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[1])
if first % (2 * band) == 0 then first = first + band end
redis.call('ZADD', KEYS[3], first + now + ARGV[4], ARGV[1])
record(KEYS[2], ARGV[3])
return 1
`)

// deadScript makes a leased delivery dead.
//
//	KEYS  1 leases, 2 progress, 3 open index, 4 dead letters
//	ARGV  1 member, 2 token, 3 attempt, 4 reason
//	returns 1, or 0 if the lease is not the holder's
var deadScript = newScript("settle", luaFence+luaMay+luaRecord+`
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[4])
local no = denied(KEYS[1], KEYS[2])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('HSET', KEYS[2], 'r', ARGV[4])
record(KEYS[2], ARGV[3])
return 1
`)

// Settle ends the lease with a result; see retrystore.Queue.
func (s *Store) Settle(ctx context.Context, d *retrystore.Delivery, st retrystore.Settlement) error {
	switch st.State {
	case retrystore.Delivered, retrystore.Pending, retrystore.Dead:
	default:
		return fmt.Errorf("delivery %s cannot be settled as %s", d.ID, st.State)
	}
	h, err := s.hold(ctx, d)
	if err != nil {
		return err
	}
	defer s.leave()
	attempt := appendAttempt(nil, st.Attempt)
	kept := s.keeper.on()
	var c *call
	switch {
	case st.State == retrystore.Pending:
		delay := milliseconds(time.Until(st.NextAttemptAt))
		c = retryScript.call(h.line, []string{h.keys.leased, h.progress, h.keys.queue}, h.member, h.token, attempt, delay)
	case st.State == retrystore.Delivered && kept != nil:
		c = h.keptCall(kept, h.shards, attempt)
	case st.State == retrystore.Dead:
		c = deadScript.call(h.line, []string{h.keys.leased, h.progress, h.keys.open, h.keys.dead}, h.member, h.token, attempt, cut(st.Reason))
	case h.id.index() == sole:
		c = deliveredScript.call(h.line, []string{h.keys.leased, h.progress, h.keys.open, h.event, h.shard.tally()}, h.member, h.token, h.lane.name.Endpoint)
	default:
		c = siblingScript.call(h.line, []string{h.keys.leased, h.progress, h.keys.open, h.event, h.shard.siblings(h.id.event()), h.shard.delivered(), h.shard.tally()},
			h.member, h.token, attempt, h.lane.name.Endpoint)
	}
	if err := s.fenced(ctx, c, h.doubt(), true); err != nil {
		return err
	}
	switch st.State {
	case retrystore.Pending:
		s.wakers.call(h.lane.name)
	case retrystore.Delivered:
		s.noteKept(kept, c.reply)
	}
	return nil
}

// renewScript extends a lease.
//
//	KEYS  1 leases, 2 progress
//	ARGV  1 member, 2 token, 3 milliseconds
//	returns 1, or 0 if the lease is not the holder's
var renewScript = newScript("renew", luaFence+luaMay+luaNow+`
local no = denied(KEYS[1])
if no then return no end
redis.call('ZADD', KEYS[1], first + now + ARGV[3], ARGV[1])
return 1
`)

// Renew extends a lease; see retrystore.Queue.
func (s *Store) Renew(ctx context.Context, d *retrystore.Delivery, lease time.Duration) error {
	h, err := s.hold(ctx, d)
	if err != nil {
		return err
	}
	defer s.leave()
	c := renewScript.call(h.line, []string{h.keys.leased, h.progress}, h.member, h.token, milliseconds(lease))
	if err := s.fenced(ctx, c, h.doubt(), false); err != nil {
		return err
	}
	d.Lease.Until = c.sent.Add(lease)
	return nil
}

// releaseScript makes a leased delivery pending and due, as it was before.
//
//	KEYS  1 leases, 2 progress, 3 queue
//	ARGV  1 member, 2 token
//	returns 1, or 0 if the lease is not the holder's
var releaseScript = newScript("release", luaFence+luaMay+luaNow+`
redis.call('ZCARD', KEYS[3])
local no = denied(KEYS[1])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[3], first + now, ARGV[1])
return 1
`)

func releaseCall(l *line, shard shard, lane *lane, id deliveryID, token uint64) *call {
	k := &lane.keys[shard.number]
	return releaseScript.call(l, []string{k.leased, shard.progress(id), k.queue}, id[:], tokenText(token))
}

// Release gives a lease back; see retrystore.Queue.
func (s *Store) Release(ctx context.Context, d *retrystore.Delivery) error {
	h, err := s.hold(ctx, d)
	if err != nil {
		return err
	}
	defer s.leave()
	if err := s.fenced(ctx, releaseCall(h.line, h.shard, h.lane, h.id, d.Lease.Token), h.doubt(), true); err != nil {
		return err
	}
	s.wake(h.lane)
	return nil
}

// held is where a leased delivery is.
type held struct {
	id              deliveryID
	lane            *lane
	line            *line
	shard           shard
	shards          int // of the store
	keys            *laneKeys
	event, progress string
	member          []byte
	lease           uint64 // its token
	token           string // the same for Redis
}

// hold begins a call for the holder of a lease. The caller must leave if the
// error is nil.
func (s *Store) hold(ctx context.Context, d *retrystore.Delivery) (*held, error) {
	p, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	id, ok := parseID(d.ID)
	number := id.event().shard()
	if !ok || number >= len(p.shards) {
		s.leave()
		return nil, fmt.Errorf("delivery %q: %w", d.ID, retrystore.ErrLeaseLost)
	}
	h := &held{id: id, lane: p.lanes.get(d.Lane), line: p.line(number), shard: p.shards[number], shards: len(p.shards), member: id[:], lease: d.Lease.Token, token: tokenText(d.Lease.Token)}
	h.keys = &h.lane.keys[number]
	h.event, h.progress = h.shard.event(id.event()), h.shard.progress(id)
	return h, nil
}

// fenced runs a script that returns 0 when a lease, or the hold of a key, was
// lost. ends says that the script spends the token: then it is no error if an earlier run,
// whose result is not known, has spent it already.
func (s *Store) fenced(ctx context.Context, c *call, lease doubt, ends bool) error {
	again := ends && s.doubts.forget(lease) // a call before this one
	err := c.line.submit(ctx, c, 2*s.options.Timeout)
	switch {
	case err != nil:
		if ends && (c.unsure || again) {
			s.doubts.note(lease)
		}
		return err
	case integer(c.reply) >= 1, again, ends && c.repeated:
		return nil
	}
	return fmt.Errorf("%s: %w", lease.of, retrystore.ErrLeaseLost)
}

// maxDoubts bounds the results in doubt. There are hardly more than workers.
const maxDoubts = 4096

// doubts are the leases whose end was sent to Redis, but not confirmed. Whoever
// tells the result again must not hear that the lease was lost to another.
type doubts struct {
	mu     sync.Mutex
	leases map[doubt]struct{}
	count  atomic.Int32 // saves the lock while there are none
}

// doubt is a lease of a delivery, or the hold of a key.
type doubt struct {
	of    string // for people
	token uint64
}

func (h *held) doubt() doubt { return doubt{"delivery " + h.id.String(), h.lease} }

func (u *doubts) note(lease doubt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.leases == nil || len(u.leases) >= maxDoubts {
		u.leases = make(map[doubt]struct{}) // what is forgotten costs a false alarm
	}
	u.leases[lease] = struct{}{}
	u.count.Store(int32(len(u.leases)))
}

// forget removes a lease and reports whether it was in doubt.
func (u *doubts) forget(lease doubt) bool {
	if u.count.Load() == 0 {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	_, found := u.leases[lease]
	delete(u.leases, lease)
	u.count.Store(int32(len(u.leases)))
	return found
}

func tokenText(token uint64) string { return strconv.FormatUint(token, 10) }
