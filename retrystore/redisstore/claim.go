package redisstore

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// reasonCorrupt is why a delivery is dead whose event cannot be read.
const reasonCorrupt = "corrupt_record"

// claimRounds is how often a Claim looks again when other nodes took what it had
// found. Then it says that there is more, and its caller asks again.
const claimRounds = 3

// peekScript looks which deliveries of a lane are due in one shard. It writes nothing.
//
//	KEYS  1 queue, 2 leases
//	ARGV  1 how many first attempts, 2 how many retries to name at most
//	returns {now, whether more are due (0 or 1), when the earliest other one
//	      will be (0: none), member, score, …}
//
// Both sets are walked from band to band; empty ones are jumped over. First
// attempts are never put off, so those in the queue are due whatever the clock
// says: it may have been put back, or be that of another server since a failover.
var peekScript = newScript("claim", luaNow+`
local band, top = `+luaBand+`, '(`+luaTop+`'
local out, more, next = {now, 0, 0}, 0, 0
local function future(key, from, to)
  local row = redis.call('ZRANGEBYSCORE', key, from, to, 'WITHSCORES', 'LIMIT', 0, 1)
  if #row == 0 then return end
  local at = row[2] % band
  if next == 0 or at < next then next = at end
end
local function walk(key, always)
  local left = {[0] = tonumber(ARGV[1]), [1] = tonumber(ARGV[2])}
  local from = 0
  while true do
    local top = redis.call('ZRANGEBYSCORE', key, from, top, 'WITHSCORES', 'LIMIT', 0, 1)
    if #top == 0 then return end
    local base = math.floor(top[2] / band) * band
    local kind = base / band % 2
    local last = kind == 0 and always and band - 1 or now
    if top[2] - base > last then
      if next == 0 or top[2] - base < next then next = top[2] - base end
    else
      local rows = redis.call('ZRANGEBYSCORE', key, base, base + last, 'WITHSCORES', 'LIMIT', 0, left[kind] + 1)
      local n = math.min(#rows / 2, left[kind])
      if n < #rows / 2 then more = 1 end
      for i = 1, 2 * n do out[#out + 1] = rows[i] end
      left[kind] = left[kind] - n
      if last == now then future(key, base + now + 1, base + band - 1) end
    end
    from = base + band
  end
end
walk(KEYS[1], true)
walk(KEYS[2], false)
out[2], out[3] = more, next
return out
`)

// candidate is a delivery that was due when a shard was asked.
type candidate struct {
	id    deliveryID
	score int64 // band and time
}

func (c candidate) retry() bool { return c.score/bandWidth%2 == 1 }

// Claim leases due deliveries; see retrystore.Queue. It asks all shards at once
// what they have, chooses, and leases what it chose. What another node leased in
// between it does not get.
func (s *Store) Claim(ctx context.Context, r retrystore.ClaimRequest) (retrystore.Claim, error) {
	p, err := s.enter(ctx)
	if err != nil {
		return retrystore.Claim{}, err
	}
	defer s.leave()
	l := p.lanes.get(r.Lane)
	var claim retrystore.Claim
	var leased []*retrystore.Delivery
	retries := 0
	for round := 1; ; round++ {
		due, next, err := s.peek(p, l, r.Max-len(leased), r.MaxRetries-retries)
		if err != nil {
			s.giveBack(p, l, leased)
			return retrystore.Claim{}, err
		}
		got, all, failure := s.lease(p, l, due, r.Lease)
		for _, d := range got {
			if d.Attempts > 0 {
				retries++
			}
		}
		leased = append(leased, got...)
		claim.Next = next
		if !all {
			claim.Next = time.Now()
		}
		if failure != nil && len(leased) == 0 {
			return retrystore.Claim{}, failure
		}
		if all || round == claimRounds {
			break
		}
	}
	if err := ctx.Err(); err != nil { // the caller left: nobody would try them
		s.giveBack(p, l, leased)
		return retrystore.Claim{}, err
	}
	for _, d := range leased {
		if claim.Next.IsZero() || d.Lease.Until.Before(claim.Next) {
			claim.Next = d.Lease.Until
		}
	}
	claim.Deliveries = leased
	return claim, nil
}

// peek chooses from what is due in all shards. next is as Claim.Next says, but
// for the leases about to be made. Shards whose server is away have nothing due;
// it is an error only when all are away.
func (s *Store) peek(p *parts, l *lane, most, mostRetries int) (due []candidate, next time.Time, err error) {
	most, mostRetries = max(0, most), max(0, mostRetries)
	calls, err := s.ask(p, func(n int) *call {
		return peekScript.call(p.line(n), []string{l.keys[n].queue, l.keys[n].leased}, most, min(most, mostRetries))
	})
	if err != nil {
		return nil, next, err
	}
	var found []candidate
	more := false
	for _, c := range calls {
		n := c.shard
		var garbage []string
		answer, _ := c.reply.([]any)
		if len(answer) < 3 {
			return nil, next, unexpected(c)
		}
		s.clock.see(integer(answer[0]), c.sent, c.answered)
		more = more || integer(answer[1]) == 1
		if at := integer(answer[2]); at > 0 {
			if t := s.clock.local(at); next.IsZero() || t.Before(next) {
				next = t
			}
		}
		for i := 3; i+1 < len(answer); i += 2 {
			if member := text(answer[i]); ours(member, n) {
				found = append(found, candidate{deliveryID([]byte(member)), integer(answer[i+1])})
			} else {
				garbage = append(garbage, member)
			}
		}
		if k := &l.keys[n]; len(garbage) > 0 {
			if err := s.evict(c.line, []string{k.queue, k.leased, k.open}, garbage); err != nil {
				return nil, next, err
			}
			more = true // behind them
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.score != b.score {
			return int(min(max(a.score-b.score, -1), 1))
		}
		return strings.Compare(a.id.member(), b.id.member())
	})
	retries := 0
	for _, c := range found {
		switch {
		case len(due) == most, c.retry() && retries == mostRetries:
			more = true
			continue
		case c.retry():
			retries++
		}
		due = append(due, c)
	}
	if more {
		next = time.Now()
	}
	return due, next, nil
}

