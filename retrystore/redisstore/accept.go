package redisstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// acceptedToken is the token of a lease that Accept made. No other lease of the
// delivery has it, and none has to be stored for it.
const acceptedToken = 1

// Answers of acceptScript.
const (
	acceptStored = iota
	acceptDuplicate
	acceptFull
	acceptHeld
	acceptNoSpace
)

// acceptScript stores an event unless its key is known or there is no room.
//
//	KEYS  1 event, 2 lanes, 3 tally, then for each target: open index, and queue or leases;
//	      then for each target that is dead from the start: dead letters, progress;
//	      then, if there are several that are not and a bound, for each of these: dead
//	      letters, progress; then, if there are several targets, the siblings' hash,
//	      and last the event key
//	ARGV  1 event id, 2 record, 3 milliseconds to remember the key, 0 without one,
//	      4 bound on the open deliveries of a lane, 0 for none, 5 number of targets that
//	      are not dead, 6 the reason of those that are full, 7 endpoint, 8 bound on the
//	      bytes of its events, 0 for none, then for each target: index byte, first score
//	      of its band, milliseconds of its lease or 0, lane; then for each that is dead:
//	      index byte, reason, lane
//	returns {0, now, the numbers of the targets that became dead, as they are full, …}
//	      stored, {1, value of the key} duplicate, {2, open deliveries} all are full,
//	      {3, ms} held by a guard for so long, {4, bytes} the endpoint has as many already
//
// All sets are read before anything is written: a set of another type fails the
// script. The event is the first that is written, but for the name of a new lane: a full
// Redis refuses both. What the user may not do is found in the middle, and what was
// written is undone; the key is the last. A second run with the same event id, after an
// answer that was lost, finds what the first one wrote.
var acceptScript = newScript("accept", luaNow+luaHold+luaLost+luaInt+`
local targets, ttl, bound = tonumber(ARGV[5]), tonumber(ARGV[3]), tonumber(ARGV[4])
local dead = (#ARGV - 8 - 4 * targets) / 3
local spill = bound > 0 and targets > 1
local function letters(i) return 2 + 2 * targets + 2 * dead + 2 * i end
local function again()
  local out = {0, now}
  for i = 1, spill and targets or 0 do
    if redis.call('ZSCORE', KEYS[letters(i)], ARGV[1] .. ARGV[5 + 4 * i]) then out[#out + 1] = i end
  end
  return out
end
if ttl > 0 then
  local value = redis.call('GET', KEYS[#KEYS])
  if value == 'e' .. ARGV[1] then return again() end
  local token, til = hold(KEYS[#KEYS], value or '', now)
  if token and til > now then return {3, til - now} end
  if value == 'c' or value and #value == 17 and string.sub(value, 1, 1) == 'e' and not lost(KEYS[#KEYS], value) then return {1, value} end
end
local stored, space = int(redis.call('HGET', KEYS[3], ARGV[7])), tonumber(ARGV[8])
if space > 0 and stored >= space then return {4, stored} end
local out, full, most, new = {0, now}, {}, 0, {}
for i = 1, targets do
  local n = redis.call('ZCARD', KEYS[2 + 2 * i])
  most = math.max(most, n)
  if n == 0 then new[#new + 1] = ARGV[8 + 4 * i] end
  redis.call('ZCARD', KEYS[3 + 2 * i])
  if spill then redis.call('ZCARD', KEYS[letters(i)]) end
  if bound > 0 and n >= bound then full[i], out[#out + 1] = true, i end
end
if targets > 0 and #out - 2 == targets then return {2, most} end
for i = 1, dead do
  new[#new + 1] = ARGV[8 + 4 * targets + 3 * i]
  redis.call('ZCARD', KEYS[2 + 2 * targets + 2 * i])
end
if #new > 0 then redis.call('SADD', KEYS[2], unpack(new)) end

if not redis.call('SET', KEYS[1], ARGV[2], 'NX') then return again() end
local siblings = targets + dead > 1 and KEYS[letters(spill and targets + 1 or 1)] or nil
local reasons = {}
local function enter()
  redis.call('HSET', KEYS[3], ARGV[7], string.format('%.0f', stored + #ARGV[2]))
  if siblings then redis.call('HSET', siblings, 'n', targets + dead) end
  local function bury(key, member, reason)
    reasons[#reasons + 1] = KEYS[key + 1]
    redis.call('HSET', KEYS[key + 1], 'r', reason)
    redis.call('ZADD', KEYS[key], 0, member)
  end
  for i = 1, targets do
    local member = ARGV[1] .. ARGV[5 + 4 * i]
    if full[i] then
      bury(letters(i), member, ARGV[6])
    else
      redis.call('ZADD', KEYS[2 + 2 * i], 0, member)
      redis.call('ZADD', KEYS[3 + 2 * i], ARGV[6 + 4 * i] + now + ARGV[7 + 4 * i], member)
    end
  end
  for i = 1, dead do
    local arg = 6 + 4 * targets + 3 * i
    bury(2 + 2 * targets + 2 * i, ARGV[1] .. ARGV[arg], ARGV[arg + 1])
  end
end
local entered, why = pcall(enter)
if not entered then
  redis.pcall('DEL', KEYS[1], siblings or KEYS[1], unpack(reasons))
  redis.pcall('HSET', KEYS[3], ARGV[7], string.format('%.0f', stored))
  return type(why) == 'table' and why or redis.error_reply(tostring(why))
end
if ttl > 0 then redis.call('SET', KEYS[#KEYS], 'e' .. ARGV[1], 'PX', ttl) end
return out
`)

