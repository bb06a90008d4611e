package redisstore

import (
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// claimed makes a delivery of what leaseScript said about a candidate; nil if it
// was not leased. What cannot be read is made dead, so that it blocks nobody.
func (s *Store) claimed(p *parts, l *lane, c candidate, answer any, from *call) *retrystore.Delivery {
	values, ok := answer.([]any)
	if !ok || len(values) != 6 {
		if integer(answer) == 1 {
			s.log.Error("event record is gone; its delivery was removed", zap.Stringer("lane", l.name), zap.Stringer("delivery", c.id))
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
	d.Attempts = int(integer(attempts))
	d.Budget.Attempts = int(integer(budgetAttempts))
	if h != nil {
		d.Budget.Since = h.accepted
	}
	if since := integer(budgetSince); since > 0 {
		d.Budget.Since = s.clock.local(since)
	}
	if a, ok := decodeAttempt([]byte(latest)); ok {
		d.LastStatus, d.LastError = a.Status, a.Error
	}
}

// buryScript makes a leased delivery dead whose event cannot be read, and gives
// up the event's key: should the provider send the event again, it is welcome.
//
//	KEYS  1 leases, 2 progress, 3 open index, 4 dead letters, and 5 the key if it could be read
//	ARGV  1 member, 2 token, 3 reason, 4 error, 5 event id
//	returns 1, or 0 if the lease is not the holder's
var buryScript = newScript("claim", luaFence+`
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], 0, ARGV[1])
redis.call('HSET', KEYS[2], 'r', ARGV[3], 'le', ARGV[4])
if KEYS[5] and redis.call('GET', KEYS[5]) == 'e' .. ARGV[5] then redis.call('DEL', KEYS[5]) end
return 1
`)

// bury makes a delivery dead that was leased a moment ago. If that fails its
// lease lapses, and the next Claim buries it.
func (s *Store) bury(p *parts, l *lane, c candidate, h *head, from *call, cause error) {
	s.log.Error("event record is unreadable", zap.Stringer("lane", l.name), zap.Stringer("delivery", c.id), zap.Error(cause))
	id := c.id.event()
	shard, k := p.shards[id.shard()], &l.keys[id.shard()]
	keys := []string{k.leased, shard.progress(c.id), k.open, k.dead}
	if h != nil && !h.key.IsZero() && shardOf(h.key, len(p.shards)) == shard.number {
		keys = append(keys, shard.seen(h.key))
	}
	s.direct([]*call{buryScript.call(from.line, keys, c.id.member(), from.words[3+from.words[2].(int)], reasonCorrupt, cut(cause.Error()), string(id[:]))})
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
