package redislimiter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
)

// Several nodes grant together exactly what one would.
func TestNodesShareOneBudget(t *testing.T) {
	s := redistest.Start(t)
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		asks := []limiter.Ask{
			{Tier: limiter.Provider, Scope: "shop", Limit: limit("700", "1/h", algorithm)},
			global(limit("500", "1/h", algorithm)),
		}
		var granted atomic.Int64
		var wg sync.WaitGroup
		for range 2 { // nodes
			l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}),
				redislimiter.Options{Prefix: algorithm, Timeout: patient})
			for range 8 {
				wg.Go(func() {
					for range 100 {
						if d, err := l.Take(t.Context(), asks...); err != nil {
							t.Error(err)
						} else if d.Allowed {
							granted.Add(1)
						}
					}
				})
			}
			t.Cleanup(func() {
				if l.Unavailable() != 0 {
					t.Errorf("%d were not answered", l.Unavailable())
				}
			})
		}
		wg.Wait()
		if granted.Load() != 500 {
			t.Errorf("%s: %d are granted, want 500", algorithm, granted.Load())
		}
	}
}

// Every key expires, and not before it is as if never used; by the server's clock.
func TestKeysExpire(t *testing.T) {
	s := redistest.Start(t)
	admin := s.Client()
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	for _, c := range []struct {
		limit limiter.Limit
		takes int
		least time.Duration // of what the key lives
	}{
		{slow("5"), 3, 3*time.Hour - time.Minute},
		{limit("5", "1/h", "sliding_window"), 3, 5*time.Hour - time.Minute},
		{limit("320", "320/h", "sliding_window"), 3, time.Hour},
		{limit("1", "1/1250999h"), 2, 1250999*time.Hour - time.Minute}, // the longest there is
	} {
		for range c.takes {
			take(t, l, ip("a", c.limit))
		}
		keys, err := admin.Keys(t.Context(), "*").Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("keys %q, error %v", keys, err)
		}
		lives, err := admin.PTTL(t.Context(), keys[0]).Result()
		if err != nil || lives < c.least || lives > c.least+c.least/16+2*time.Hour {
			t.Errorf("%s: it lives for %s, error %v", c.limit, lives, err)
		}
		if err := admin.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// The room that many addresses take is freed by itself.
	for i := range 1000 {
		take(t, l, ip(fmt.Sprint(i), limit("50", "20/s")))
	}
	eventually(t, "all keys have expired", func() bool {
		n, err := admin.DBSize(t.Context()).Result()
		return err == nil && n == 0
	})
	// By then each of them is as if never used.
	if d, _ := take(t, l, ip("7", limit("50", "20/s"))); d.Tiers[0].Remaining != 49 {
		t.Errorf("%+v", d)
	}
}

// A limit of the server's clock: what was spent comes back in time.
func TestServerClock(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	for _, algorithm := range []string{"token_bucket", "sliding_window"} {
		ask := ip(algorithm, limit("5", "20/s", algorithm))
		begin, granted := time.Now(), 0
		for time.Since(begin) < time.Second {
			if d, took := take(t, l, ask); d.Allowed {
				granted++
			} else if d.RetryAfter > 250*time.Millisecond+took {
				t.Errorf("%+v", d)
			}
		}
		most := 5 + int(20*time.Since(begin).Seconds()) + 1
		if granted < 20 || granted > most {
			t.Errorf("%s: %d are granted in a second, want 20 to %d", algorithm, granted, most)
		}
	}
}

