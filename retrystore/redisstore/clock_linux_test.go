package redisstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// clockSteps are those that suspend, NTP, a restored machine, a failover and people bring about.
var clockSteps = []time.Duration{time.Minute, time.Hour, 24 * time.Hour, -time.Minute, -time.Hour, -24 * time.Hour}

// onStepped runs f for each step, on a server of its own and two nodes.
func onStepped(t *testing.T, f func(t *testing.T, a, b *Store, server *redistest.Server, move func())) {
	for _, by := range clockSteps {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			server, step := redistest.StartWithClock(t)
			o := Options{Shards: 2, markEvery: 50 * time.Millisecond, Logger: zap.NewNop()}
			a, b := newStore(t, server, o), newStore(t, server, o)
			accept(t, a, "before", time.Minute) // there is a lane before the clock is looked at
			seen := clockSeen(t, server)
			f(t, a, b, server, func() {
				t.Helper()
				step(by)
				if by < 0 { // somebody has to look
					eventually(t, time.Minute, func() error {
						if now := clockSeen(t, server); now >= seen {
							return fmt.Errorf("the clock is still seen at %d", now)
						}
						return nil
					})
				}
			})
		})
	}
}

// clockSeen is the latest time that the stores have noted, of all shards, once they have.
func clockSeen(t *testing.T, server *redistest.Server) (seen int64) {
	t.Helper()
	client := server.Client()
	eventually(t, time.Minute, func() error {
		seen = 0
		for n := range 2 {
			at, err := client.Get(t.Context(), newShard(DefaultPrefix, n).clock()).Int64()
			if err != nil {
				return err
			}
			seen = max(seen, at)
		}
		return nil
	})
	return seen
}

// TestClockStepsRetry: the server's clock is stepped while a retry waits. After a step forward it is
// due if that went so far; after a step back when it was, and it does not come twice.
func TestClockStepsRetry(t *testing.T) {
	onStepped(t, func(t *testing.T, a, b *Store, _ *redistest.Server, move func()) {
		const wait = 10 * time.Second
		d := accept(t, a, "1", time.Minute)
		began := time.Now()
		if err := a.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: began.Add(wait)}); err != nil {
			t.Fatal(err)
		}
		before := dueIn(t, a, d.ID)
		move()
		if after := dueIn(t, b, d.ID); after > before+2*time.Second {
			t.Errorf("the retry is due in %s, before the step it was in %s", after, before)
		}
		got := claimed(t, b, d.ID, "the retry does not come")
		if passed := time.Since(began); passed > wait+20*time.Second {
			t.Errorf("the retry came after %s, want %s", passed, wait)
		}
		if err := b.Settle(t.Context(), got, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now().Add(time.Hour)}); err != nil {
			t.Errorf("the retry's lease: %v", err)
		}
		for _, s := range []*Store{a, b} {
			if in := dueIn(t, s, d.ID); in < 59*time.Minute || in > 61*time.Minute {
				t.Errorf("the next retry is due in %s, want an hour", in)
			}
		}
	})
}

// claimed claims until the delivery is among what comes; failure says what it means that it does not come.
func claimed(t *testing.T, s *Store, id, failure string) (got *retrystore.Delivery) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		for _, d := range claim(t, s, 9) {
			if d.ID == id {
				got = d
				return nil
			}
		}
		return errors.New(failure)
	})
	return got
}

// dueIn is when a pending delivery is due, from now on by the server's clock.
func dueIn(t *testing.T, s *Store, id string) time.Duration {
	t.Helper()
	p := s.parts.Load()
	d, ok := parseID(id)
	if !ok {
		t.Fatalf("%q is no id", id)
	}
	n := d.event().shard()
	score, err := s.client.ZScore(t.Context(), p.lanes.get(testLane).keys[n].queue, d.member()).Result()
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.client.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(score) % bandWidth).Sub(now)
}

// TestClockStepsLease: a lease whose node died lapses when it should after a step back, and at once
// after a step forward that is as long. A node that lives and is too late then is told so.
func TestClockStepsLease(t *testing.T) {
	onStepped(t, func(t *testing.T, a, b *Store, _ *redistest.Server, move func()) {
		const lease = 5 * time.Second
		d := accept(t, a, "1", lease)
		move()
		began := time.Now()
		got := claimed(t, b, d.ID, "the lease does not lapse")
		if passed := time.Since(began); passed > lease+20*time.Second {
			t.Errorf("the lease lapsed after %s, want %s", passed, lease)
		}
		if err := a.Settle(t.Context(), d, delivered); !errors.Is(err, retrystore.ErrLeaseLost) {
			t.Errorf("the first holder settled it: %v", err)
		}
		if err := b.Settle(t.Context(), got, delivered); err != nil {
			t.Errorf("the second: %v", err)
		}
	})
}

