package seglog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

const (
	magic          = "whseglog"
	version        = 1
	headerSize     = 4096
	headerCopy     = 2048 // where the second copy of the header is
	headerUsed     = 68
	batchAlignment = 4096
	recordHeader   = 32

	flagFirst = 1
	flagLast  = 2

	kindOpened Kind = 255
	kindClosed Kind = 254
	// firstOwnKind is the first kind that callers must not use.
	firstOwnKind Kind = 128
)

// MaxPayload is the most that a record can hold, in bytes.
const MaxPayload = math.MaxInt32

// Kind says what a record is. Callers use 1 to 127.
type Kind uint8

// Identity names a log, whatever its segments are.
type Identity [16]byte

// Why a file is not a segment.
var (
	errNoSegment = errors.New("no segment of a log")
	// ErrNewer means that a newer version of this program wrote a segment.
	ErrNewer = errors.New("log has a newer format")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the checksum of a payload, for Batch.AddSummed.
func Sum(payload []byte) uint32 { return crc32.Checksum(payload, castagnoli) }

// segmentHeader is the decoded header of a segment.
type segmentHeader struct {
	number   uint64
	size     int64
	salt     [16]byte
	identity Identity
}

func (h *segmentHeader) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], h.number)
	binary.LittleEndian.PutUint64(b[24:], uint64(h.size))
	copy(b[32:], h.salt[:])
	copy(b[48:], h.identity[:])
	binary.LittleEndian.PutUint32(b[64:], Sum(b[:64]))
	copy(b[headerCopy:], b[:headerUsed])
	return b
}

// decodeSegmentHeader reads the header from the first headerSize bytes of a file: from the
// second copy if the first one is damaged. whole says that both are the same.
func decodeSegmentHeader(b []byte) (h segmentHeader, whole bool, err error) {
	if len(b) < headerSize {
		return h, false, errNoSegment
	}
	first, err := decodeHeaderCopy(b)
	second, secondErr := decodeHeaderCopy(b[headerCopy:])
	switch {
	case err == nil:
		return first, secondErr == nil && first == second, nil
	case secondErr == nil:
		return second, false, nil
	}
	return h, false, err
}

func decodeHeaderCopy(b []byte) (h segmentHeader, err error) {
	if Sum(b[:64]) != binary.LittleEndian.Uint32(b[64:]) || string(b[:8]) != magic {
		return h, errNoSegment
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return h, fmt.Errorf("%w: version %d, this program reads %d", ErrNewer, v, version)
	}
	h.number = binary.LittleEndian.Uint64(b[16:])
	h.size = int64(binary.LittleEndian.Uint64(b[24:]))
	copy(h.salt[:], b[32:])
	copy(h.identity[:], b[48:])
	return h, nil
}

// seed is the checksum of the salt, which the checksum of each record header continues.
func (h *segmentHeader) seed() uint32 { return Sum(h.salt[:]) }

// head is a decoded record header.
type head struct {
	length uint32
	kind   Kind
	flags  uint8
	number uint64
	id     uint64
	sum    uint32
}

func (h *head) put(b []byte, seed uint32) {
	binary.LittleEndian.PutUint32(b, h.length)
	b[4], b[5], b[6], b[7] = byte(h.kind), h.flags, 0, 0
	binary.LittleEndian.PutUint64(b[8:], h.number)
	binary.LittleEndian.PutUint64(b[16:], h.id)
	binary.LittleEndian.PutUint32(b[24:], h.sum)
	binary.LittleEndian.PutUint32(b[28:], crc32.Update(seed, castagnoli, b[:28]))
}

func decodeHead(b []byte, seed uint32) (h head, ok bool) {
	h.kind = Kind(b[4])
	if h.kind == 0 || b[6] != 0 || b[7] != 0 {
		return h, false
	}
	if crc32.Update(seed, castagnoli, b[:28]) != binary.LittleEndian.Uint32(b[28:]) {
		return h, false
	}
	h.length = binary.LittleEndian.Uint32(b)
	h.flags = b[5]
	h.number = binary.LittleEndian.Uint64(b[8:])
	h.id = binary.LittleEndian.Uint64(b[16:])
	h.sum = binary.LittleEndian.Uint32(b[24:])
	return h, true
}

// size is how many bytes the record takes, up to where the next one may start.
func (h *head) size() int64 { return sizeOf(int(h.length)) }

func sizeOf(payload int) int64 { return roundUp(recordHeader+int64(payload), 8) }

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// cut says where the valid part of an earlier segment ends.
type cut struct {
	segment uint64
	end     int64
	torn    []extent // parts of it that an incomplete batch left behind
}

// extent is a part of a segment, from inclusive, to exclusive.
type extent struct{ from, to int64 }

func encodeCuts(cuts []cut) []byte {
	var b []byte
	for _, c := range cuts {
		b = binary.AppendUvarint(b, c.segment)
		b = binary.AppendUvarint(b, uint64(c.end))
		b = binary.AppendUvarint(b, uint64(len(c.torn)))
		for _, t := range c.torn {
			b = binary.AppendUvarint(b, uint64(t.from))
			b = binary.AppendUvarint(b, uint64(t.to))
		}
	}
	return b
}

// decodeCuts reads as many cuts as there are. What is malformed is left out: it costs a report of
// damage that is none.
func decodeCuts(b []byte) (cuts []cut) {
	next := func() (v uint64) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		c := cut{segment: next(), end: int64(next())}
		for n := next(); n > 0 && len(b) > 0; n-- {
			c.torn = append(c.torn, extent{int64(next()), int64(next())})
		}
		if b != nil {
			cuts = append(cuts, c)
		}
	}
	return cuts
}
