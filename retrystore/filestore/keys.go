package filestore

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

type rememberedKey struct {
	seq    uint32 // low bits of the seq of the event that has it; 0 when that is settled
	expiry uint32 // Unix seconds
}

// eventWith returns the open event that has key, or nil if it is settled.
func (x *index) eventWith(key retrystore.Key, k rememberedKey) *event {
	if k.seq == 0 || len(x.slots) == 0 {
		return nil
	}
	// The latest seq with these low bits.
	last := x.slots[len(x.slots)-1].seq
	seq := last - uint64(uint32(last)-k.seq)
	if e := x.event(seq); e != nil && e.key == key {
		return e
	}
	return nil
}

func (k rememberedKey) expired(now instant) bool { return int64(k.expiry)*1000 <= now.wall }

const (
	// slotSeconds is the width of a slot. Dropping a bucket costs time in the
	// writer, so slots are not hours; each is a bucket, so they are not seconds.
	slotSeconds = 600
	// purgeSlice is how many keys are removed from the index at a time.
	purgeSlice = 4096
)

// slotOf returns the slot at whose end everything that expires by expiry has.
func slotOf(expiry uint32) uint32 {
	return uint32((uint64(expiry) + slotSeconds - 1) / slotSeconds)
}

// collectKey keeps the key of e, which is being deleted. The caller holds mu.
func (s *Store) collectKey(b *batch, e *event, now instant) {
	if e.key.IsZero() {
		return
	}
	k := rememberedKey{expiry: e.expiry}
	if k.expired(now) {
		if e.lingers {
			s.forgetKey(e)
			return
		}
		// Another event may have the key by now.
		if latest, ok := s.index.keys.get(e.key); ok && latest == k {
			s.index.keys.remove(e.key)
		}
		return
	}
	b.remember(e.key, e.expiry)
}

// remember has the batch write the key of no open event.
func (b *batch) remember(key retrystore.Key, expiry uint32) {
	if b.keys == nil {
		b.keys = make(map[uint32][]byte)
	}
	slot := slotOf(expiry)
	b.keys[slot] = appendSettledKey(b.keys[slot], key, expiry)
}

func writeKeys(tx *bbolt.Tx, keys map[uint32][]byte) error {
	for slot, value := range keys {
		b, err := tx.Bucket(bucketKeys).CreateBucketIfNotExists(slotName(slot))
		if err != nil {
			return err
		}
		b.FillPercent = 1 // only ever appended to
		if err := b.Put(binary.BigEndian.AppendUint64(nil, uint64(tx.ID())), seal(value)); err != nil {
			return err
		}
	}
	return nil
}

// purge is how far the removal of a slot's keys from the index has come.
type purge struct {
	slot uint32 // 0: none
	last []byte // the last value of the slot that was done
}

// purgeSome removes a bounded number of expired keys, and says whether there
// were any. The index has no order of expiry: the file tells which keys to look
// at. Keys of events still open are not in there; they go when the event does.
func (s *Store) purgeSome() bool {
	s.purging.Lock()
	defer s.purging.Unlock()
	now := s.instant()
	keys, done, err := s.expiredKeys(now)
	if err != nil {
		s.log.Warn("removing expired event keys failed", zap.String("path", s.path), zap.Error(err))
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		// The key may be another event's by now, with a later expiry.
		if r, ok := s.index.keys.get(k); ok && r.seq == 0 && r.expired(now) {
			s.index.keys.remove(k)
		}
	}
	if done != 0 {
		s.expiredSlots = append(s.expiredSlots, done)
		s.wakeWriter()
	}
	return len(keys) > 0 || done != 0
}

// renewKeys keeps the index as small as its keys allow, a part of it each time.
func (s *Store) renewKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.keys.renew(purgeSlice)
}

// expiredKeys returns the next expired keys, and the slot if they were its last.
// The caller holds purging.
func (s *Store) expiredKeys(now instant) (keys []retrystore.Key, done uint32, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		slots := tx.Bucket(bucketKeys)
		c := slots.Cursor()
		// A slot stays in the file until the next commit: continue after it.
		name, _ := c.Seek(slotName(s.purge.slot))
		if name != nil && s.purge.last == nil && bytes.Equal(name, slotName(s.purge.slot)) {
			name, _ = c.Next()
		}
		if name == nil || int64(binary.BigEndian.Uint32(name))*slotSeconds*1000 > now.wall {
			s.purge = purge{} // the next round starts at the front again
			return nil
		}
		slot := binary.BigEndian.Uint32(name)
		if slot != s.purge.slot {
			s.purge = purge{slot: slot}
		}
		v := slots.Bucket(name).Cursor()
		k, value := v.Seek(append(bytes.Clone(s.purge.last), 0))
		for ; k != nil && len(keys) < purgeSlice; k, value = v.Next() {
			s.purge.last = bytes.Clone(k)
			if err := eachSettledKey(value, func(key retrystore.Key, _ uint32) { keys = append(keys, key) }); err != nil {
				s.log.Warn("settled event keys are unreadable", zap.String("path", s.path), zap.Error(err))
			}
		}
		if k == nil {
			done, s.purge.last = slot, nil
		}
		return nil
	})
	return keys, done, err
}
