package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// damages are what may be done to a key. Each is for all types, as a key that is
// replaced may be of any.
var damages = map[string]func(ctx context.Context, c *redis.Client, key string){
	"missing": func(ctx context.Context, c *redis.Client, key string) { c.Del(ctx, key) },
	"a list":  func(ctx context.Context, c *redis.Client, key string) { c.Del(ctx, key); c.LPush(ctx, key, "x") },
	"another type": func(ctx context.Context, c *redis.Client, key string) {
		kind := c.Type(ctx, key).Val()
		c.Del(ctx, key)
		if kind == "string" {
			c.HSet(ctx, key, "a", "b")
		} else {
			c.Set(ctx, key, "garbage", 0)
		}
	},
	"garbage": func(ctx context.Context, c *redis.Client, key string) {
		switch c.Type(ctx, key).Val() {
		case "string":
			c.Set(ctx, key, "garbage\xff", 0)
		case "hash":
			for field := range c.HGetAll(ctx, key).Val() {
				c.HSet(ctx, key, field, "garbage")
			}
			c.HSet(ctx, key, "a", "1e300", "h0", "x", "bs", "-99999999999999999999")
		case "set":
			c.SAdd(ctx, key, "", "/", "no lane", "%zz/%", "\xff/\xfe", "a/b")
		case "zset":
			for i, score := range []string{"-inf", "-5", "0", "1e18", "+inf"} {
				c.Do(ctx, "ZADD", key, score, fmt.Sprint("x", i))
				c.Do(ctx, "ZADD", key, score, strings.Repeat("\xff", 16)+string(rune('a'+i)))
			}
		}
	},
	"cut short": func(ctx context.Context, c *redis.Client, key string) {
		switch c.Type(ctx, key).Val() {
		case "string":
			value := c.Get(ctx, key).Val()
			c.Set(ctx, key, value[:len(value)/2], 0)
		case "hash":
			for field := range c.HGetAll(ctx, key).Val() {
				c.HDel(ctx, key, field)
				c.HSet(ctx, key, "other", "x")
				break
			}
		case "zset":
			c.ZRemRangeByRank(ctx, key, 0, 0)
		case "set":
			c.SPop(ctx, key)
		}
	},
	"too long": func(ctx context.Context, c *redis.Client, key string) {
		pipe := c.Pipeline()
		switch c.Type(ctx, key).Val() {
		case "string":
			pipe.Append(ctx, key, strings.Repeat("x", 100_000))
		case "hash":
			for i := range 9000 {
				pipe.HSet(ctx, key, fmt.Sprint("extra", i), "x")
			}
			pipe.HSet(ctx, key, "d", strings.Repeat("x", 9000))
		case "zset":
			for i := range 1200 {
				pipe.ZAdd(ctx, key, redis.Z{Score: float64(i), Member: fmt.Sprint(strings.Repeat("x", 1000), i)})
			}
		}
		_, _ = pipe.Exec(ctx)
	},
	"extra members": func(ctx context.Context, c *redis.Client, key string) {
		pipe := c.Pipeline()
		for i := range 1200 {
			id := newEventID(time.Now(), uint16(i), 0).delivery(sole)
			switch {
			case c == nil:
			case strings.Contains(key, "}:lanes"):
				pipe.SAdd(ctx, key, fmt.Sprint("other/", i%20))
			case kindOf(key) == "z":
				pipe.ZAdd(ctx, key, redis.Z{Score: float64(i % 3), Member: id.member()})
			}
		}
		_, _ = pipe.Exec(ctx)
	},
}

// damaged says which of the events loses by a damage of a key: -1 for none.
type damagedKey struct {
	key    func(w *damageWorld) string
	victim int
}

var damageKeys = map[string]damagedKey{
	"meta":     {func(w *damageWorld) string { return w.prefix + ":meta" }, -1},
	"lanes":    {func(w *damageWorld) string { return w.shard().lanes() }, -1},
	"clock":    {func(w *damageWorld) string { return w.shard().clock() }, -1},
	"open":     {func(w *damageWorld) string { return w.lane().open }, -1},
	"queue":    {func(w *damageWorld) string { return w.lane().queue }, -1},
	"leases":   {func(w *damageWorld) string { return w.lane().leased }, -1},
	"dead":     {func(w *damageWorld) string { return w.lane().dead }, -1},
	"kept":     {func(w *damageWorld) string { return w.shard().kept() }, -1},
	"ended":    {func(w *damageWorld) string { return w.shard().delivered() }, -1},
	"event":    {func(w *damageWorld) string { return w.shard().event(w.id(0).event()) }, 0},
	"pair":     {func(w *damageWorld) string { return w.shard().event(w.id(2).event()) }, 2},
	"epoch":    {func(w *damageWorld) string { return w.shard().epoch() }, -1},
	"progress": {func(w *damageWorld) string { return w.shard().progress(w.id(0)) }, -1},
	"tally":    {func(w *damageWorld) string { return w.shard().tally() }, -1},
	"siblings": {func(w *damageWorld) string { return w.shard().siblings(w.id(2).event()) }, -1},
	"key":      {func(w *damageWorld) string { return w.shard().seen(testKey("event 0")) }, -1},
}

// damageWorld is a store with deliveries in every state.
type damageWorld struct {
	t      *testing.T
	s      *Store
	client *redis.Client
	prefix string
	ids    []string // of the first delivery of each event
}

var damageLanes = []retrystore.Lane{{Endpoint: "shop", Destination: "a"}, {Endpoint: "shop", Destination: "b"}}

