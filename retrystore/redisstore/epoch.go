package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Redis may go back to an older state with the same generation: a killed server comes back
// with its latest snapshot, a new master may lack the latest writes, and an operator may
// restore a backup. So each server, or shard of a Cluster, has an epoch: a
// number that grows with each pipeline that stores something, as its last command. A node
// remembers the highest that it was told. If there is a lower one, all that was acknowledged
// in between may be gone. To tell that once, and to all nodes, the epoch then gets another
// branch.

// epoch is what a node knows of an epoch. At is the server's time in milliseconds when it
// last grew, or some more. Branch begins with "n" if there was no epoch before, and with
// "b" if the data went back.
type epoch struct {
	At     int64  `json:"at"`
	Branch string `json:"branch"`
}

// epochScript lets an epoch grow.
//
//	KEYS  1 epoch
//	ARGV  1 the highest that the node knows, 2 its branch, "" if it knows none, 3 a name for a new branch
//	returns {epoch, branch, what it was before}
//
// A full Redis leaves it as it is.
var epochScript = newScript("epoch", luaNow+`
local value = redis.call('GET', KEYS[1]) or ''
local at, branch = string.match(value, '^(%d+):(%w+)$')
local seen, was = tonumber(ARGV[1]), tonumber(at) or 0
if not at then
  branch = 'n' .. ARGV[3]
elseif branch == ARGV[2] and was < seen then
  branch = 'b' .. ARGV[3]
end
local new = math.max(now, was + 1)
local answer = redis.pcall('SET', KEYS[1], string.format('%.0f:', new) .. branch)
if type(answer) == 'table' and answer.err then
  if at and string.find(answer.err, 'OOM', 1, true) then return {was, ARGV[2], was} end
  return answer
end
return {new, branch, was}
`)

// epochs are the known ones, by the tag of the line's shard. They are safe for concurrent use.
type epochs struct {
	mu    sync.Mutex
	known map[string]epoch
	doubt bool // one was missing since the generation was last seen

	generation string // what the known ones belong to
	shards     int    // as recalled
	saved      string
}

// beat is a run of epochScript, and what the node knew when it was made.
type beat struct {
	*call
	knew epoch
}

func (s *Store) newBeat(l *line) beat {
	s.epochs.mu.Lock()
	knew := s.epochs.known[l.shard.tag]
	s.epochs.mu.Unlock()
	b := beat{epochScript.call(l, []string{l.shard.epoch()}, knew.At, knew.Branch, strings.ToLower(newGeneration())), knew}
	b.durable, b.deadline = true, time.Now().Add(s.options.Timeout)
	return b
}

// beaten notes what a beat was told.
func (s *Store) beaten(b beat) {
	answer, _ := b.reply.([]any)
	if b.err != nil || len(answer) != 3 {
		return
	}
	now, was := epoch{integer(answer[0]), text(answer[1])}, integer(answer[2])
	e, tag := &s.epochs, b.line.shard.tag
	e.mu.Lock()
	knew := e.known[tag]
	if knew.Branch != b.knew.Branch || now.Branch == "" { // another beat was told meanwhile
		e.mu.Unlock()
		return
	}
	if now.Branch == knew.Branch {
		now.At = max(now.At, knew.At)
	}
	e.known[tag] = now
	missing := knew.Branch != "" && now.Branch != knew.Branch && now.Branch[0] == 'n'
	e.doubt = e.doubt || missing
	e.mu.Unlock()
	if knew.Branch != "" && now.Branch != knew.Branch && !missing {
		s.wentBack(tag, was, knew.At)
	}
}

// wentBack tells that the data of a shard's server is that of an earlier time.
func (s *Store) wentBack(tag string, was, knew int64) {
	ctx, cancel := context.WithTimeout(s.ctx, s.options.Timeout)
	defer cancel()
	generation, err := s.client.HGet(ctx, s.options.Prefix+":meta", "generation").Result()
	if err != nil || generation != s.Condition().Generation {
		return // it is other data, which the next look at the settings tells
	}
	since := s.clock.local(was).UTC()
	c := &s.condition
	c.mu.Lock()
	c.replaced++
	c.back = fmt.Sprintf("found %s: Redis went back to an older state (a restart from a snapshot, a failover to a replica that was behind, a backup): what was accepted after about %s is lost, as far as it was there until %s",
		time.Now().UTC().Format(time.RFC3339), since.Format(time.RFC3339), s.clock.local(knew).UTC().Format(time.RFC3339))
	c.mu.Unlock()
	s.log.Error("redis went back to an older state: what was accepted since is lost; new webhooks are taken",
		zap.String("shard", tag), zap.Time("lost_after", since), zap.Time("seen_until", s.clock.local(knew)))
}

// beatAll has the epochs of all servers looked at, and grow.
func (s *Store) beatAll() {
	p := s.parts.Load()
	if p == nil {
		return
	}
	var beats []beat
	var calls []*call
	for _, l := range slices.Compact(slices.Clone(p.lines)) {
		b := s.newBeat(l)
		beats, calls = append(beats, b), append(calls, b.call)
	}
	s.direct(calls)
	for _, b := range beats {
		s.beaten(b)
	}
}

// intact reports whether the servers hold what they held when the node last looked, going
// by the epochs: then wh:meta alone is gone, and was of that generation and so many shards.
func (s *Store) intact(ctx context.Context) (generation string, shards int, ok bool) {
	e := &s.epochs
	e.mu.Lock()
	generation, shards, ok = e.generation, e.shards, !e.doubt && e.generation != "" && len(e.known) > 0
	known := maps.Clone(e.known)
	e.mu.Unlock()
	for tag, knew := range known {
		value, err := s.client.Get(ctx, shard{tag: tag}.epoch()).Result()
		at, branch, _ := strings.Cut(value, ":")
		if err != nil || branch != knew.Branch || integer(at) < knew.At {
			return "", 0, false
		}
	}
	return generation, shards, ok
}

// belong notes to which data the epochs belong; those of other data are forgotten.
func (s *Store) belong(generation string, shards int) {
	e := &s.epochs
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.generation != generation {
		e.known = make(map[string]epoch)
	}
	e.generation, e.shards, e.doubt = generation, shards, false
}

// recalled is what Options.Recall and Remember keep.
type recalled struct {
	Generation string           `json:"generation"`
	Shards     int              `json:"shards"`
	Epochs     map[string]epoch `json:"epochs"`
}

// recall takes up what an earlier process knew.
func (s *Store) recall() {
	e := &s.epochs
	e.known = make(map[string]epoch)
	if s.options.Recall == nil {
		return
	}
	var r recalled
	if json.Unmarshal(s.options.Recall(), &r) == nil && r.Generation != "" && r.Epochs != nil {
		e.generation, e.shards, e.known = r.Generation, r.Shards, r.Epochs
	}
}

// remember keeps what is known, if that has changed.
func (s *Store) remember() {
	if s.options.Remember == nil {
		return
	}
	e := &s.epochs
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := json.Marshal(recalled{e.generation, e.shards, e.known})
	if err != nil || e.generation == "" || string(b) == e.saved {
		return
	}
	e.saved = string(b)
	s.options.Remember(b)
}
