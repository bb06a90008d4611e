package filestore

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func keyFrom(random *rand.Rand) (key retrystore.Key) {
	binary.LittleEndian.PutUint64(key[:], random.Uint64())
	binary.LittleEndian.PutUint64(key[8:], random.Uint64())
	return key
}

// TestKeyIndex compares it with a map, over renewals.
func TestKeyIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var known []retrystore.Key
	for range 2000 {
		known = append(known, keyFrom(random))
	}
	var x keyIndex
	want := make(map[retrystore.Key]rememberedKey)
	for i := range 100_000 {
		key := known[random.IntN(len(known))]
		switch random.IntN(4) {
		case 0, 1:
			k := rememberedKey{seq: random.Uint32(), expiry: uint32(i)}
			x.set(key, k)
			want[key] = k
		case 2:
			x.remove(key)
			delete(want, key)
		case 3:
			x.renew(random.IntN(100))
		}
		if got, ok := x.get(key); got != want[key] || ok != (want[key] != rememberedKey{}) {
			t.Fatalf("step %d: %+v, %v, want %+v", i, got, ok, want[key])
		}
		if x.size() != len(want) {
			t.Fatalf("step %d: %d keys, want %d", i, x.size(), len(want))
		}
	}
	if !maps.Equal(maps.Collect(x.all()), want) {
		t.Error("not all keys are yielded")
	}
	for range x.all() {
		break
	}
	for _, key := range known {
		x.remove(key)
	}
	if x.renew(1); x.size() != 0 {
		t.Errorf("%d keys in an empty index", x.size())
	}
}

// TestRenewIsBounded: Accepts wait meanwhile.
func TestRenewIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var x keyIndex
	for range 100 * keyShards {
		x.set(keyFrom(random), rememberedKey{seq: 1})
	}
	for _, c := range []struct{ most, shards int }{{0, 0}, {1, 1}, {250, 3}, {1 << 30, keyShards}} {
		x.next = 0
		before := x.shards
		x.renew(c.most)
		renewed := 0
		for i := range before {
			before[i][retrystore.Key{1}] = rememberedKey{} // seen through the other, unless that is a copy
			if _, same := x.shards[i][retrystore.Key{1}]; !same {
				renewed++
			}
			delete(before[i], retrystore.Key{1})
		}
		if renewed != c.shards && (renewed < c.shards-1 || c.most != 250) || x.next != renewed%keyShards {
			t.Errorf("%d keys: %d maps renewed, want %d; next is %d", c.most, renewed, c.shards, x.next)
		}
	}
}

// TestKeysStaySmall has keys come and expire at a steady rate for a long time, and
// wants the index to be about as small as a new one that has the same keys.
func TestKeysStaySmall(t *testing.T) {
	const (
		slots  = 24 // that are remembered
		inSlot = 4000
		lives  = 12 // of a key
	)
	random := rand.New(rand.NewPCG(1, 2))
	remembered := make([][inSlot]retrystore.Key, slots)
	bytes := func(of *keyIndex) float64 {
		runtime.GC()
		var with, without runtime.MemStats
		runtime.ReadMemStats(&with)
		clear(of.shards[:])
		runtime.GC()
		runtime.ReadMemStats(&without)
		return float64(with.HeapAlloc) - float64(without.HeapAlloc)
	}
	var worn, fresh keyIndex
	for slot := range slots * lives {
		for i := range remembered[slot%slots] {
			key := &remembered[slot%slots][i]
			worn.remove(*key) // of the slot that has passed
			*key = keyFrom(random)
			worn.set(*key, rememberedKey{seq: 1})
			worn.set(*key, rememberedKey{}) // delivered
		}
		worn.renew(purgeSlice)
	}
	for key, k := range worn.all() {
		fresh.set(key, k)
	}
	keys := worn.size()
	needs, has := bytes(&fresh), bytes(&worn)
	t.Logf("%d keys: %.1f bytes each, %.1f in a new index", keys, has/float64(keys), needs/float64(keys))
	if keys != slots*inSlot || has > 1.5*needs {
		t.Errorf("%d keys take %.0f bytes, %.0f in a new index", keys, has, needs)
	}
	runtime.KeepAlive(remembered)
}
