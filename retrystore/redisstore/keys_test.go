package redisstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func TestIDs(t *testing.T) {
	var before string
	base := time.UnixMilli(1_700_000_000_000)
	for i := range 1000 {
		id := newEventID(base.Add(time.Duration(i/10)*time.Millisecond), uint16(i), i%maxShards)
		if got := idTime(string(id[:])); !got.Equal(base.Add(time.Duration(i/10) * time.Millisecond)) {
			t.Fatalf("id of %s says %s", base, got)
		}
		if id.shard() != i%maxShards {
			t.Fatalf("shard %d, want %d", id.shard(), i%maxShards)
		}
		d := id.delivery(byte(i))
		text := d.String()
		if text <= before {
			t.Fatalf("id %s is not after %s", text, before)
		}
		before = text
		if back, ok := parseID(text); !ok || back != d || back.event() != id || back.index() != byte(i) {
			t.Fatalf("id %s is read as %v, %v", text, back, ok)
		}
	}
	for _, text := range []string{"", "x", strings.ToUpper(before), before + "0", before[1:], before[:27] + "1", "w" + before[1:]} {
		if id, ok := parseID(text); ok && id.String() != text {
			t.Errorf("%q is read as %s", text, id)
		}
	}
	for _, extreme := range []time.Time{{}, time.UnixMilli(-1), time.Unix(1<<40, 0)} {
		newEventID(extreme, 0, 0) // must not panic, and is bounded
	}
}

func TestLaneText(t *testing.T) {
	seen := make(map[string]retrystore.Lane)
	for _, l := range []retrystore.Lane{
		{Endpoint: "a", Destination: "b/c"}, {Endpoint: "a/b", Destination: "c"}, {Endpoint: "", Destination: "a"}, {Endpoint: "a"},
		{Endpoint: "a%2Fb", Destination: "c"}, {Endpoint: "a}{b", Destination: "c d\x00é"},
	} {
		text := laneText(l)
		if other, twice := seen[text]; twice {
			t.Errorf("lanes %q and %q are both spelled %q", l, other, text)
		}
		seen[text] = l
		if back, ok := parseLane(text); !ok || back != l {
			t.Errorf("lane %q is read as %q", l, back)
		}
	}
}

func TestBands(t *testing.T) {
	last := -1
	for priority := retrystore.MaxPriority; priority >= 0; priority-- {
		for _, attempted := range []bool{false, true} {
			b := band(priority, attempted)
			if b != last+1 || b >= bandCount || bandPriority(b) != priority || (b%2 == 1) != attempted {
				t.Errorf("priority %d has band %d after %d", priority, b, last)
			}
			last = b
		}
	}
	if fmt.Sprint(int64(bandWidth)) != luaBand || fmt.Sprint(retrystore.MaxHistory) != luaHistory {
		t.Error("scripts and program disagree")
	}
	if score := int64(bandCount) * bandWidth; score != int64(float64(score)) || score >= 1<<53 {
		t.Error("a score does not keep every band exactly")
	}
	if milliseconds(-time.Hour) != 0 || milliseconds(1) != 1 || milliseconds(time.Second) != 1000 || milliseconds(1<<63-1) != maxDelay.Milliseconds() {
		t.Error("milliseconds")
	}
}

// All keys of a shard, and nothing else, have its slot.
func TestKeysShareASlot(t *testing.T) {
	cluster := redistest.StartCluster(t, 1, 0)
	c := cluster.Client()
	for n := range 3 {
		part := newShard("wh", n)
		id := newEventID(time.Now(), 1, n)
		l := newLaneSet([]shard{part}).get(retrystore.Lane{Endpoint: "a}b", Destination: "{c}"})
		keys := []string{
			part.event(id), part.siblings(id), part.progress(id.delivery(0)), part.seen(testKey("k")), part.delivered(),
			part.lanes(), part.kept(), l.keys[0].open, l.keys[0].leased, l.keys[0].queue, l.keys[0].dead,
		}
		want, err := c.ClusterKeySlot(t.Context(), part.tag).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if slot, err := c.ClusterKeySlot(t.Context(), key).Result(); err != nil || slot != want {
				t.Errorf("key %q has slot %d, want %d, error %v", key, slot, want, err)
			}
		}
	}
}

func TestShardsAreEven(t *testing.T) {
	const keys, shards = 16_000, 16
	counts := make([]int, shards)
	for i := range keys {
		counts[shardOf(testKey(fmt.Sprint(i)), shards)]++
	}
	if least, most := slices.Min(counts), slices.Max(counts); least < 800 || most > 1200 {
		t.Errorf("of %d keys a shard has %d to %d", keys, least, most)
	}
}

// redisError is an answer of a server.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

var _ redis.Error = redisError("")

// Answers as Redis 6.2, 7 and 8 give them.
func TestJudge(t *testing.T) {
	for text, want := range map[string]verdict{
		"OOM command not allowed when used memory > 'maxmemory'.":                                                              full,
		"OOM command not allowed when used memory > 'maxmemory'. script: 0ab, on @user_script:5.":                              full,
		"ERR Error running script (call to f_0ab): @user_script:5: @user_script: 5: -OOM command not allowed when used memory": full,
		"ERR Error running script (call to f_0ab): @user_script:5: @user_script: 5: -READONLY You can't write against a read":  passing,
		"ERR Error running script (call to f_0ab): @user_script:5: @user_script: 5: -MISCONF Redis is configured to save":      refusing,
		"ERR Error running script (call to f_0ab): @user_script:5: @user_script: 5: Script attempted to access a non existing": failed,
		"NOSCRIPT No matching script. Please use EVAL.":                                                                        unscripted,
		"LOADING Redis is loading the dataset in memory":                                                                       passing,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                     passing,
		"READONLY You can't write against a read only replica. script: 0ab, on @user_script:3.":                                passing,
		"CLUSTERDOWN The cluster is down":  passing,
		"CLUSTERDOWN Hash slot not served": passing,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": passing,
		"MOVED 3999 127.0.0.1:6381":                                                                                             passing,
		"ERR max number of clients reached":                                                                                     passing,
		"ASK 3999 127.0.0.1:6381":                                                                                               moving,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                                               moving,
		"MISCONF Errors writing to the AOF file: No space left on device":                                                       refusing,
		"NOREPLICAS Not enough good replicas to write.":                                                                         refusing,
		"NOPERM User webhooks has no permissions to run the 'evalsha' command":                                                  forbidden,
		"ERR The user executing the script can't run this command or subcommand script: 0ab, on @user_script:2.":                forbidden,
		"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: 0a": forbidden,
		"NOAUTH Authentication required.":                                                                                       forbidden,
		"WRONGPASS invalid username-password pair or user is disabled.":                                                         forbidden,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                                                     failed,
	} {
		if got := judge(fmt.Errorf("wrapped: %w", redisError(text))); got != want {
			t.Errorf("%s: verdict %d, want %d", text, got, want)
		}
	}
	if judge(nil) != proceed || judge(errors.New("EOF")) != broken || judge(errReplicas{1, 2, redisError("NOPERM x")}) != unconfirmed {
		t.Error("errors that are no answers")
	}
	for v, want := range map[verdict]error{full: retrystore.ErrFull, passing: retrystore.ErrUnavailable, forbidden: retrystore.ErrUnavailable, refusing: retrystore.ErrUnavailable, failed: retrystore.ErrUnavailable} {
		if err := explain(v, redisError("X"), "accept"); !errors.Is(err, want) {
			t.Errorf("verdict %d is explained as %v", v, err)
		}
	}
}