// leaseScript leases what is still due of the deliveries named, all of one lane
// and shard, and reads them.
//
//	KEYS  1 queue, 2 leases, 3 open index, then for each: progress, event, siblings, lost
//	ARGV  1 token, 2 milliseconds, 3 how long to know that an event is lost, then for each: member
//	returns for each: 0 not due, 1 event is gone, {error} it is damaged, or {score, event, attempts,
//	      budget's attempts, budget's start, latest attempt}
//
// Only a key of another type, or what is in it, is damage. What Redis refuses otherwise is
// an error of the script, or, after something was leased, not due: the next claim finds it.
//
// A second run with the same token, after an answer that was lost, finds the
// leases of the first.
var leaseScript = newScript("claim", luaNow+luaMay+luaInt+`
local band, history = `+luaBand+`, `+luaHistory+`
for i = 1, 3 do redis.call('ZCARD', KEYS[i]) end
local no = denied(KEYS[2], KEYS[4])
if no then return no end
local function lease(i)
  local member, progress, event, siblings, lost = ARGV[3 + i], KEYS[4 * i], KEYS[1 + 4 * i], KEYS[2 + 4 * i], KEYS[3 + 4 * i]
  local queued, held = redis.call('ZSCORE', KEYS[1], member), redis.call('ZSCORE', KEYS[2], member)
  local score, known = queued or held, redis.call('HMGET', progress, 't', 'a', 'ba', 'bs')
  local mine = held and known[1] == ARGV[1]
  local first = queued and queued % (2 * band) < band
  if score and not mine and not first and score % band > now then score = false end
  local record = score and redis.call('GET', event)
  if not score then
    return 0
  elseif not record then
    redis.call('SET', lost, 1, 'PX', ARGV[3])
    redis.call('ZREM', KEYS[1], member)
    redis.call('ZREM', KEYS[2], member)
    redis.call('ZREM', KEYS[3], member)
    redis.call('DEL', progress, siblings)
    return 1
  else
    local attempts = int(known[2])
    local latest = attempts > 0 and redis.call('HGET', progress, 'h' .. (attempts - 1) % history)
    local base = math.floor(score / band) * band
    if not mine then
      redis.call('ZREM', KEYS[1], member)
      redis.call('ZREM', KEYS[2], member)
      redis.call('ZADD', KEYS[2], base + now + ARGV[2], member)
      redis.call('HSET', progress, 't', ARGV[1])
    end
    return {base, record, known[2], known[3], known[4], latest}
  end
end
local out, refused, leased = {}, nil, false
for i = 1, #ARGV - 3 do
  local fine, answer = pcall(lease, i)
  if not fine then
    local why = tostring(type(answer) == 'table' and answer.err or answer)
    if string.find(why, 'WRONGTYPE', 1, true) or string.find(why, 'user_script:%d+: attempt to ') then
      answer = {why}
    else
      refused, answer = string.match(why, '%-(%u%u%u+ .*)') or why, 0
    end
  end
  leased = leased or type(answer) == 'table' and #answer > 1
  out[i] = answer
end
if refused and not leased then return redis.error_reply(refused) end
return out
`)

// lease leases candidates. all says that no other worker took one meanwhile. If the result
// of a script is not known, its leases lapse by themselves.
func (s *Store) lease(p *parts, l *lane, due []candidate, lease time.Duration) (leased []*retrystore.Delivery, all bool, err error) {
	if len(due) == 0 {
		return nil, true, nil
	}
	token := rand.Uint64() | 1<<63 // never acceptedToken
	byShard := make(map[int][]candidate)
	for _, c := range due {
		n := c.id.event().shard()
		if n < len(p.shards) {
			byShard[n] = append(byShard[n], c)
		}
	}
	calls := make(map[int]*call, len(byShard))
	var batch []*call
	for n, of := range byShard {
		shard, k := p.shards[n], &l.keys[n]
		keys := append(make([]string, 0, 3+4*len(of)), k.queue, k.leased, k.open)
		args := append(make([]any, 0, 3+len(of)), tokenText(token), milliseconds(lease), milliseconds(lostTime))
		for _, c := range of {
			keys = append(keys, shard.progress(c.id), shard.event(c.id.event()), shard.siblings(c.id.event()), shard.lost(c.id.event()))
			args = append(args, c.id.member())
		}
		calls[n] = leaseScript.call(p.line(n), keys, args...)
		batch = append(batch, calls[n])
	}
	s.direct(batch)
	for _, c := range batch {
		err = cmp.Or(err, c.err)
	}
	answers := make(map[deliveryID]*retrystore.Delivery)
	for n, of := range byShard {
		answer, _ := calls[n].reply.([]any)
		for i, c := range of {
			if calls[n].err != nil || i >= len(answer) {
				continue
			}
			if d := s.claimed(p, l, c, answer[i], calls[n]); d != nil {
				d.Lease = retrystore.Lease{Token: token, Until: calls[n].sent.Add(lease)}
				answers[c.id] = d
			}
		}
	}
	for _, c := range due { // in the order in which they were chosen
		if d := answers[c.id]; d != nil {
			leased = append(leased, d)
		}
	}
	return leased, len(leased) == len(due), err
}