func (w *damageWorld) shard() shard        { return w.s.parts.Load().shards[0] }
func (w *damageWorld) lane() *laneKeys     { return &w.s.parts.Load().lanes.get(damageLanes[0]).keys[0] }
func (w *damageWorld) id(i int) deliveryID { id, _ := parseID(w.ids[i]); return id }

func (w *damageWorld) accept(name string, lease time.Duration, destinations ...string) (*retrystore.Delivery, error) {
	sub := &retrystore.Submission{Key: testKey("event " + name), KeyTTL: time.Hour, Event: testEvent(name), MaxPending: 5000}
	sub.Event.Endpoint = "shop"
	for _, d := range destinations {
		sub.Targets = append(sub.Targets, retrystore.Target{Destination: d, Lease: lease})
	}
	receipt, err := w.s.Accept(w.t.Context(), sub)
	if err != nil || receipt.Duplicate {
		return nil, err
	}
	return receipt.Deliveries[0], nil
}

func (w *damageWorld) fill() {
	t := w.t
	for i := range 8 {
		destinations := []string{"a"}
		if i == 2 || i == 3 {
			destinations = []string{"a", "b"}
		}
		d, err := w.accept(fmt.Sprint(i), 0, destinations...)
		if err != nil {
			t.Fatal(err)
		}
		w.ids = append(w.ids, d.ID)
	}
	// One was tried before, one is dead, one is kept, one lies with a node that died.
	claim, err := w.s.Claim(t.Context(), retrystore.ClaimRequest{Lane: damageLanes[0], Max: 3, Lease: time.Hour})
	if err != nil || len(claim.Deliveries) != 3 {
		t.Fatal(claim, err)
	}
	for _, d := range claim.Deliveries {
		if err := w.s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now(), Attempt: retrystore.Attempt{At: time.Now(), Status: 500}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, state := range map[string]retrystore.State{"dead": retrystore.Dead, "kept": retrystore.Delivered} {
		d, err := w.accept(name, time.Hour, "a")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.s.Settle(t.Context(), d, retrystore.Settlement{State: state, Reason: "test", Attempt: retrystore.Attempt{At: time.Now(), Status: 410}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.accept("leased", 300*time.Millisecond, "a"); err != nil {
		t.Fatal(err)
	}
}

// deliver delivers what there is until all events of want were, by both lanes.
func (w *damageWorld) deliver(want map[string]bool) error {
	seen := map[string]bool{}
	for _, lane := range damageLanes {
		claim, err := w.s.Claim(w.t.Context(), retrystore.ClaimRequest{Lane: lane, Max: 50, MaxRetries: 50, Lease: time.Second})
		if err != nil {
			return err
		}
		for _, d := range claim.Deliveries {
			if err := w.s.Settle(w.t.Context(), d, retrystore.Settlement{State: retrystore.Delivered, Attempt: retrystore.Attempt{At: time.Now(), Status: 200}}); err != nil && !errors.Is(err, retrystore.ErrLeaseLost) {
				return err
			}
			seen[d.Event.EventID+" "+d.Destination] = true
		}
	}
	for one := range seen {
		delete(want, one)
	}
	if len(want) > 0 {
		return fmt.Errorf("not delivered yet: %v", want)
	}
	return nil
}

// operate does what people do with whatever is listed: nothing may panic or hang.
func (w *damageWorld) operate() error {
	ctx := w.t.Context()
	pages := 0
	for cursor := ""; ; {
		page, err := w.s.List(ctx, retrystore.Filter{}, cursor, 100)
		if err != nil {
			return err
		}
		for i, d := range page.Deliveries {
			if _, err := w.s.Get(ctx, d.ID); err != nil && !isGone(err) {
				return err
			}
			do := w.s.Delete
			if i%2 == 0 {
				do = w.s.Replay
			}
			if err := do(ctx, d.ID); err != nil && !isGone(err) && !errors.Is(err, retrystore.ErrState) {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		if pages++; pages > 1000 {
			return errors.New("the list has no end")
		}
	}
	_, err := w.s.Stats(ctx)
	return err
}

// TestDamagedKeys damages every kind of key in every way: everything else is
// delivered within seconds, and everything can be looked at and removed.
func TestDamagedKeys(t *testing.T) {
	server := redistest.Start(t)
	shared := client(server)
	t.Cleanup(func() { _ = shared.Close() })
	number := 0
	for kind, key := range damageKeys {
		for how, damage := range damages {
			number++
			prefix := fmt.Sprint("damage", number)
			t.Run(kind+"/"+how, func(t *testing.T) {
				t.Parallel()
				s := open(t, shared, Options{Prefix: prefix, Shards: 1, Timeout: 20 * time.Second})
				t.Cleanup(func() { _ = s.Close() })
				s.Retain(retrystore.Retention{Count: 100, Bodies: true})
				w := &damageWorld{t: t, s: s, client: shared, prefix: prefix}
				w.fill()
				damage(t.Context(), shared, key.key(w))

				want := map[string]bool{"leased a": true, "2 b": true, "3 b": true}
				for i := range 8 {
					want[fmt.Sprint(i, " a")] = true
				}
				if key.victim >= 0 {
					delete(want, fmt.Sprint(key.victim, " a"))
					delete(want, fmt.Sprint(key.victim, " b"))
				}
				eventually(t, 60*time.Second, func() error { return w.deliver(want) })
				for range 3 {
					eventually(t, 30*time.Second, w.operate)
				}
				if kind == "meta" { // refused until somebody repairs it
					shared.Del(t.Context(), key.key(w))
				}
				eventually(t, 30*time.Second, func() error { _, err := w.accept("new", 0, "a", "b"); return err })
				eventually(t, 30*time.Second, func() error {
					return w.deliver(map[string]bool{})
				})
			})
		}
	}
}
