package redislimiter_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
)

// packed is a state as the scripts keep it.
func packed(numbers ...float64) string {
	b := []byte{1}
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
	}
	return string(b)
}

// damagedValues are values of a key that no script writes.
func damagedValues() []string {
	now := float64(time.Now().UnixMicro())
	nan, inf := math.NaN(), math.Inf(1)
	values := []string{"", "x", strings.Repeat("\x01", 58), strings.Repeat("\xff", 73), strings.Repeat("\x02", 57), packed(0, 1, 1, 1, 0, 0, 1)[1:]}
	for i := range 7 { // each field of a sound one
		for _, bad := range []float64{nan, inf, -inf, -1, 1e300, 0.5} {
			sound := []float64{0, 5, 1, 1e6, now, now, 1e6}
			sound[i] = bad
			values = append(values, packed(sound...))
		}
	}
	return append(values,
		packed(2, 5, 1, 1e6, now, now, 1e6),             // no algorithm
		packed(0, 0, 1, 1e6, now, now, 0),               // no burst
		packed(0, 5, 0, 1e6, now, now, 1),               // no rate
		packed(0, 5, 1, 0, now, now, 0),                 // division by zero
		packed(0, 5, 1, 1e6, now, now, 6e6),             // more spent than can be
		packed(0, 1<<40, 1, 1<<40, now, now, 6e6),       // beyond what is counted exactly
		packed(0, 5, 1, 1e6, now, now, 1e6, now, 1),     // a log without a window
		packed(1, 5, 1, 1e6, now, now, 1e6, now, 1),     // spent and logged
		packed(1, 5, 1, 1e6, now, now, 0, now, 0),       // nobody came
		packed(1, 5, 1, 1e6, now, now, 0, now, nan),     //
		packed(1, 5, 1, 1e6, now, now, 0, nan, 1),       //
		packed(1, 5, 1, 1e6, now, now, 0, now, 1, 1, 1), // backwards
		packed(1, 5, 1, 1e6, now, now, 0, now, 1, now, 1),
		packed(1, 5, 1, 1e6, now, now, 0, now, 1e300),
	)
}

// TestDamagedKeys: whatever is in a key that is not what a script wrote, the key is as
// one never used, and it is counted and told. Nothing is refused or left to the policy.
func TestDamagedKeys(t *testing.T) {
	s := redistest.Start(t)
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		t.Run(algorithm, func(t *testing.T) {
			admin := s.Client()
			if err := admin.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			core, logs := observer.New(zap.InfoLevel)
			l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient, Logger: zap.New(core)})
			two := limit("2", "1/h", algorithm)
			first, _ := take(t, l, global(two))
			keys, err := admin.Keys(t.Context(), "*").Result()
			if err != nil || len(keys) != 1 {
				t.Fatalf("keys %q, error %v", keys, err)
			}
			key, want := keys[0], uint64(0)
			check := func(what string) {
				t.Helper()
				want++
				d, _ := take(t, l, global(two))
				if !d.Allowed || d.Tiers[0].Remaining != 1 || d.Tiers[0].Reset > 3*time.Hour {
					t.Errorf("%s: %+v", what, d)
				}
				if got := l.Damaged(); got != want {
					t.Errorf("%s: %d are counted, want %d", what, got, want)
					want = got
				}
				if ttl := admin.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > 3*time.Hour {
					t.Errorf("%s: the key expires in %s", what, ttl)
				}
				if d, _ := take(t, l, global(two)); !d.Allowed || d.Tiers[0].Remaining != 0 {
					t.Errorf("%s, the second: %+v", what, d)
				}
				if d, _ := take(t, l, global(two)); d.Allowed || d.Tier != limiter.Global {
					t.Errorf("%s, the third: %+v", what, d)
				}
			}
			for _, value := range damagedValues() {
				if err := admin.Set(t.Context(), key, value, 0).Err(); err != nil {
					t.Fatal(err)
				}
				check(fmt.Sprintf("%q", value))
			}
			for kind, make := range otherTypes(admin, key) {
				_ = admin.Del(t.Context(), key)
				if err := make(t); err != nil {
					t.Fatal(err)
				}
				check(kind)
			}
			// To give back a token that was taken before has no effect, and is no failure.
			_ = admin.Del(t.Context(), key)
			if err := admin.RPush(t.Context(), key, "x").Err(); err != nil {
				t.Fatal(err)
			}
			if err := l.Return(t.Context(), first); err != nil || l.Damaged() != want+1 {
				t.Errorf("to give back: %v, %d are counted", err, l.Damaged())
			}
			if n := admin.Exists(t.Context(), key).Val(); n != 0 {
				t.Error("the damaged key is still there")
			}
			if l.Unavailable() != 0 || l.Failures() != 0 || l.Away() {
				t.Errorf("%d were not answered, %d failures, away %v", l.Unavailable(), l.Failures(), l.Away())
			}
			if entries := logs.FilterLevelExact(zap.ErrorLevel).All(); len(entries) != 1 || !strings.Contains(fmt.Sprint(entries[0].ContextMap()), key) {
				t.Errorf("logged %v: want one line with the key", entries)
			}
		})
	}
}

