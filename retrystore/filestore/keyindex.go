package filestore

import (
	"iter"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// keyShards is how many maps hold the keys: few enough for most to be worth it,
// and so many that one of them is copied within milliseconds when all are full.
const keyShards = 256

// keyIndex holds every remembered event key: 30 to 61 bytes each with the maps'
// own overhead. A key that expired counts as absent, and is removed later.
//
// A Go map never shrinks. It even grows while the number of its keys stays the same, as
// removed entries take up room until a part of it is made anew, which may double
// the part (https://go.dev/issue/70886): an index whose keys come and expire at a steady
// rate would need two to four times as much after some weeks. So each map is
// replaced by a copy now and then. See renew.
//
// In the file, the key of an event with open deliveries is in the event's own
// record. When the event is settled and deleted, the key goes to the bucket of
// the slot in which it expires, together with the others of the same commit in
// one value: one sequential put for any number of keys. Dropping the bucket of a
// slot that has passed expires them all.
//
// It is guarded by the store's mu, like all of the index. The zero value is empty.
type keyIndex struct {
	shards [keyShards]map[retrystore.Key]rememberedKey
	n      int
	next   int // the shard that is renewed next
}

// shard is where a key belongs. Keys are hashes: any byte of them will do.
func shard(key retrystore.Key) int { return int(key[0]) }

func (x *keyIndex) get(key retrystore.Key) (k rememberedKey, ok bool) {
	k, ok = x.shards[shard(key)][key]
	return k, ok
}

func (x *keyIndex) set(key retrystore.Key, k rememberedKey) {
	keys := &x.shards[shard(key)]
	if *keys == nil {
		*keys = make(map[retrystore.Key]rememberedKey)
	}
	before := len(*keys)
	(*keys)[key] = k
	x.n += len(*keys) - before
}

func (x *keyIndex) remove(key retrystore.Key) {
	keys := x.shards[shard(key)]
	before := len(keys)
	delete(keys, key)
	x.n += len(keys) - before
}

// size is how many keys there are.
func (x *keyIndex) size() int { return x.n }

// all yields the keys in no order.
func (x *keyIndex) all() iter.Seq2[retrystore.Key, rememberedKey] {
	return func(yield func(retrystore.Key, rememberedKey) bool) {
		for _, keys := range x.shards {
			for key, k := range keys {
				if !yield(key, k) {
					return
				}
			}
		}
	}
}

// renew replaces the next maps by copies that are no larger than they have to be, until
// at least `most` keys were copied or it has been all round.
func (x *keyIndex) renew(most int) {
	for copied, done := 0, 0; copied < most && done < keyShards; done++ {
		keys := x.shards[x.next]
		var renewed map[retrystore.Key]rememberedKey
		if len(keys) > 0 {
			renewed = make(map[retrystore.Key]rememberedKey, len(keys))
			for key, k := range keys {
				renewed[key] = k
			}
		}
		x.shards[x.next] = renewed
		copied += len(keys)
		x.next = (x.next + 1) % keyShards
	}
}