// However long, binary or alike: no two keys meet, and none is kept at length.
func TestHostileKeys(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, connect(t, redisclient.Options{Addresses: []string{s.URL()}}), redislimiter.Options{Timeout: patient})
	long := strings.Repeat("x", 1<<20)
	var asks []limiter.Ask
	for _, names := range [][2]string{
		{"", ""}, {"a", "bc"}, {"ab", "c"}, {"", "1:a"}, {"1:", "a"}, {"a", "1:a"}, {"", "#"}, {"#", ""},
		{"", "}{"}, {"{a}", "b"}, {"", "\x00"}, {"", "\x00\x00"}, {"", "\xff\xfe"}, {"", "\r\nFLUSHALL\r\n"},
		{long, ""}, {"", long}, {"x", long[1:]}, {long, long}, {"", long[:64]}, {"", long[:65]}, {"", long[:66]},
	} {
		for _, tier := range []limiter.Tier{limiter.IP, limiter.Provider, limiter.Global} {
			asks = append(asks, limiter.Ask{Tier: tier, Scope: names[0], Key: names[1], Limit: slow("1")})
		}
	}
	for _, want := range []bool{true, false} {
		for _, ask := range asks {
			if d, _ := take(t, l, ask); d.Allowed != want {
				t.Errorf("%s %.20q %.20q: allowed %v", ask.Tier, ask.Scope, ask.Key, d.Allowed)
			}
		}
	}
	keys, err := s.Client().Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != len(asks) {
		t.Errorf("%d keys for %d asks, error %v", len(keys), len(asks), err)
	}
	for _, key := range keys {
		if len(key) > 100 || !strings.HasPrefix(key, "{wh:l") {
			t.Errorf("key %.120q", key)
		}
	}
}

// A user with the rights that Needs returns, and no more, is enough.
func TestNeedsAreEnough(t *testing.T) {
	s := redistest.Start(t, redistest.AOF...)
	commands, keys := redislimiter.Needs("")
	words := []any{"acl", "setuser", "limiter", "on", ">s3cr3t", "+multi", "+discard", "+info"}
	for _, command := range commands {
		words = append(words, "+"+strings.ToLower(strings.Fields(command)[0]))
	}
	for _, key := range keys {
		words = append(words, "~"+key)
	}
	if err := s.Client().Do(t.Context(), words...).Err(); err != nil {
		t.Fatal(err)
	}
	client := connect(t, redisclient.Options{Addresses: []string{"redis://limiter:s3cr3t@" + s.Addr()}})
	if _, err := redisclient.Check(t.Context(), client, redisclient.Needs{Commands: commands, Keys: keys}); err != nil {
		t.Error(err)
	}
	l := open(t, client, redislimiter.Options{Timeout: patient})
	d, _ := take(t, l, ip("a", slow("1")), global(slow("1")))
	if err := l.Return(t.Context(), d); err != nil || !d.Allowed {
		t.Errorf("%+v, error %v", d, err)
	}
	if n, err := s.Client().DBSize(t.Context()).Result(); n != 0 || err != nil { // given back: as if never used
		t.Errorf("%d keys, error %v", n, err)
	}
}

// Replicas know what was spent, the append-only file does not.
func TestFailoverRemembersSpending(t *testing.T) {
	s := redistest.StartSentinel(t, redistest.AOF...)
	l := open(t, connect(t, redisclient.Options{Addresses: s.Addrs(), SentinelMaster: s.Master()}),
		redislimiter.Options{Timeout: patient})
	old := s.Current()
	admin := old.Client()
	for range 100 {
		take(t, l, global(slow("50")), ip("a", limit("60", "1/h", "sliding_window")))
	}
	if n, err := admin.Wait(t.Context(), 2, patient).Result(); n != 2 || err != nil {
		t.Fatalf("%d replicas, error %v", n, err)
	}
	files, err := filepath.Glob(filepath.Join(old.Dir(), "appendonly*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("append-only files %q, error %v", files, err)
	}
	for _, file := range files {
		if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte("wh:l")) {
			t.Errorf("%s has keys of ours, error %v", file, err)
		}
	}
	old.Kill()
	s.AwaitFailover(old)
	eventually(t, "redis is asked again", func() bool { take(t, l, ip("probe", slow("1"))); return !l.Away() })
	if d, _ := take(t, l, global(slow("50"))); d.Allowed || d.Tiers[0].Reset == 0 {
		t.Errorf("%+v", d)
	}
	if d, _ := take(t, l, ip("a", limit("60", "1/h", "sliding_window"))); !d.Allowed || d.Tiers[0].Remaining != 9 {
		t.Errorf("%+v", d)
	}
}

