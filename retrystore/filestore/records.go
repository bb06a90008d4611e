package filestore

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// formatVersion is the version of the whole file: its buckets, keys and record
// layouts. docs/architecture.md describes it.
const formatVersion = 1

// The buckets. Keys are big-endian so that they sort by number.
var (
	bucketMeta       = []byte("meta")       // "format" → formatVersion, 4 bytes; "generation" → the data's name
	bucketEvents     = []byte("events")     // seq → event record
	bucketDeliveries = []byte("deliveries") // seq, target → row
	bucketAttempts   = []byte("attempts")   // seq, target, number → attempt
	bucketKeys       = []byte("keys")       // slot → bucket: transaction → keys settled in it

	metaFormat = []byte("format")
)

// Every value ends in the CRC-32C of what comes before it: the file system may
// hand back damaged bytes, and a webhook must not be delivered with those.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func seal(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func unseal(b []byte) ([]byte, bool) {
	n := len(b) - 4
	if n < 0 || crc32.Checksum(b[:n], castagnoli) != binary.BigEndian.Uint32(b[n:]) {
		return nil, false
	}
	return b[:n], true
}

func corrupt(what string) error {
	return fmt.Errorf("%w: %s", retrystore.ErrCorrupt, what)
}

// saltSize is how many random bytes an event carries. They make its delivery
// ids unique even if the file is deleted or restored and seq starts again.
const saltSize = 7

type salt [saltSize]byte

// deliveryID is what a delivery's id says: where it is, without any index.
type deliveryID struct {
	seq    uint64
	target byte
	salt   salt
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func (id deliveryID) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], id.seq)
	b[8] = id.target
	copy(b[9:], id.salt[:])
	return idEncoding.EncodeToString(b[:])
}

func parseID(s string) (id deliveryID, ok bool) {
	var b [16]byte
	// The check of the length comes first: Decode would write past b.
	if len(s) != idEncoding.EncodedLen(len(b)) {
		return id, false
	}
	if n, err := idEncoding.Decode(b[:], []byte(s)); err != nil || n != len(b) {
		return id, false
	}
	id.seq = binary.BigEndian.Uint64(b[:])
	id.target = b[8]
	copy(id.salt[:], b[9:])
	// The last character has spare bits: without this a second spelling would pass.
	return id, id.String() == s
}

func eventKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), seq)
}

func deliveryKey(seq uint64, target byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 9), seq), target)
}

func attemptKey(seq uint64, target byte, number uint32) []byte {
	k := append(binary.BigEndian.AppendUint64(make([]byte, 0, 13), seq), target)
	return binary.BigEndian.AppendUint32(k, number)
}

func parseDeliveryKey(k []byte) (seq uint64, target byte, ok bool) {
	if len(k) != 9 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(k), k[8], true
}

func parseAttemptKey(k []byte) (seq uint64, target byte, number uint32, ok bool) {
	if len(k) != 13 {
		return 0, 0, 0, false
	}
	return binary.BigEndian.Uint64(k), k[8], binary.BigEndian.Uint32(k[9:]), true
}

// slotName is the name of a slot's bucket in bucketKeys.
func slotName(slot uint32) []byte {
	return binary.BigEndian.AppendUint32(nil, slot)
}

// record is the head of an event record. The encoded event follows it.
type record struct {
	salt     salt
	accepted int64          // when it was stored, Unix milliseconds
	key      retrystore.Key // zero: not deduplicated
	expiry   uint32         // Unix seconds until which the key is remembered
	targets  []recordTarget
}

type recordTarget struct {
	destination string
	priority    byte
}

// recordVersion is the first byte of an event record; salt comes right after
// it, so that even a damaged record usually keeps its id.
const recordVersion = 1

func appendRecord(b []byte, r *record, e *retrystore.Event) []byte {
	b = append(b, recordVersion)
	b = append(b, r.salt[:]...)
	b = binary.AppendVarint(b, r.accepted)
	b = append(b, r.key[:]...)
	b = binary.BigEndian.AppendUint32(b, r.expiry)
	b = append(b, byte(len(r.targets)))
	for _, t := range r.targets {
		b = append(b, t.priority)
		b = binary.AppendUvarint(b, uint64(len(t.destination)))
		b = append(b, t.destination...)
	}
	return seal(retrystore.AppendEvent(b, e))
}

// decodeRecord splits an event record into its head and the encoded event,
// which aliases b. When only the checksum is wrong it returns both and an
// error: good enough to show people what was damaged, not to deliver.
func decodeRecord(b []byte) (r record, event []byte, err error) {
	if _, ok := unseal(b); !ok {
		err = corrupt("event record has a wrong checksum")
	}
	d := reader{b: b}
	if v := d.byte(); v != recordVersion {
		return record{}, nil, corrupt(fmt.Sprintf("event record has version %d, this program reads %d", v, recordVersion))
	}
	copy(r.salt[:], d.take(saltSize))
	r.accepted = d.varint()
	copy(r.key[:], d.take(len(r.key)))
	r.expiry = d.uint32()
	r.targets = make([]recordTarget, d.byte())
	for i := range r.targets {
		r.targets[i].priority = d.byte()
		r.targets[i].destination = d.string()
	}
	if d.bad || len(r.targets) == 0 || len(d.b) < 4 || !retrystore.ValidMillis(r.accepted) {
		return record{}, nil, corrupt("event record is malformed")
	}
	return r, d.b[:len(d.b)-4], err
}