// Accept stores an event; see retrystore.Acceptor.
func (s *Store) Accept(ctx context.Context, sub *retrystore.Submission) (retrystore.Receipt, error) {
	if err := sub.Validate(); err != nil {
		return retrystore.Receipt{}, err
	}
	p, err := s.enter(ctx)
	if err != nil {
		return retrystore.Receipt{}, err
	}
	defer s.leave()
	if err := s.refusing(); err != nil {
		return retrystore.Receipt{}, err
	}
	shard := shardOf(sub.Key, len(p.shards))
	line := p.line(shard)
	if err := line.refusal(); err != nil {
		return retrystore.Receipt{}, err // before the work of encoding
	}
	a := s.newAcceptance(p, sub, shard)
	buffer := retrystore.GetBuffer()
	c, record := a.call(p, sub, *buffer)
	if err := line.submit(ctx, c, s.options.Timeout); err != nil {
		if c.unsure {
			a.regret(c.line)
		}
		return retrystore.Receipt{}, err
	}
	retrystore.PutBuffer(buffer, record)
	receipt, err := s.receipt(p, a, sub, c)
	if ctx.Err() != nil && err == nil && !receipt.Duplicate {
		a.abandon(s.ctx, c.line)
		return retrystore.Receipt{}, ctx.Err()
	}
	return receipt, err
}

// acceptance is an event that is about to be stored.
type acceptance struct {
	store   *Store
	id      eventID
	shard   shard
	lanes   []*lane // by target
	targets []retrystore.Target
	open    []int // those that are not dead from the start
	at      time.Time
}

func (s *Store) newAcceptance(p *parts, sub *retrystore.Submission, shard int) *acceptance {
	a := &acceptance{
		store: s, shard: p.shards[shard], at: time.Now(), targets: sub.Targets,
		id:    newEventID(sub.Event.ReceivedAt, uint16(s.number.Add(1)), shard),
		lanes: make([]*lane, len(sub.Targets)),
	}
	for i, t := range sub.Targets {
		a.lanes[i] = p.lanes.get(retrystore.Lane{Endpoint: sub.Event.Endpoint, Destination: t.Destination})
	}
	return a
}

