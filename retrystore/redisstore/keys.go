package redisstore

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// maxShards is what the one byte for the shard in an event's id can tell apart.
const maxShards = 256

// sole is the index in the id of a delivery that is its event's only one. It
// tells, without a look into Redis, that no siblings have to be settled first.
// Others are numbered from 0; there are at most retrystore.MaxTargets of them.
const sole = 255

// eventID names an event: milliseconds of its reception (6 bytes), a number that
// orders those of one millisecond (2), chance (7), its shard (1). So ids sort by
// time, can be made without asking a server, and say where the event is.
type eventID [16]byte

// deliveryID is an event and the index of its destination, or sole.
type deliveryID [17]byte

// idText spells delivery ids in lower case, and keeps their order.
var idText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func newEventID(received time.Time, number uint16, shard int) (id eventID) {
	putTime(id[:], received)
	binary.BigEndian.PutUint16(id[6:], number)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[15] = byte(shard)
	return id
}

// putTime writes the first six bytes of an id: what 48 bits can hold of t.
func putTime(id []byte, t time.Time) {
	ms := uint64(min(max(t.UnixMilli(), 0), 1<<48-1))
	binary.BigEndian.PutUint32(id, uint32(ms>>16))
	binary.BigEndian.PutUint16(id[4:], uint16(ms))
}

// idTime is when the event with this id was received. The id may be a
// delivery's, and may be a prefix.
func idTime(id string) time.Time {
	var b [8]byte
	copy(b[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:])))
}

func (id eventID) shard() int { return int(id[15]) }

func (id eventID) delivery(index byte) (d deliveryID) {
	copy(d[:], id[:])
	d[16] = index
	return d
}

func (d deliveryID) event() eventID { return eventID(d[:16]) }
func (d deliveryID) index() byte    { return d[16] }
func (d deliveryID) member() string { return string(d[:]) }
func (d deliveryID) String() string { return idText.EncodeToString(d[:]) }

// target is the place of the delivery in the list of its event's destinations.
func (d deliveryID) target() int {
	if d.index() == sole {
		return 0
	}
	return int(d.index())
}

// parseID is the inverse of deliveryID.String. There is one spelling of each id.
func parseID(text string) (d deliveryID, ok bool) {
	if len(text) != idText.EncodedLen(len(d)) {
		return d, false
	}
	if _, err := idText.Decode(d[:], []byte(text)); err != nil || d.String() != text {
		return d, false
	}
	return d, true
}

// checkPrefix refuses prefixes with which a key's hash tag would be another one.
func checkPrefix(prefix string) error {
	if prefix == "" || len(prefix) > 64 || strings.ContainsAny(prefix, "{} \t\r\n") {
		return errors.New("prefix: want 1 to 64 characters without braces and spaces")
	}
	return nil
}

// shard is one of the parts into which keys are divided. All keys of a shard
// begin with one hash tag, so that they lie in one slot of a Cluster.
type shard struct {
	number int
	tag    string // "{wh:3}"
}

func newShard(prefix string, number int) shard {
	return shard{number: number, tag: "{" + prefix + ":" + strconv.Itoa(number) + "}"}
}

func (s shard) event(id eventID) string       { return s.tag + ":e:" + string(id[:]) }
func (s shard) siblings(id eventID) string    { return s.tag + ":g:" + string(id[:]) }
func (s shard) progress(d deliveryID) string  { return s.tag + ":s:" + d.member() }
func (s shard) seen(k retrystore.Key) string  { return s.tag + ":k:" + string(k[:]) }
func (s shard) lost(id eventID) string        { return s.tag + ":lost:" + string(id[:]) }
func (s shard) delivered() string             { return s.tag + ":z" }
func (s shard) kept() string                  { return s.tag + ":y" }
func (s shard) tally() string                 { return s.tag + ":b" }
func (s shard) mark() string                  { return s.tag + ":mark" }
func (s shard) epoch() string                 { return s.tag + ":epoch" }
func (s shard) clock() string                 { return s.tag + ":clock" }
func (s shard) lanes() string                 { return s.tag + ":lanes" }
func (s shard) lane(kind, name string) string { return s.tag + ":" + kind + ":" + name }

