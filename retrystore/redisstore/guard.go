package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// The value of an event key says what it is: "e" and the id of the event that
// was accepted, "c" for committed, "h<token>:<until>:<since>" while held.

// luaHold reads a hold. If the hold was made later than now, the clock was set back since.
// It is not known whether the holder lives, so the hold lasts for its whole time from now.
//
// An end that is years ahead comes from damage, and is ignored.
const luaHold = `
local function held(token, til, now) return 'h' .. token .. ':' .. string.format('%.0f:%.0f', til, now) end
local function hold(key, value, now)
  local token, til, made = string.match(value, '^h(%d+):(%d+):?(%d*)')
  if not token then return nil, 0 end
  til, made = tonumber(til), tonumber(made) or now
  if til >= now + 315360000000 then return token, 0 end
  if made < til and made >= now + ` + clockStep + ` then
    local lease = til - made
    til = now + lease
    redis.call('SET', key, held(token, til, now), 'PX', 2 * lease)
  end
  return token, til
end
`

var errZeroKey = errors.New("the zero key cannot be held")

// Answers of holdScript.
const (
	holdGranted = iota
	holdTaken
	holdSeen
)

// holdScript holds a key that is neither held nor committed. The record lives for twice the
// lease: a late holder may still commit, unless another caller took the key meanwhile.
//
//	KEYS  1 event key
//	ARGV  1 token, 2 milliseconds
//	returns {0, now} granted, {1, now, until} taken, {2} committed or accepted
var holdScript = newScript("hold", luaNow+luaHold+luaLost+`
local value = redis.call('GET', KEYS[1])
if value then
  if value == 'c' or #value == 17 and string.sub(value, 1, 1) == 'e' and not lost(KEYS[1], value) then return {2} end
  local token, til = hold(KEYS[1], value, now)
  if token ~= ARGV[1] and til > now then return {1, now, til} end
end
redis.call('SET', KEYS[1], held(ARGV[1], now + ARGV[2], now), 'PX', 2 * ARGV[2])
return {0, now}
`)

// HoldKey holds a key; see retrystore.Guard.
func (s *Store) HoldKey(ctx context.Context, key retrystore.Key, lease time.Duration) (retrystore.Hold, error) {
	if key.IsZero() {
		return retrystore.Hold{}, errZeroKey
	}
	if lease <= 0 {
		return retrystore.Hold{}, fmt.Errorf("event key %s: a hold for %s is none", key, lease)
	}
	p, err := s.enter(ctx)
	if err != nil {
		return retrystore.Hold{}, err
	}
	defer s.leave()
	if err := s.refusing(); err != nil {
		return retrystore.Hold{}, err
	}
	token := rand.Uint64()
	c := s.keyCall(holdScript, p, key, tokenText(token), milliseconds(lease))
	if err := c.line.submit(ctx, c, s.options.Timeout); err != nil {
		return retrystore.Hold{}, err
	}
	h := retrystore.Hold{Key: key}
	answer, _ := c.reply.([]any)
	switch {
	case len(answer) == 2 && integer(answer[0]) == holdGranted:
		h.State, h.Token, h.Until = retrystore.HoldGranted, token, c.sent.Add(lease)
	case len(answer) == 3 && integer(answer[0]) == holdTaken:
		s.clock.see(integer(answer[1]), c.sent, c.answered)
		h.State, h.Until = retrystore.HoldTaken, s.clock.local(integer(answer[2]))
	case len(answer) == 1 && integer(answer[0]) == holdSeen:
		h.State = retrystore.HoldCommitted
	default:
		return retrystore.Hold{}, unexpected(c)
	}
	if err := ctx.Err(); err != nil && h.State == retrystore.HoldGranted { // the caller left
		_ = s.fenced(s.ctx, s.keyCall(freeScript, p, key, tokenText(token)), doubt{keyText(key), token}, true)
		return retrystore.Hold{}, err
	}
	return h, nil
}

// luaSet sets a key also where Redis has no room for it: after DEL it takes everything.
// It returns the error if Redis refuses for another reason; then the key is as it was.
const luaSet = `
local function set(key, value, ttl)
  local answer = redis.pcall('SET', key, value, 'PX', ttl)
  if type(answer) ~= 'table' or not answer.err then return nil end
  if not string.find(answer.err, 'OOM', 1, true) then return answer end
  redis.call('DEL', key)
  redis.call('SET', key, value, 'PX', ttl)
end
`

// luaHeld returns 0 from the script unless the caller holds the key.
const luaHeld = luaSet + `
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, '^h(%d+):') ~= ARGV[1] then return 0 end
`

// renewKeyScript extends a hold.
//
//	KEYS  1 event key
//	ARGV  1 token, 2 milliseconds
//	returns 1, or 0 if the key is not the caller's
var renewKeyScript = newScript("hold", luaHeld+luaNow+luaHold+`
return set(KEYS[1], held(ARGV[1], now + ARGV[2], now), 2 * ARGV[2]) or 1
`)

// RenewKey extends a hold; see retrystore.Guard.
func (s *Store) RenewKey(ctx context.Context, h *retrystore.Hold, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("event key %s: a hold for %s is none", h.Key, lease)
	}
	p, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave()
	c := s.keyCall(renewKeyScript, p, h.Key, tokenText(h.Token), milliseconds(lease))
	if err := s.fenced(ctx, c, doubt{keyText(h.Key), h.Token}, false); err != nil {
		return err
	}
	h.Until = c.sent.Add(lease)
	return nil
}

// commitScript remembers a held key.
//
//	KEYS  1 event key
//	ARGV  1 token, 2 milliseconds to remember it
//	returns 1, or 0 if the key is not the caller's
//
// What was worked on must be remembered, also by a full server.
var commitScript = newScript("hold", luaHeld+`
return set(KEYS[1], 'c', ARGV[2]) or 1
`)

// CommitKey remembers a key; see retrystore.Guard.
func (s *Store) CommitKey(ctx context.Context, h retrystore.Hold, ttl time.Duration) error {
	if ttl <= 0 {
		return fmt.Errorf("event key %s has no lifetime", h.Key)
	}
	p, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave()
	c := s.keyCall(commitScript, p, h.Key, tokenText(h.Token), milliseconds(ttl))
	c.durable = true
	return s.fenced(ctx, c, doubt{keyText(h.Key), h.Token}, true)
}

// freeScript ends a hold.
//
//	KEYS  1 event key
//	ARGV  1 token
//	returns 1, or 0 if the key is not the caller's
var freeScript = newScript("hold", luaHeld+`
redis.call('DEL', KEYS[1])
return 1
`)

// ReleaseKey frees a key; see retrystore.Guard.
func (s *Store) ReleaseKey(ctx context.Context, h retrystore.Hold) error {
	p, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave()
	return s.fenced(ctx, s.keyCall(freeScript, p, h.Key, tokenText(h.Token)), doubt{keyText(h.Key), h.Token}, true)
}

func keyText(key retrystore.Key) string { return "event key " + key.String() }

func (s *Store) keyCall(script *script, p *parts, key retrystore.Key, args ...any) *call {
	n := shardOf(key, len(p.shards))
	return script.call(p.line(n), []string{p.shards[n].seen(key)}, args...)
}