// delivery is the id of the i-th target's delivery.
func (a *acceptance) delivery(i int) deliveryID {
	if len(a.targets) == 1 {
		return a.id.delivery(sole)
	}
	return a.id.delivery(byte(i))
}

// call makes the run of acceptScript, and the record that it stores: in buffer, if
// that is large enough.
func (a *acceptance) call(p *parts, sub *retrystore.Submission, buffer []byte) (_ *call, record []byte) {
	number := a.id.shard()
	keys := append(make([]string, 0, 7+2*len(a.lanes)), a.shard.event(a.id), a.shard.lanes(), a.shard.tally())
	var dead []int // of the targets
	for i, l := range a.lanes {
		k := &l.keys[number]
		switch t := &sub.Targets[i]; {
		case t.Dead != "":
			dead = append(dead, i)
		case t.Lease > 0:
			keys = append(keys, k.open, k.leased)
		default:
			keys = append(keys, k.open, k.queue)
		}
	}
	a.open = besides(len(a.lanes), dead)
	letters := dead
	if sub.MaxPending > 0 && len(a.open) > 1 {
		letters = append(slices.Clip(dead), a.open...)
	}
	for _, i := range letters {
		keys = append(keys, a.lanes[i].keys[number].dead, a.shard.progress(a.delivery(i)))
	}
	if len(a.lanes) > 1 {
		keys = append(keys, a.shard.siblings(a.id))
	}
	ttl := int64(0)
	if !sub.Key.IsZero() {
		ttl = milliseconds(sub.KeyTTL)
		keys = append(keys, a.shard.seen(sub.Key))
	}
	h := head{accepted: a.at, key: sub.Key, endpoint: sub.Event.Endpoint, targets: make([]target, len(sub.Targets))}
	for i, t := range sub.Targets {
		h.targets[i] = target{t.Destination, t.Priority}
	}
	record = appendRecord(slices.Grow(buffer, 512+len(sub.Event.Body)), &h, sub.Event)
	args := append(make([]any, 0, 8+4*len(a.lanes)), a.id[:], record,
		ttl, share(sub.MaxPending, len(p.shards)), len(a.open), retrystore.ReasonFull,
		sub.Event.Endpoint, share(sub.MaxBytes, len(p.shards)))
	for _, i := range a.open {
		t := &sub.Targets[i]
		args = append(args, []byte{a.delivery(i).index()}, int64(band(t.Priority, false))*bandWidth, milliseconds(t.Lease), a.lanes[i].text)
	}
	for _, i := range dead {
		args = append(args, []byte{a.delivery(i).index()}, cut(sub.Targets[i].Dead), a.lanes[i].text)
	}
	c := acceptScript.call(p.line(number), keys, args...)
	c.durable = true
	return c, record
}

// besides are the numbers from 0 to n-1 that are not in left, which is in order.
func besides(n int, left []int) []int {
	rest := make([]int, 0, n-len(left))
	for i := range n {
		if len(left) > 0 && left[0] == i {
			left = left[1:]
			continue
		}
		rest = append(rest, i)
	}
	return rest
}

// share is the part of a bound that one shard keeps, so that no shard has to
// know of the others.
func share[N int | int64](bound N, shards int) N {
	return (bound + N(shards) - 1) / N(shards)
}

