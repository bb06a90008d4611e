package redisstore

import (
	"maps"
	"slices"

	"go.uber.org/zap"
)

// Each shard has a tally: a hash of the bytes that each endpoint has in its events
// that are open or dead. Whatever stores or ends an event changes it in the same script.

// luaUncount takes an event of that size out of the bytes that its endpoint has stored. It never fails, and must not be the script's first write. A tally that
// is damaged begins anew.
const luaUncount = `
local function uncount(tally, endpoint, size)
  if type(size) ~= 'number' or size == 0 then return end
  local left = redis.pcall('HINCRBY', tally, endpoint, -size)
  if type(left) ~= 'number' or left <= 0 then redis.pcall('HDEL', tally, endpoint) end
end
`

// tallyScript reads what endpoints have.
//
//	KEYS  1 tally
//	ARGV  endpoints
//	returns the bytes of each, or nothing
var tallyScript = newScript("stats", `return redis.call('HMGET', KEYS[1], unpack(ARGV))`)

// tallyChunk is how many endpoints one run of tallyScript reads.
const tallyChunk = 1000

// drainedScript lets the tally of an endpoint begin anew if nothing of it is stored.
//
//	KEYS  1 tally, then for each of its lanes: open index, dead letters
//	ARGV  1 endpoint
//	returns the bytes that were counted too many
var drainedScript = newScript("repair", `
for i = 2, #KEYS do
  if redis.call('ZCARD', KEYS[i]) > 0 then return 0 end
end
local left = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return left or 0
`)

// tallies returns, by shard, what each endpoint has there, in bytes.
func (s *Store) tallies(p *parts) ([]map[string]int64, error) {
	known := make(map[string]bool)
	for _, l := range p.lanes.all() {
		known[l.name.Endpoint] = true
	}
	all := make([]map[string]int64, len(p.shards))
	for n, shard := range p.shards {
		all[n] = make(map[string]int64)
		for endpoints := range slices.Chunk(slices.Sorted(maps.Keys(known)), tallyChunk) {
			args := make([]any, len(endpoints))
			for i, e := range endpoints {
				args[i] = e
			}
			c := tallyScript.call(p.line(n), []string{shard.tally()}, args...)
			if s.direct([]*call{c}); c.err != nil {
				return nil, c.err
			}
			found, _ := c.reply.([]any)
			for i := 0; i < min(len(found), len(endpoints)); i++ {
				if bytes := integer(found[i]); bytes > 0 {
					all[n][endpoints[i]] = bytes
				}
			}
		}
	}
	return all, nil
}

// reconcileTallies brings the tally of an endpoint of which nothing is stored back to
// zero: it is too high after an event was removed by other hands than ours.
func (s *Store) reconcileTallies() {
	p, err := s.enter(s.ctx)
	if err != nil {
		return
	}
	defer s.leave()
	tallies, err := s.tallies(p)
	if err != nil {
		s.log.Debug("reading how much endpoints have stored", zap.Error(err))
		return
	}
	for n, byEndpoint := range tallies {
		for endpoint := range byEndpoint {
			keys := []string{p.shards[n].tally()}
			for _, l := range p.lanes.all() {
				if l.name.Endpoint == endpoint {
					keys = append(keys, l.keys[n].open, l.keys[n].dead)
				}
			}
			c := drainedScript.call(p.line(n), keys, endpoint)
			s.direct([]*call{c})
			if over := integer(c.reply); over > 0 {
				s.log.Warn("more was counted as stored than there is; the count begins anew",
					zap.String("endpoint", endpoint), zap.String("shard", p.shards[n].tag), zap.Int64("bytes", over))
			}
		}
	}
}
