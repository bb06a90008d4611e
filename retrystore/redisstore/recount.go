package redisstore

import (
	"time"

	"go.uber.org/zap"
)

// tallied is an endpoint's tally in a shard.
type tallied struct {
	endpoint string
	shard    int
}

// recountInterval is how often an endpoint's tally in a shard is counted anew at most.
const recountInterval = time.Minute

// distrust has a tally looked at by which an event was refused.
func (s *Store) distrust(endpoint string, shard int) {
	select {
	case s.distrusted <- tallied{endpoint, shard}:
	default: // others are before it
	}
}

// membersScript reads an index.
//
//	KEYS  1 index
//	ARGV  1 lower bound, 2 how many
//	returns the members
var membersScript = newScript("repair", `return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])`)

// lengthsScript adds up the bytes of events.
//
//	KEYS  events
//	returns their sum
var lengthsScript = newScript("repair", `
local sum = 0
for _, key in ipairs(KEYS) do
  local n = redis.pcall('STRLEN', key)
  if type(n) == 'number' then sum = sum + n end
end
return sum
`)

// correctScript takes what was counted too many out of a tally.
//
//	KEYS  1 tally
//	ARGV  1 endpoint, 2 what it said before the events were counted, 3 what was counted
//	returns what it says now
var correctScript = newScript("repair", luaInt+`
local left = math.max(0, int(redis.call('HGET', KEYS[1], ARGV[1])) - ARGV[2] + ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', left))
return left
`)

// recountTally counts what an endpoint that is full has in a shard, and corrects the tally
// if that is much less. While it is full no events come in. So only
// events that end change the tally meanwhile, and their scripts take them off.
func (s *Store) recountTally(of tallied) {
	p, err := s.enter(s.ctx)
	if err != nil {
		return
	}
	defer s.leave()
	if at := s.recounted[of]; time.Since(at) < recountInterval && !at.IsZero() || of.shard >= len(p.shards) {
		return
	}
	line, tally := p.line(of.shard), p.shards[of.shard].tally()
	read := tallyScript.call(line, []string{tally}, of.endpoint)
	if s.direct([]*call{read}); read.err != nil {
		return
	}
	values, _ := read.reply.([]any)
	if len(values) != 1 {
		return
	}
	before, found := integer(values[0]), int64(0)
	counted := make(map[eventID]bool)
	for _, l := range p.lanes.all() {
		if l.name.Endpoint != of.endpoint {
			continue
		}
		for _, index := range []string{l.keys[of.shard].open, l.keys[of.shard].dead} {
			n, err := s.countIndex(p, of.shard, index, counted)
			if found += n; err != nil {
				s.log.Debug("counting what an endpoint has stored", zap.String("endpoint", of.endpoint), zap.Error(err))
				return
			}
		}
	}
	if s.recounted == nil {
		s.recounted = make(map[tallied]time.Time)
	}
	s.recounted[of] = time.Now()
	if before <= found+max(found/8, 64<<10) {
		return
	}
	c := correctScript.call(line, []string{tally}, of.endpoint, before, found)
	if s.direct([]*call{c}); c.err == nil {
		s.log.Warn("more was counted as stored than there is, so that events were refused; it was counted anew",
			zap.String("endpoint", of.endpoint), zap.String("shard", p.shards[of.shard].tag), zap.Int64("bytes_too_many", before-found), zap.Int64("bytes", integer(c.reply)))
	}
}

// countIndex adds up the bytes of the events in an index, but for those counted before.
func (s *Store) countIndex(p *parts, n int, index string, counted map[eventID]bool) (bytes int64, err error) {
	for lower := "-"; ; {
		c := membersScript.call(p.line(n), []string{index}, lower, reconcileChunk)
		if s.direct([]*call{c}); c.err != nil {
			return bytes, c.err
		}
		members, _ := c.reply.([]any)
		var keys []string
		for _, m := range members {
			lower = "(" + text(m)
			if !ours(text(m), n) {
				continue
			}
			id := deliveryID([]byte(text(m)))
			if event := id.event(); id.index() == sole || !counted[event] {
				keys = append(keys, p.shards[n].event(event))
				if id.index() != sole {
					counted[event] = true
				}
			}
		}
		if len(keys) > 0 {
			sum := lengthsScript.call(p.line(n), keys)
			if s.direct([]*call{sum}); sum.err != nil {
				return bytes, sum.err
			}
			bytes += integer(sum.reply)
		}
		if len(members) < reconcileChunk {
			return bytes, nil
		}
	}
}