// receipt reads the script's answer.
func (s *Store) receipt(p *parts, a *acceptance, sub *retrystore.Submission, c *call) (retrystore.Receipt, error) {
	answer, _ := c.reply.([]any)
	if len(answer) < 2 {
		return retrystore.Receipt{}, unexpected(c)
	}
	switch integer(answer[0]) {
	case acceptStored:
		s.clock.see(integer(answer[1]), c.sent, c.answered)
		return s.stored(a, sub, c, answer[2:]), nil
	case acceptDuplicate:
		first, err := s.first(p, a.shard, text(answer[1]))
		return retrystore.Receipt{Duplicate: true, First: first}, err
	case acceptFull:
		return retrystore.Receipt{}, fmt.Errorf("%w: each destination of endpoint %s that the event goes to is full, one with %d deliveries pending in the event's shard, one of %d",
			retrystore.ErrFull, sub.Event.Endpoint, integer(answer[1]), len(p.shards))
	case acceptNoSpace:
		s.distrust(sub.Event.Endpoint, a.shard.number)
		return retrystore.Receipt{}, fmt.Errorf("%w: endpoint %s has %d bytes of events in the event's shard, one of %d, and may have %d there",
			retrystore.ErrFull, sub.Event.Endpoint, integer(answer[1]), len(p.shards), share(sub.MaxBytes, len(p.shards)))
	case acceptHeld:
		return retrystore.Receipt{}, fmt.Errorf("%w: event key %s is held for another %d ms by a caller who decides about it",
			retrystore.ErrUnavailable, sub.Key, integer(answer[1]))
	}
	return retrystore.Receipt{}, unexpected(c)
}

// stored returns the receipt of an event that is now in Redis, and wakes the workers for
// deliveries that are not leased. full are the numbers, from 1, of the open deliveries that
// had no room.
func (s *Store) stored(a *acceptance, sub *retrystore.Submission, c *call, full []any) retrystore.Receipt {
	died := make(map[int]bool, len(full))
	for _, number := range full {
		if n := integer(number); n >= 1 && int(n) <= len(a.open) {
			died[a.open[n-1]] = true
		}
	}
	all := make([]retrystore.Delivery, len(sub.Targets))
	receipt := retrystore.Receipt{Deliveries: make([]*retrystore.Delivery, len(all))}
	for i, t := range sub.Targets {
		d := &all[i]
		receipt.Deliveries[i] = d
		*d = retrystore.Delivery{
			ID: a.delivery(i).String(), Lane: a.lanes[i].name, Event: sub.Event, Priority: t.Priority,
			Budget: retrystore.Budget{Since: a.at}, NextAttemptAt: a.at,
		}
		switch {
		case t.Dead != "":
			d.State, d.Reason = retrystore.Dead, cut(t.Dead)
		case died[i]:
			d.State, d.Reason = retrystore.Dead, retrystore.ReasonFull
		case t.Lease > 0:
			d.State = retrystore.Leased
			d.Lease = retrystore.Lease{Token: acceptedToken, Until: c.sent.Add(t.Lease)}
		default:
			s.wake(a.lanes[i])
		}
	}
	return receipt
}

// releases are calls that give back the leases the event was accepted with, each with
// the lane of its delivery.
func (a *acceptance) releases(l *line) iter.Seq2[*lane, *call] {
	return func(yield func(*lane, *call) bool) {
		for i, t := range a.targets {
			if t.Lease > 0 && !yield(a.lanes[i], releaseCall(l, a.shard, a.lanes[i], a.delivery(i), acceptedToken)) {
				return
			}
		}
	}
}

// abandon makes the deliveries of an event pending and due whose caller has left. They are
// so when abandon returns. If Redis fails, they become due when their leases lapse.
func (a *acceptance) abandon(ctx context.Context, l *line) {
	for lane, c := range a.releases(l) {
		if err := l.submit(ctx, c, a.store.options.Timeout); err != nil && c.unsure {
			l.regret(c)
		} else if err == nil {
			a.store.wake(lane)
		}
	}
}

// regret does the same once the server is back, for an event of which it is not known
// whether it was stored.
func (a *acceptance) regret(l *line) {
	for _, c := range a.releases(l) {
		l.regret(c)
	}
}

// unexpected is the answer to a reply that no script of ours gives.
func unexpected(c *call) error {
	return fmt.Errorf("%w: redis answered %s with %v", retrystore.ErrUnavailable, c.script.name, c.reply)
}

// integer reads an element of a reply.
func integer(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// text reads an element of a reply; it is empty for none.
func text(v any) string {
	t, _ := v.(string)
	return t
}