// TestClockStepsKeys: an event key lives by the server's clock: less by a step forward, longer by
// a step back, and never for ever. A hold whose holder died is free two minutes after a
// step back at the latest.
func TestClockStepsKeys(t *testing.T) {
	onStepped(t, func(t *testing.T, a, b *Store, server *redistest.Server, move func()) {
		client := server.Client()
		submitted := submission("1", time.Minute)
		submitted.KeyTTL = 2 * time.Hour
		if _, err := a.Accept(t.Context(), submitted); err != nil {
			t.Fatal(err)
		}
		held := []retrystore.Key{testKey("held"), testKey("accepted")}
		for _, key := range held {
			if h, err := a.HoldKey(t.Context(), key, time.Minute); err != nil || h.State != retrystore.HoldGranted {
				t.Fatal(h, err)
			}
		}
		shardKey := func(key retrystore.Key) string { return newShard(DefaultPrefix, shardOf(key, 2)).seen(key) }
		life := func(key retrystore.Key) time.Duration {
			t.Helper()
			left, err := client.PTTL(t.Context(), shardKey(key)).Result()
			if err != nil {
				t.Fatal(err)
			}
			return left // negative: gone
		}
		before := life(submitted.Key)
		move()
		moved := before - life(submitted.Key)
		gone := life(submitted.Key) < 0
		// move knows the step; here it is what the name of the test says.
		by, err := time.ParseDuration(t.Name()[len("TestClockStepsKeys/"):])
		if err != nil {
			t.Fatal(err)
		}
		if want := by >= before; gone != want || !gone && (moved < by || moved > by+time.Minute) {
			t.Errorf("the key's life is shorter by %s, gone: %v; want shorter by %s", moved, gone, by)
		}
		if r, err := b.Accept(t.Context(), submitted); err != nil || r.Duplicate == gone {
			t.Errorf("the webhook comes again: %+v, %v", r, err)
		}
		taken, err := b.HoldKey(t.Context(), held[0], time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if by >= time.Minute {
			if taken.State != retrystore.HoldGranted {
				t.Errorf("after a step forward the hold is %+v, want it to be free", taken)
			}
			return
		}
		if taken.State != retrystore.HoldTaken || time.Until(taken.Until) > 3*time.Minute {
			t.Errorf("the hold is %+v, taken for another %s", taken, time.Until(taken.Until))
		}
		again := submission("accepted", time.Minute)
		if _, err := b.Accept(t.Context(), again); !errors.Is(err, retrystore.ErrUnavailable) {
			t.Errorf("a held key is accepted: %v", err)
		}
		for _, key := range held {
			if left := life(key); left > 4*time.Minute {
				t.Errorf("the hold lasts for another %s", left)
			}
		}
	})
}

// TestClockStepsMany: all of a lane that is due later moves by the same, once, however many there
// are, in all bands, and with equal times; what is due stays where it is.
func TestClockStepsMany(t *testing.T) {
	t.Parallel()
	server, step := redistest.StartWithClock(t)
	s := newStore(t, server, Options{Shards: 1, markEvery: time.Hour})
	client := server.Client()
	key := s.parts.Load().lanes.get(testLane).keys[0].queue
	accept(t, s, "1", time.Minute)
	now, before := time.Now().UnixMilli(), map[string]int64{}
	var all []redis.Z
	for i := range 3000 {
		id := newEventID(time.Now(), uint16(i), 0).delivery(sole)
		at := now + 2*time.Hour.Milliseconds() + int64(i/700) // many at once
		if i%10 == 0 {
			at = now - int64(i) - 1
		}
		before[id.member()] = int64(band(i%3, true))*bandWidth + at
		all = append(all, redis.Z{Score: float64(before[id.member()]), Member: id.member()})
	}
	if err := client.ZAdd(t.Context(), key, all...).Err(); err != nil {
		t.Fatal(err)
	}
	s.followClock()
	step(-time.Hour)
	s.followClock()
	s.followClock() // finds nothing more
	rows, err := client.ZRangeWithScores(t.Context(), key, 0, -1).Result()
	if err != nil || len(rows) != len(all) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	moved := int64(0)
	for _, row := range rows {
		by := before[row.Member.(string)] - int64(row.Score)
		if stays := before[row.Member.(string)]%bandWidth < now; stays {
			// It may be due later now, by the clock of before: then it is due at once.
			if at := int64(row.Score) % bandWidth; by != 0 && at > time.Now().UnixMilli()-time.Hour.Milliseconds() {
				t.Errorf("what was due is due in %d ms", at-now)
			}
			continue
		}
		if moved == 0 {
			moved = by
		}
		if by != moved || by < (59*time.Minute).Milliseconds() || by > time.Hour.Milliseconds() {
			t.Fatalf("one moved by %d ms, another by %d", by, moved)
		}
	}
}
