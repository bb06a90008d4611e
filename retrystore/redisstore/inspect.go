package redisstore

import (
	"context"
	"fmt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// inspectScript tells where a delivery stands.
//
//	KEYS  1 event, 2 open index, 3 queue, 4 leases, 5 dead letters, 6 progress, 7 siblings, 8 delivered
//	ARGV  1 member, 2 last byte of the event to return, -1 for all, 3 whether to return the history (0 or 1)
//	returns {} if there is no such delivery, or {now, state, time, event record,
//	      attempts, budget's attempts, budget's start, reason, error, attempts of the history, oldest first, …}
//
// A delivered one's progress is kept with its siblings, under its index.
var inspectScript = newScript("inspect", luaNow+luaInt+`
local band, history = `+luaBand+`, `+luaHistory+`
local member, state, time = ARGV[1], nil, 0
local key, prefix = KEYS[6], ''
local held, due = redis.call('ZSCORE', KEYS[4], member), redis.call('ZSCORE', KEYS[3], member)
if held then
  time = held % band
  state = time > now and 'leased' or 'pending'
elseif due then
  time, state = due % band, 'pending'
elseif redis.call('ZSCORE', KEYS[5], member) then
  state = 'dead'
elseif redis.call('ZSCORE', KEYS[8], member) then
  state, key, prefix = 'delivered', KEYS[7], string.sub(member, -1)
else
  return {}
end
local record = redis.call('GETRANGE', KEYS[1], 0, ARGV[2])
local known = redis.call('HMGET', key, prefix .. 'a', prefix .. 'ba', prefix .. 'bs', prefix .. 'r', prefix .. 'le')
local out = {now, state, time, record, known[1], known[2], known[3], known[4], known[5]}
local n = int(known[1])
local from = ARGV[3] == '1' and math.max(0, n - history) or math.max(0, n - 1)
for i = from, n - 1 do
  out[#out + 1] = redis.call('HGET', key, prefix .. 'h' .. i % history) or ''
end
return out
`)

// inspected is how many values inspectScript returns before the history.
const inspected = 9

// inspectCall asks for a delivery of which the lane is known.
func inspectCall(p *parts, l *lane, id deliveryID, last int, history bool) *call {
	n := id.event().shard()
	shard, k := p.shards[n], &l.keys[n]
	keys := []string{shard.event(id.event()), k.open, k.queue, k.leased, k.dead, shard.progress(id), shard.siblings(id.event()), shard.delivered()}
	all := 0
	if history {
		all = 1
	}
	return inspectScript.call(p.line(n), keys, id[:], last, all)
}

// delivery reads the answer to inspectCall; nil if there is no such delivery.
// decode says how much of the event is wanted.
func (s *Store) delivery(l *lane, id deliveryID, c *call, decode func([]byte) (*head, *retrystore.Event, error)) (*retrystore.Delivery, error) {
	answer, _ := c.reply.([]any)
	if len(answer) == 0 {
		return nil, nil
	}
	if len(answer) < inspected {
		return nil, unexpected(c)
	}
	s.clock.see(integer(answer[0]), c.sent, c.answered)
	d := &retrystore.Delivery{ID: id.String(), Lane: l.name}
	var err error
	if d.State, err = retrystore.ParseState(text(answer[1])); err != nil {
		return nil, unexpected(c)
	}
	if d.State == retrystore.Pending {
		d.NextAttemptAt = s.clock.local(integer(answer[2]))
	}
	h, e, err := decode([]byte(text(answer[3])))
	if d.Event = e; e == nil {
		d.Event = &retrystore.Event{Endpoint: l.name.Endpoint}
	}
	if h != nil && id.target() < len(h.targets) {
		d.Priority = h.targets[id.target()].priority
	}
	history := answer[inspected:]
	latest := ""
	if len(history) > 0 {
		latest = text(history[len(history)-1])
	}
	s.describe(d, h, text(answer[4]), text(answer[5]), text(answer[6]), latest)
	if d.State == retrystore.Dead {
		d.Reason = text(answer[7])
	}
	d.BodyDropped = stripped([]byte(text(answer[3])))
	if found := text(answer[8]); found != "" && d.State == retrystore.Dead {
		d.LastStatus, d.LastError = 0, found
	}
	for _, encoded := range history {
		if a, ok := decodeAttempt([]byte(text(encoded))); ok {
			d.History = append(d.History, a)
		}
	}
	return d, err
}

// decodeSummary decodes what lists show of an event.
func decodeSummary(b []byte) (*head, *retrystore.Event, error) {
	h, rest, err := decodeHead(b)
	if err != nil {
		return nil, nil, err
	}
	e, err := retrystore.DecodeEventSummary(rest)
	return h, e, err
}

// Get returns one delivery; see retrystore.Inspector.
func (s *Store) Get(ctx context.Context, id string) (*retrystore.Delivery, error) {
	p, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	at, err := s.locate(p, id)
	if err != nil {
		return nil, err
	}
	c := inspectCall(p, at.lane, at.id, -1, true)
	if s.direct([]*call{c}); c.err != nil {
		return nil, c.err
	}
	d, err := s.delivery(at.lane, at.id, c, decodeRecord)
	if d == nil && err == nil {
		return nil, notFound(id)
	}
	if d == nil {
		return nil, err
	}
	return d, nil // even a damaged event is shown, as far as it goes
}

// luaLook reads all keys that luaAlter and what follows it may write: one of another
// type fails the script before it has written.
const luaLook = luaNow + `
local band = ` + luaBand + `
for i = 1, 6 do
  if i ~= 5 then redis.call('ZCARD', KEYS[i]) end
end
redis.call('HGET', KEYS[5], 'a')
`

// luaAlter, after luaLook, begins the scripts that change what is pending or dead. It returns
// the state from the script if the delivery is in another one.
//
//	KEYS  1 open index, 2 queue, 3 leases, 4 dead letters, 5 progress, 6 delivered
//	ARGV  1 member
const luaAlter = `
local held = redis.call('ZSCORE', KEYS[3], ARGV[1])
if held and held % band > now then return 'leased' end
if redis.call('ZSCORE', KEYS[6], ARGV[1]) then return 'delivered' end
if not (held or redis.call('ZSCORE', KEYS[2], ARGV[1]) or redis.call('ZSCORE', KEYS[4], ARGV[1])) then return 'none' end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
`

// replayScript makes a pending or dead delivery due now with a fresh budget. A
// worker whose lease lapsed is too late then, as the delivery is not leased.
//
//	KEYS  as luaAlter
//	ARGV  1 member, 2 first score of the band of first attempts
//	returns 'ok', or the state that does not allow it
var replayScript = newScript("replay", luaMay+luaInt+luaLook+`
local no = denied(KEYS[1], KEYS[5])
if no then return no end
`+luaAlter+`
local attempts = int(redis.call('HGET', KEYS[5], 'a'))
local base = attempts > 0 and ARGV[2] + band or ARGV[2]
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], base + now, ARGV[1])
redis.call('HSET', KEYS[5], 'ba', attempts, 'bs', string.format('%.0f', now))
redis.call('HDEL', KEYS[5], 'r', 'le')
return 'ok'
`)

// Replay makes a delivery due now; see retrystore.Inspector. After an error other
// than ErrNotFound and ErrState it may have happened all the same.
func (s *Store) Replay(ctx context.Context, id string) error {
	p, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave()
	at, err := s.locate(p, id)
	if err != nil {
		return err
	}
	first := int64(band(at.priority(), false)) * bandWidth
	if err := s.alter(ctx, replayScript.call(at.line, at.alterKeys(), at.id[:], first), id); err != nil {
		return err
	}
	s.wake(at.lane)
	return nil
}

// deleteScript removes a pending or dead delivery, and its event if nothing is
// left of that.
//
//	KEYS  as luaAlter, 7 event, 8 siblings, 9 tally
//	ARGV  1 member, 2 whether it is its event's only one (0 or 1), 3 endpoint
//	returns 'ok', or the state that does not allow it
var deleteScript = newScript("delete", luaMay+luaForget+luaLook+`
if ARGV[2] ~= '1' then
  local _, broken = counted(KEYS[8])
  broken = broken or denied(KEYS[1], nil, KEYS[8])
  if broken then return broken end
end
`+luaAlter+`
redis.call('ZREM', KEYS[1], ARGV[1])
if ARGV[2] == '1' then
  uncount(KEYS[9], ARGV[3], redis.pcall('STRLEN', KEYS[7]))
  redis.call('DEL', KEYS[7], KEYS[5])
else
  forget(ARGV[1], KEYS[7], KEYS[8], KEYS[6], KEYS[9], ARGV[3])
  redis.call('DEL', KEYS[5])
end
return 'ok'
`)

// Delete removes a delivery; see retrystore.Inspector. After an error other than
// ErrNotFound and ErrState it may have happened all the same.
func (s *Store) Delete(ctx context.Context, id string) error {
	p, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave()
	at, err := s.locate(p, id)
	if err != nil {
		return err
	}
	only := at.id.index() == sole
	keys := append(at.alterKeys(), at.shard.event(at.id.event()), at.shard.siblings(at.id.event()), at.shard.tally())
	endpoint := at.lane.name.Endpoint
	if r := s.keeper.on(); r != nil && !only {
		keys = append(keys, at.shard.kept())
		return s.alter(ctx, deleteKeptScript.call(at.line, keys, at.id[:], flag(r.Bodies), endpoint), id)
	}
	return s.alter(ctx, deleteScript.call(at.line, keys, at.id[:], flag(only), endpoint), id)
}

func (at *place) alterKeys() []string {
	k := &at.lane.keys[at.shard.number]
	return []string{k.open, k.queue, k.leased, k.dead, at.shard.progress(at.id), at.shard.delivered()}
}

func (s *Store) alter(ctx context.Context, c *call, id string) error {
	c.durable = true
	if err := c.line.submit(ctx, c, s.options.Timeout); err != nil {
		return err
	}
	switch state := text(c.reply); state {
	case "ok":
		return nil
	case "none":
		if c.repeated { // it was we who removed it
			return nil
		}
		return notFound(id)
	default:
		return fmt.Errorf("delivery %s is %s: %w", id, state, retrystore.ErrState)
	}
}
