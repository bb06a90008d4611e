package redisstore

import (
	"math"
	"strings"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// claimed makes a delivery of what leaseScript said about a candidate; nil if it
// was not leased. An unreadable delivery becomes a dead letter, so that it blocks no other.
func (s *Store) claimed(p *parts, l *lane, c candidate, answer any, from *call) *retrystore.Delivery {
	values, ok := answer.([]any)
	if !ok || len(values) != 6 {
		if len(values) == 1 {
			s.shelve(p, l, c, from, text(values[0]))
		} else if integer(answer) == 1 {
			s.gone(p, l, c.id)
		}
		return nil
	}
	h, event, err := decodeRecord([]byte(text(values[1])))
	if err != nil {
		s.bury(p, l, c, h, from, err)
		return nil
	}
	d := &retrystore.Delivery{
		ID: c.id.String(), Lane: l.name, Event: event, State: retrystore.Leased,
		Priority: bandPriority(int(c.score / bandWidth)),
	}
	s.describe(d, h, text(values[2]), text(values[3]), text(values[4]), text(values[5]))
	return d
}

// describe fills in what a delivery's progress says: attempts, budget, and the
// latest attempt. Where there is none it is as it was accepted.
func (s *Store) describe(d *retrystore.Delivery, h *head, attempts, budgetAttempts, budgetSince, latest string) {
	d.Attempts = int(min(max(integer(attempts), 0), math.MaxInt32))
	d.Budget.Attempts = int(min(max(integer(budgetAttempts), 0), int64(d.Attempts)))
	if h != nil {
		d.Budget.Since = h.accepted
	}
	if since := integer(budgetSince); since > 0 && since < maxMillis {
		d.Budget.Since = s.clock.local(since)
	}
	if a, ok := decodeAttempt([]byte(latest)); ok {
		d.LastStatus, d.LastError = a.Status, a.Error
	}
}

// buryScript makes a leased delivery dead whose event cannot be read, and forgets the event's
// key: if the provider sends the event again, it is stored again. If the key cannot be read
// either, the script that next finds it forgets it (see luaLost).
//
//	KEYS  1 leases, 2 progress, 3 open index, 4 dead letters, 5 lost, and 6 the key if it could be read
//	ARGV  1 member, 2 token, 3 reason, 4 error, 5 event id, 6 how long to know that an event is lost
//	returns 1, or 0 if the lease is not the holder's
var buryScript = newScript("claim", luaFence+luaMay+`
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[4])
local no = denied(KEYS[1], KEYS[2])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('HSET', KEYS[2], 'r', ARGV[3], 'le', ARGV[4])
if not KEYS[6] then
  redis.call('SET', KEYS[5], 1, 'PX', ARGV[6])
elseif redis.call('GET', KEYS[6]) == 'e' .. ARGV[5] then
  redis.call('DEL', KEYS[6])
end
return 1
`)

// bury makes a delivery dead that was leased a moment ago. If that fails its
// lease lapses, and the next Claim buries it.
func (s *Store) bury(p *parts, l *lane, c candidate, h *head, from *call, cause error) {
	s.broken.Add(1)
	s.log.Error("event record is unreadable", zap.Stringer("lane", l.name), zap.Stringer("delivery", c.id), zap.Error(cause))
	id := c.id.event()
	shard, k := p.shards[id.shard()], &l.keys[id.shard()]
	keys := []string{k.leased, shard.progress(c.id), k.open, k.dead, shard.lost(id)}
	if h != nil && !h.key.IsZero() && shardOf(h.key, len(p.shards)) == shard.number {
		keys = append(keys, shard.seen(h.key))
	}
	s.direct([]*call{buryScript.call(from.line, keys, c.id.member(), from.words[3+from.words[2].(int)], reasonCorrupt, cut(cause.Error()), string(id[:]), milliseconds(lostTime))})
}

// shelveScript makes a due delivery dead of which the keys are damaged.
//
//	KEYS  1 queue, 2 leases, 3 open index, 4 dead letters, 5 progress, 6 lost
//	ARGV  1 member, 2 reason, 3 error, 4 how long to know that an event is lost
//	returns 1, or 0 if it is neither queued nor leased
var shelveScript = newScript("claim", luaMay+`
for i = 1, 4 do redis.call('ZCARD', KEYS[i]) end
redis.call('HGET', KEYS[5], 't')
local queued, held = redis.call('ZSCORE', KEYS[1], ARGV[1]), redis.call('ZSCORE', KEYS[2], ARGV[1])
if not queued and not held then return 0 end
local no = denied(KEYS[4], KEYS[5])
if no then return no end
for i = 1, 3 do redis.call('ZREM', KEYS[i], ARGV[1]) end
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('HSET', KEYS[5], 'r', ARGV[2], 'le', ARGV[3])
redis.call('SET', KEYS[6], 1, 'PX', ARGV[4])
return 1
`)

// shelve repairs the keys of a delivery that could not be leased. The next round
// leases it, unless it is the event that is damaged: then it becomes dead. While Redis
// refuses that, it stays as it is.
func (s *Store) shelve(p *parts, l *lane, c candidate, from *call, cause string) {
	id := c.id.event()
	shard, k := p.shards[id.shard()], &l.keys[id.shard()]
	progress := shard.progress(c.id)
	_, err := s.setAside(s.ctx, from.line, []string{progress, shard.siblings(id)})
	gone, failed := s.setAside(s.ctx, from.line, []string{shard.event(id)})
	if err != nil || failed != nil || !gone && strings.Contains(cause, "WRONGTYPE") {
		return // a key of another type that is none any more was repaired by us, or another node
	}
	dead := shelveScript.call(from.line, []string{k.queue, k.leased, k.open, k.dead, progress, shard.lost(id)},
		c.id.member(), reasonCorrupt, cut(cause), milliseconds(lostTime))
	s.direct([]*call{dead})
	switch {
	case dead.err != nil:
		s.log.Warn("keys of a delivery are damaged, and it could not be made a dead letter yet", zap.Stringer("lane", l.name), zap.Stringer("delivery", c.id), zap.Error(dead.err))
	case integer(dead.reply) == 1:
		s.broken.Add(1)
		s.log.Error("keys of a delivery are damaged; it is a dead letter now", zap.Stringer("lane", l.name), zap.Stringer("delivery", c.id), zap.String("error", cause))
	}
}

// giveBack releases deliveries that could not be handed out.
func (s *Store) giveBack(p *parts, l *lane, leased []*retrystore.Delivery) {
	var batch []*call
	for _, d := range leased {
		if id, ok := parseID(d.ID); ok {
			n := id.event().shard()
			batch = append(batch, releaseCall(p.line(n), p.shards[n], l, id, d.Lease.Token))
		}
	}
	s.direct(batch)
	if len(batch) > 0 {
		s.wake(l)
	}
}
