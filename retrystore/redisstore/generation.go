package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// newGeneration names data that begins now.
func newGeneration() string { return rand.Text()[:16] }

// seen compares the generation of the data with the one that was there before, and
// reports whether it is the same, or the first.
func (s *Store) seen(generation string) bool {
	c := &s.condition
	c.mu.Lock()
	before, first := c.generation, c.generation == ""
	c.generation = generation
	if first || before == generation {
		c.mu.Unlock()
		return true
	}
	c.replaced++
	c.loss = fmt.Sprintf("found %s: redis was emptied, or is another one (a failover to an empty replica, FLUSHALL, a restart without files); gone are what it held: %d open deliveries and %d dead letters when last counted, %s, and the event keys",
		time.Now().UTC().Format(time.RFC3339), c.open, c.dead, c.counted.UTC().Format(time.RFC3339))
	open, dead, counted := c.open, c.dead, c.counted
	c.open, c.dead, c.marks = 0, 0, nil
	c.mu.Unlock()
	s.log.Error("redis does not hold any more what was stored: it was emptied, or is another one; new webhooks are taken",
		zap.String("generation_before", before), zap.String("generation", generation),
		zap.Int("open_deliveries_lost", open), zap.Int("dead_letters_lost", dead), zap.Time("counted_at", counted))
	return false
}

// checkMarks looks whether each shard of a Cluster still holds its data: the masters lose
// theirs one by one, and the generation lies with one of them. So each shard has a mark, a
// name like a generation. marked says that all were set when the data began; then one that
// is missing is lost even if this process has never seen it. fresh says that it is known
// already that all the data is new. What cannot be read now is looked at the next time.
func (s *Store) checkMarks(ctx context.Context, shards int, marked, fresh bool) {
	c := &s.condition
	c.marking.Lock()
	defer c.marking.Unlock()
	c.mu.Lock()
	known := c.marks
	c.mu.Unlock()
	marks, complete := make(map[int]string), true
	var lost []string
	for n, read := range s.readMarks(ctx, shards) {
		mark, err := read.Result()
		shard := newShard(s.options.Prefix, n)
		missing := errors.Is(err, redis.Nil)
		if missing {
			mark, err = s.mark(ctx, shard)
		}
		if err != nil {
			marks[n], complete = known[n], false
			continue
		}
		if before := known[n]; !fresh && (before != "" && before != mark || before == "" && missing && marked) {
			lost = append(lost, shard.tag)
		}
		marks[n] = mark
	}
	if len(lost) > 0 {
		// Unless the generation is gone as well, which is found by the next look.
		now, err := s.client.HGet(ctx, s.options.Prefix+":meta", "generation").Result()
		if err != nil || now != s.Condition().Generation {
			return
		}
	}
	if complete && !marked {
		_ = s.client.HSet(ctx, s.options.Prefix+":meta", "marked", 1).Err() // else the next time
	}
	c.mu.Lock()
	c.marks = marks
	if len(lost) > 0 {
		c.replaced++
		c.loss = fmt.Sprintf("found %s: masters of the cluster were emptied, or replaced by empty ones; gone are the shards %s with their part of what was stored, and of the event keys: in all shards there were %d open deliveries and %d dead letters when last counted, %s",
			time.Now().UTC().Format(time.RFC3339), strings.Join(lost, " "), c.open, c.dead, c.counted.UTC().Format(time.RFC3339))
	}
	c.mu.Unlock()
	if len(lost) > 0 {
		s.log.Error("redis does not hold any more what was stored in some shards: masters were emptied, or replaced by empty ones; new webhooks are taken",
			zap.Strings("shards", lost))
	}
}

func (s *Store) readMarks(ctx context.Context, shards int) []*redis.StringCmd {
	reads := make([]*redis.StringCmd, shards)
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each has an error of its own
		for n := range reads {
			reads[n] = p.Get(ctx, newShard(s.options.Prefix, n).mark())
		}
		return nil
	})
	return reads
}

// mark sets the mark of a shard, unless another node was first, and returns it.
func (s *Store) mark(ctx context.Context, shard shard) (string, error) {
	if err := s.client.SetArgs(ctx, shard.mark(), newGeneration(), redis.SetArgs{Mode: "NX"}).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return "", err
	}
	return s.client.Get(ctx, shard.mark()).Result()
}
