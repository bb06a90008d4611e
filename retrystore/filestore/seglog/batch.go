package seglog

// record is one record to append.
type record struct {
	head
	payload []byte
}

// Batch collects records that Append makes durable together. The zero Batch is empty. It is not safe
// for concurrent use.
type Batch struct {
	records []record
	bytes   int64
}

// Add adds a record. It keeps payload, which must not change until Append has returned. kind is 1 to
// 127; id is the caller's, and survives damage of the payload.
func (b *Batch) Add(kind Kind, id uint64, payload []byte) {
	b.AddSummed(kind, id, payload, Sum(payload))
}

// AddSummed is Add with a checksum that was made before with Sum.
func (b *Batch) AddSummed(kind Kind, id uint64, payload []byte, sum uint32) {
	if kind == 0 || kind >= firstOwnKind {
		panic("seglog: kind out of range")
	}
	b.add(kind, id, payload, sum)
}

func (b *Batch) add(kind Kind, id uint64, payload []byte, sum uint32) {
	if len(payload) > MaxPayload {
		panic("seglog: payload is too large")
	}
	b.records = append(b.records, record{head{length: uint32(len(payload)), kind: kind, id: id, sum: sum}, payload})
	b.bytes += sizeOf(len(payload))
}

// Len is how many records there are.
func (b *Batch) Len() int { return len(b.records) }

// Bytes is how much of a segment the batch takes, without alignment.
func (b *Batch) Bytes() int64 { return b.bytes }

// Reset empties the batch, and keeps its memory.
func (b *Batch) Reset() {
	clear(b.records)
	b.records, b.bytes = b.records[:0], 0
}
