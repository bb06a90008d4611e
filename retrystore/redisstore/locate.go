package redisstore

import (
	"errors"
	"fmt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// locateScript reads the beginning of a record.
//
//	KEYS  1 event
//	ARGV  1 bytes
//	returns the bytes, none if there is no such event
var locateScript = newScript("inspect", `return redis.call('GETRANGE', KEYS[1], 0, ARGV[1] - 1)`)

// place is where a delivery is, and what never changes about it.
type place struct {
	id    deliveryID
	shard shard
	line  *line
	lane  *lane
	head  *head // nil where the event is gone or damaged
}

// locate finds the lane of a delivery in the head of its event.
func (s *Store) locate(p *parts, id string) (*place, error) {
	parsed, ok := parseID(id)
	if !ok || parsed.event().shard() >= len(p.shards) {
		return nil, notFound(id)
	}
	at := &place{id: parsed, shard: p.shards[parsed.event().shard()], line: p.line(parsed.event().shard())}
	h, err := s.readHead(at.line, at.shard.event(parsed.event()), id)
	if err != nil && !isGone(err) {
		return nil, err
	}
	if err == nil {
		if name, ok := h.lane(parsed); ok {
			at.head, at.lane = h, p.lanes.get(name)
			return at, nil
		}
	}
	return at, s.search(p, at)
}

// searchScript finds the set that has a delivery.
//
//	KEYS  sets
//	ARGV  1 member
//	returns its number, 0 if none has
var searchScript = newScript("inspect", `
for i, key in ipairs(KEYS) do
  if redis.call('ZSCORE', key, ARGV[1]) then return i end
end
return 0
`)

// search finds the lane of a delivery whose event is gone or damaged.
func (s *Store) search(p *parts, at *place) error {
	lanes := p.lanes.all()
	keys := make([]string, 0, 2*len(lanes))
	for _, l := range lanes {
		keys = append(keys, l.keys[at.shard.number].open, l.keys[at.shard.number].dead)
	}
	c := searchScript.call(at.line, keys, at.id[:])
	if s.direct([]*call{c}); c.err != nil {
		return c.err
	}
	found := int(integer(c.reply))
	if found < 1 || found > len(keys) {
		return notFound(at.id.String())
	}
	at.lane = lanes[(found-1)/2]
	return nil
}

// priority is that of the delivery; the least where its event cannot be read.
func (at *place) priority() int {
	if at.head == nil {
		return 0
	}
	return at.head.targets[at.id.target()].priority
}

// readHead reads the head of an event, or fails with ErrNotFound.
func (s *Store) readHead(l *line, key, id string) (*head, error) {
	for size := headSize; ; size = 1 << 30 {
		c := locateScript.call(l, []string{key}, size)
		if s.direct([]*call{c}); c.err != nil {
			return nil, c.err
		}
		b := text(c.reply)
		if b == "" {
			return nil, notFound(id)
		}
		h, _, err := decodeHead([]byte(b))
		if err == nil || len(b) < size {
			return h, err
		}
	}
}

func notFound(id string) error { return fmt.Errorf("delivery %q: %w", id, retrystore.ErrNotFound) }

// firstScript tells the least settled state of an event's deliveries.
//
//	KEYS  for each delivery: open index, dead letters
//	ARGV  for each delivery: member
//	returns 'pending', 'dead' or 'delivered'
var firstScript = newScript("inspect", `
local state = 'delivered'
for i = 1, #ARGV do
  if redis.call('ZSCORE', KEYS[2 * i - 1], ARGV[i]) then return 'pending' end
  if redis.call('ZSCORE', KEYS[2 * i], ARGV[i]) then state = 'dead' end
end
return state
`)

// first is Receipt.First, for the value of an event key.
func (s *Store) first(p *parts, shard shard, value string) (retrystore.State, error) {
	if len(value) != 1+len(eventID{}) || value[0] != 'e' {
		return retrystore.Delivered, nil // committed
	}
	id := eventID([]byte(value[1:]))
	h, err := s.readHead(p.line(shard.number), shard.event(id), "")
	switch {
	case errors.Is(err, retrystore.ErrNotFound):
		return retrystore.Delivered, nil
	case errors.Is(err, retrystore.ErrCorrupt):
		return retrystore.Pending, nil // nobody has found that out yet
	case err != nil:
		return 0, err
	}
	keys, args := []string(nil), []any(nil)
	for i, t := range h.targets {
		d := id.delivery(byte(i))
		if len(h.targets) == 1 {
			d = id.delivery(sole)
		}
		k := &p.lanes.get(retrystore.Lane{Endpoint: h.endpoint, Destination: t.destination}).keys[shard.number]
		keys, args = append(keys, k.open, k.dead), append(args, d.member())
	}
	c := firstScript.call(p.line(shard.number), keys, args...)
	if s.direct([]*call{c}); c.err != nil {
		return 0, c.err
	}
	return retrystore.ParseState(text(c.reply))
}