// Replicas forget what their master forgets: nothing is left on them.
func TestReplicasForget(t *testing.T) {
	s := redistest.StartSentinel(t)
	l := open(t, connect(t, redisclient.Options{Addresses: s.Addrs(), SentinelMaster: s.Master()}),
		redislimiter.Options{Timeout: patient})
	refuse := global(slow("1"))
	take(t, l, refuse)
	for i := range 200 {
		ask := ip(fmt.Sprint(i), limit("1", "20/s"))
		d, _ := take(t, l, ask)
		switch i % 4 {
		case 0:
			take(t, l, ask) // refused
		case 1:
			if err := l.Return(t.Context(), d); err != nil {
				t.Error(err)
			}
		case 2:
			take(t, l, ip(ask.Key, limit("1", "1/s", "sliding_window")), refuse) // changed, and refused
		}
	}
	for _, server := range s.Servers {
		client := server.Client()
		eventually(t, "one key is left on "+server.Addr(), func() bool {
			n, err := client.DBSize(t.Context()).Result()
			return err == nil && n == 1
		})
	}
}

// A part of a Cluster that is away leaves the others alone, and slots may move under load.
func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 0, "--cluster-require-full-coverage", "no")
	l := open(t, connect(t, redisclient.Options{Addresses: c.Addrs(), Cluster: true}), redislimiter.Options{Timeout: time.Second})
	admin := c.Nodes[0].Client()
	n, err := admin.ClusterKeySlot(t.Context(), "{wh:l}").Result()
	if err != nil {
		t.Fatal(err)
	}
	slot := int(n)
	home := c.MasterOf(slot)
	other := c.Nodes[0]
	if other == home {
		other = c.Nodes[1]
	}

	ctx, stop := context.WithCancel(t.Context())
	var granted, untold atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				d, err := l.Take(t.Context(), global(slow("1000000")), limiter.Ask{Tier: limiter.Provider, Limit: slow("1000000")})
				switch {
				case errors.Is(err, redislimiter.ErrUnavailable):
					untold.Add(1)
				case err != nil || !d.Allowed:
					t.Errorf("%+v, error %v", d, err)
				default:
					granted.Add(1)
				}
			}
		})
	}
	for range 5 {
		c.Migrate(slot, home, other)
		home, other = other, home
	}
	stop()
	wg.Wait()
	// While a slot moves, its two keys may be at different nodes: some cannot be told (TRYAGAIN).
	if granted.Load() == 0 || untold.Load() != l.Unavailable() || l.Away() {
		t.Errorf("%d granted, %d untold, %d counted, away %v", granted.Load(), untold.Load(), l.Unavailable(), l.Away())
	}
	d, _ := take(t, l, global(slow("1000000")))
	if left := 1000000 - granted.Load() - 1; d.Tiers[0].Remaining != left {
		t.Errorf("%d remain, want %d", d.Tiers[0].Remaining, left)
	}

	home.Kill()
	answered, unanswered := 0, 0
	for i := range 400 { // over 16 places
		if d, took := take(t, l, ip(fmt.Sprint(i), slow("1"))); d.Allowed {
			answered++
		} else if unanswered++; took > 2*time.Second {
			t.Errorf("one waited for %s", took)
		}
	}
	t.Logf("%d answered and %d not while a third of the cluster is away", answered, unanswered)
	if answered < 100 || unanswered == 0 || !l.Away() {
		t.Errorf("%d are answered, %d are not, away %v", answered, unanswered, l.Away())
	}
	if d, _ := take(t, l, global(slow("1000000"))); d.Allowed {
		t.Errorf("%+v", d)
	}
	home.Restart()
	eventually(t, "all of redis is asked again", func() bool { return !l.Away() })
}