func otherTypes(admin *redis.Client, key string) map[string]func(t *testing.T) error {
	return map[string]func(t *testing.T) error{
		"list":       func(t *testing.T) error { return admin.RPush(t.Context(), key, "x").Err() },
		"hash":       func(t *testing.T) error { return admin.HSet(t.Context(), key, "a", "b").Err() },
		"set":        func(t *testing.T) error { return admin.SAdd(t.Context(), key, "x").Err() },
		"sorted set": func(t *testing.T) error { return admin.ZAdd(t.Context(), key, redis.Z{Score: 1, Member: "x"}).Err() },
		"stream": func(t *testing.T) error {
			return admin.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []string{"a", "b"}}).Err()
		},
	}
}

// TestFlippedKeys flips bits of what was written and cuts it off: the answer is always
// one that the limit can give, and the key goes by itself.
func TestFlippedKeys(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	admin := s.Client()
	random := rand.New(rand.NewPCG(1, 2))
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		three := limit("3", "1/m", algorithm)
		ask := ip(algorithm, three)
		take(t, l, ask)
		take(t, l, ask)
		keys, err := admin.Keys(t.Context(), "*").Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("keys %q, error %v", keys, err)
		}
		good, err := admin.Get(t.Context(), keys[0]).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		for n := range 8*len(good) + len(good) + 200 {
			bad := bytes.Clone(good)
			switch {
			case n < 8*len(good):
				bad[n/8] ^= 1 << (n % 8)
			case n < 9*len(good):
				bad = bad[:n-8*len(good)]
			default:
				for range 1 + random.IntN(20) {
					bad[random.IntN(len(bad))] = byte(random.Uint32())
				}
			}
			if err := admin.Set(t.Context(), keys[0], bad, 0).Err(); err != nil {
				t.Fatal(err)
			}
			d, _ := take(t, l, ask)
			// At the worst all was spent just now.
			if len(d.Tiers) != 1 || d.Tiers[0].Remaining < 0 || d.Tiers[0].Remaining > 2 || d.RetryAfter > three.Window()+time.Second || d.Tiers[0].Reset > three.Window()+time.Second {
				t.Errorf("%d, %x: %+v", n, bad, d)
			}
			if ttl := admin.PTTL(t.Context(), keys[0]).Val(); ttl <= 0 || ttl > three.Window()+2*time.Second {
				t.Errorf("%d, %x: the key expires in %s", n, bad, ttl)
			}
		}
		if l.Unavailable() != 0 {
			t.Errorf("%d were not answered", l.Unavailable())
		}
		if err := admin.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