// row is the state of a delivery that is no longer as it was stored at first.
type row struct {
	state          state
	attempts       uint32
	budgetAttempts uint32
	budgetSince    int64 // Unix milliseconds
	due            int64 // Unix milliseconds
	lastStatus     int
	lastError      string
	reason         string
}

const rowVersion = 1

func (r *row) encode() []byte {
	b := make([]byte, 0, 48+len(r.lastError)+len(r.reason))
	b = append(b, rowVersion, byte(r.state))
	b = binary.AppendUvarint(b, uint64(r.attempts))
	b = binary.AppendUvarint(b, uint64(r.budgetAttempts))
	b = binary.AppendVarint(b, r.budgetSince)
	b = binary.AppendVarint(b, r.due)
	b = binary.AppendVarint(b, int64(r.lastStatus))
	b = binary.AppendUvarint(b, uint64(len(r.lastError)))
	b = append(b, r.lastError...)
	b = binary.AppendUvarint(b, uint64(len(r.reason)))
	b = append(b, r.reason...)
	return seal(b)
}

func decodeRow(b []byte) (r row, err error) {
	b, ok := unseal(b)
	if !ok {
		return row{}, corrupt("delivery row has a wrong checksum")
	}
	d := reader{b: b}
	if v := d.byte(); v != rowVersion {
		return row{}, corrupt(fmt.Sprintf("delivery row has version %d, this program reads %d", v, rowVersion))
	}
	r.state = state(d.byte())
	r.attempts = uint32(d.uvarint())
	r.budgetAttempts = uint32(d.uvarint())
	r.budgetSince = d.varint()
	r.due = d.varint()
	r.lastStatus = int(d.varint())
	r.lastError = d.string()
	r.reason = d.string()
	if d.bad || len(d.b) > 0 || r.state > removed || r.state == leased || !retrystore.ValidMillis(r.budgetSince) || !retrystore.ValidMillis(r.due) {
		return row{}, corrupt("delivery row is malformed")
	}
	return r, nil
}

const attemptVersion = 1

func encodeAttempt(a *retrystore.Attempt) []byte {
	b := make([]byte, 0, 32+len(a.Error)+len(a.Answer))
	b = append(b, attemptVersion)
	b = binary.AppendVarint(b, a.At.UnixMilli())
	b = binary.AppendVarint(b, int64(a.Duration))
	b = binary.AppendVarint(b, int64(a.Status))
	b = binary.AppendUvarint(b, uint64(len(a.Error)))
	b = append(b, a.Error...)
	b = binary.AppendUvarint(b, uint64(len(a.Answer)))
	b = append(b, a.Answer...)
	return seal(b)
}

func decodeAttempt(b []byte) (a retrystore.Attempt, err error) {
	b, ok := unseal(b)
	if !ok {
		return a, corrupt("attempt has a wrong checksum")
	}
	d := reader{b: b}
	if v := d.byte(); v != attemptVersion {
		return a, corrupt(fmt.Sprintf("attempt has version %d, this program reads %d", v, attemptVersion))
	}
	at := d.varint()
	a.At = time.UnixMilli(at).UTC()
	a.Duration = time.Duration(d.varint())
	a.Status = int(d.varint())
	a.Error = d.string()
	if answer := d.string(); answer != "" {
		a.Answer = []byte(answer)
	}
	if d.bad || len(d.b) > 0 || !retrystore.ValidMillis(at) {
		return retrystore.Attempt{}, corrupt("attempt is malformed")
	}
	return a, nil
}

// settledKey is an event key in the keys bucket: the key and its expiry in Unix
// seconds. A value is any number of them, sealed.
const settledKeySize = len(retrystore.Key{}) + 4

func appendSettledKey(b []byte, k retrystore.Key, expiry uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, k[:]...), expiry)
}

// eachSettledKey calls f for every key in a value of the keys bucket.
func eachSettledKey(b []byte, f func(k retrystore.Key, expiry uint32)) error {
	b, ok := unseal(b)
	if !ok || len(b)%settledKeySize != 0 {
		return corrupt("settled keys are damaged")
	}
	for ; len(b) > 0; b = b[settledKeySize:] {
		f(retrystore.Key(b[:len(retrystore.Key{})]), binary.BigEndian.Uint32(b[len(retrystore.Key{}):]))
	}
	return nil
}

// reader takes values off the front of b. After the first one that is not
// there, bad is set and every further value is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return ""
	}
	return string(r.take(int(n)))
}
