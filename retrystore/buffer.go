package retrystore

import "sync"

// maxBuffer is the largest buffer that is kept for another record, in bytes.
const maxBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// GetBuffer returns an empty buffer for a record on its way into a store. Buffers are
// reused because records would otherwise be a tenth of all that an Accept allocates.
// It is safe for concurrent use.
func GetBuffer() *[]byte { return buffers.Get().(*[]byte) }

// PutBuffer takes back a buffer whose record is not read any more. The record was appended
// to the buffer, and may have outgrown it. It is safe for concurrent use.
func PutBuffer(buffer *[]byte, record []byte) {
	if cap(record) <= maxBuffer {
		*buffer = record[:0]
	}
	buffers.Put(buffer)
}