// laneKeys are the names of a lane's sets in one shard.
type laneKeys struct{ open, leased, queue, dead string }

// lane is a lane of which this process knows, with its keys by shard.
type lane struct {
	name retrystore.Lane
	text string // the name as keys and the set of lanes spell it
	keys []laneKeys
}

// laneText spells a lane so that no two are spelled alike.
func laneText(l retrystore.Lane) string {
	return url.PathEscape(l.Endpoint) + "/" + url.PathEscape(l.Destination)
}

func parseLane(text string) (l retrystore.Lane, ok bool) {
	endpoint, destination, ok := strings.Cut(text, "/")
	if !ok {
		return l, false
	}
	var err1, err2 error
	l.Endpoint, err1 = url.PathUnescape(endpoint)
	l.Destination, err2 = url.PathUnescape(destination)
	return l, err1 == nil && err2 == nil && utf8.ValidString(l.Endpoint) && utf8.ValidString(l.Destination)
}

// laneSet are the lanes of which this process knows: those that it used, or
// found in Redis. There are as many as destinations were ever configured.
type laneSet struct {
	shards []shard

	mu     sync.RWMutex
	byName map[retrystore.Lane]*lane
}

func newLaneSet(shards []shard) *laneSet {
	return &laneSet{shards: shards, byName: make(map[retrystore.Lane]*lane)}
}

// get returns a lane, which is known from then on.
func (s *laneSet) get(name retrystore.Lane) *lane {
	s.mu.RLock()
	l := s.byName[name]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byName[name]; l != nil {
		return l
	}
	l = &lane{name: name, text: laneText(name), keys: make([]laneKeys, len(s.shards))}
	for i, p := range s.shards {
		l.keys[i] = laneKeys{
			open: p.lane("o", l.text), leased: p.lane("l", l.text),
			queue: p.lane("q", l.text), dead: p.lane("x", l.text),
		}
	}
	s.byName[name] = l
	return l
}

// all returns every lane.
func (s *laneSet) all() []*lane {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*lane, 0, len(s.byName))
	for _, l := range s.byName {
		all = append(all, l)
	}
	return all
}

// shardOf spreads events by their key, which is a hash already: the same key
// always meets itself. Those without one go anywhere.
func shardOf(key retrystore.Key, shards int) int {
	if shards == 1 {
		return 0
	}
	if key.IsZero() {
		return rand.IntN(shards)
	}
	return int(binary.BigEndian.Uint64(key[8:]) % uint64(shards))
}

// Scores of the queue and the leases are a band and a time. A band is a
// priority, most urgent first, and within it first attempts before retries: a
// set in the order of its scores is in the order in which deliveries are to be
// tried, but for those that are not due yet, which are at the end of each band.
const (
	// bandWidth leaves room for milliseconds until the year 2109, and for 22
	// bands within the 53 bits that a score keeps exactly.
	bandWidth = 1 << 42
	bandCount = 2 * (retrystore.MaxPriority + 1)
)

// band is the number of a band; retries have odd ones.
func band(priority int, attempted bool) int {
	b := 2 * (retrystore.MaxPriority - priority)
	if attempted {
		b++
	}
	return b
}

func bandPriority(b int) int { return retrystore.MaxPriority - b/2 }

// maxDelay bounds delays, leases and lifetimes, so that none outgrows its band
// or what Redis takes for an expiry.
const maxDelay = 10 * 365 * 24 * time.Hour

// milliseconds rounds up, so that nothing is due or over too early.
func milliseconds(d time.Duration) int64 {
	d = min(max(d, 0), maxDelay)
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
