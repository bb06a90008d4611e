package redisstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// recordVersion is in every event record. A change of the layout takes the next
// number and keeps the decoder of the old one.
//
// Layout of version 1 (lengths and counts are uvarints):
//
//	checksum    CRC-32C of all that follows, 4 bytes
//	version     1 byte
//	head        length, then
//	  accepted at  varint, milliseconds since 1970 by the accepting node's clock
//	  key          16 bytes, all zero for none
//	  endpoint     length, bytes
//	  targets      count, then for each: priority (1 byte), length of the destination's name, name
//	event       as retrystore.AppendEvent encodes it; nothing follows
//
// Everything but the checksum can be read from the beginning of a record, so that
// lists need not fetch bodies.
//
// A record of version 2 is the same, but for the body, which was taken out of the
// event when it was kept as history, and the checksum, which is zero: scripts
// cannot make one.
const (
	recordVersion   = 1
	strippedVersion = 2
)

// maxMillis bounds times: what is beyond is no time that we wrote, and has no
// spelling in JSON.
const maxMillis = 1 << 47 // in the year 6429

// headSize is how much of a record is fetched to read its head and the summary
// of its event. Where that is too little the whole is fetched.
const headSize = 1024

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is what a record says besides the event. It never changes.
type head struct {
	accepted time.Time
	key      retrystore.Key
	endpoint string
	targets  []target
}

type target struct {
	destination string
	priority    int
}

func (h *head) lane(d deliveryID) (retrystore.Lane, bool) {
	if d.target() >= len(h.targets) || (d.index() == sole) != (len(h.targets) == 1) {
		return retrystore.Lane{}, false
	}
	return retrystore.Lane{Endpoint: h.endpoint, Destination: h.targets[d.target()].destination}, true
}

// appendRecord encodes a record.
func appendRecord(dst []byte, h *head, e *retrystore.Event) []byte {
	body := make([]byte, 0, 128)
	body = binary.AppendVarint(body, h.accepted.UnixMilli())
	body = append(body, h.key[:]...)
	body = appendText(body, h.endpoint)
	body = binary.AppendUvarint(body, uint64(len(h.targets)))
	for _, t := range h.targets {
		body = append(body, byte(t.priority))
		body = appendText(body, t.destination)
	}
	from := len(dst)
	dst = append(dst, 0, 0, 0, 0, recordVersion)
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	dst = append(dst, body...)
	dst = retrystore.AppendEvent(dst, e)
	binary.BigEndian.PutUint32(dst[from:], crc32.Checksum(dst[from+4:], castagnoli))
	return dst
}

// decodeHead reads the head of a record, or of the beginning of one, and returns
// what follows. It does not look at the checksum. Errors wrap retrystore.ErrCorrupt.
func decodeHead(b []byte) (h *head, event []byte, err error) {
	if len(b) < 5 {
		return nil, nil, corrupt("is cut short")
	}
	if b[4] != recordVersion && b[4] != strippedVersion {
		return nil, nil, corrupt(fmt.Sprintf("has version %d, this program reads %d", b[4], recordVersion))
	}
	r := reader{b: b[5:]}
	size := r.uvarint()
	block := r.take(size)
	if r.failed {
		return nil, nil, corrupt("head is cut short")
	}
	in := reader{b: block}
	accepted := in.varint()
	in.failed = in.failed || !retrystore.ValidMillis(accepted) || accepted > maxMillis
	h = &head{accepted: time.UnixMilli(accepted)}
	copy(h.key[:], in.take(uint64(len(h.key))))
	h.endpoint = in.text()
	count := in.uvarint()
	if in.failed || count == 0 || count > retrystore.MaxTargets {
		return nil, nil, corrupt("head is malformed")
	}
	h.targets = make([]target, count)
	for i := range h.targets {
		if p := in.take(1); !in.failed {
			h.targets[i].priority = int(p[0])
		}
		h.targets[i].destination = in.text()
		in.failed = in.failed || h.targets[i].priority > retrystore.MaxPriority
	}
	if in.failed || len(in.b) > 0 {
		return nil, nil, corrupt("targets are malformed")
	}
	return h, r.b, nil
}

// decodeRecord reads a whole record. Of a damaged one it returns as much as can
// be read, and an error that wraps retrystore.ErrCorrupt.
func decodeRecord(b []byte) (*head, *retrystore.Event, error) {
	h, rest, err := decodeHead(b)
	if err != nil {
		return nil, nil, err
	}
	e, err := retrystore.DecodeEvent(rest)
	if !stripped(b) && crc32.Checksum(b[4:], castagnoli) != binary.BigEndian.Uint32(b) {
		err = corrupt("has a wrong checksum")
	}
	return h, e, err
}

// stripped reports whether b is a record, or the beginning of one, whose event had
// a body that was not kept.
func stripped(b []byte) bool { return len(b) > 4 && b[4] == strippedVersion }

func corrupt(what string) error {
	return fmt.Errorf("%w: event record %s", retrystore.ErrCorrupt, what)
}

// appendAttempt encodes an attempt, cut to what a store keeps of it.
func appendAttempt(dst []byte, a retrystore.Attempt) []byte {
	dst = append(dst, recordVersion)
	dst = binary.AppendVarint(dst, a.At.UnixMilli())
	dst = binary.AppendVarint(dst, int64(a.Duration))
	dst = binary.AppendVarint(dst, int64(a.Status))
	dst = appendText(dst, cut(a.Error))
	return append(dst, a.Answer[:min(len(a.Answer), retrystore.MaxAnswer)]...)
}

// decodeAttempt is the inverse. ok is false for bytes that are no attempt, of
// which nothing but that line of the history is lost.
func decodeAttempt(b []byte) (a retrystore.Attempt, ok bool) {
	if len(b) == 0 || b[0] != recordVersion {
		return a, false
	}
	r := reader{b: b[1:]}
	at := r.varint()
	r.failed = r.failed || !retrystore.ValidMillis(at) || at > maxMillis
	a.At = time.UnixMilli(at).UTC()
	a.Duration = time.Duration(r.varint())
	a.Status = int(r.varint())
	a.Error = r.text()
	if len(r.b) > 0 {
		a.Answer = r.b
	}
	return a, !r.failed
}

// maxText bounds the error and the reason kept with a delivery, in bytes.
const maxText = 1024

func cut(s string) string { return s[:min(len(s), maxText)] }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// reader takes values off bytes. After a failure it returns zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.failed = r.failed || n <= 0; r.failed {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.failed = r.failed || n <= 0; r.failed {
		return 0
	}
	r.b = r.b[n:]
	return v
}
