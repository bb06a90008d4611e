package redisstore

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// lostTime is how long it is known that an event was lost: for longer than any
// provider sends one again.
const lostTime = 31 * 24 * time.Hour

// luaLost tells whether the event that an event key stands for was lost before it was
// delivered. Then the key is forgotten: if the provider sends the event again, it is stored again.
// Only the event knew its key, so this is looked at when the key is met.
//
// The name of what it reads is known only here, so it is not declared. In a slot that moves
// it may not be found, and the key stands as it did.
const luaLost = `
local function lost(key, value)
  local found = #value == 17 and redis.pcall('GET', string.match(key, '^{[^}]*}') .. ':lost:' .. string.sub(value, 2))
  return type(found) == 'string'
end
`

// loseScript removes a delivery that is open, and neither queued nor leased, of which the
// event is gone.
//
//	KEYS  1 open index, 2 event, 3 lost
//	ARGV  1 member, 2 how long to know that an event is lost
//	returns 1 if it did
var loseScript = newScript("repair", `
if redis.call('GETRANGE', KEYS[2], 0, 0) ~= '' then return 0 end
redis.call('SET', KEYS[3], 1, 'PX', ARGV[2])
return redis.call('ZREM', KEYS[1], ARGV[1])
`)

func (s *Store) lose(p *parts, l *lane, id deliveryID) error {
	n := id.event().shard()
	keys := []string{l.keys[n].open, p.shards[n].event(id.event()), p.shards[n].lost(id.event())}
	c := loseScript.call(p.line(n), keys, id[:], milliseconds(lostTime))
	if s.direct([]*call{c}); integer(c.reply) == 1 {
		s.gone(p, l, id)
	}
	return c.err
}

// gone tells that a delivery was removed of which the event is gone.
func (s *Store) gone(p *parts, l *lane, id deliveryID) {
	s.broken.Add(1)
	s.log.Error("the record of an event is gone, as if somebody had deleted it; its delivery was removed, and the event is taken anew if the provider sends it again",
		zap.Stringer("lane", l.name), zap.Stringer("delivery", id), zap.Time("received_at", idTime(id.member())),
		zap.String("key", fmt.Sprintf("%q", p.shards[id.event().shard()].event(id.event()))))
}
