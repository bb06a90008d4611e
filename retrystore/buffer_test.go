package retrystore

import (
	"bytes"
	"testing"
)

// TestBuffer looks at what comes back: never content, and nothing large.
func TestBuffer(t *testing.T) {
	for _, length := range []int{0, 100, maxBuffer, maxBuffer + 1, 1 << 20} {
		for range 10 {
			b := GetBuffer()
			if len(*b) != 0 || cap(*b) > maxBuffer {
				t.Errorf("a buffer with %d bytes of %d", len(*b), cap(*b))
			}
			PutBuffer(b, append(*b, bytes.Repeat([]byte("x"), length)...))
		}
	}
}
