package keyset

import "encoding/binary"

// filter is a blocked Bloom filter: a key has all its bits in one block of 64 bytes, so that a look
// costs one cache line. Keys are hashes, so their own bytes choose the block and the bits. With 12
// bits a key, some 0.5 % of the keys that were never added pass.
type filter []byte

const (
	filterBlock   = 64 // bytes
	bitsPerKey    = 12
	probesPerKey  = 7
	bitsPerProbe  = 9 // 2^9 bits in a block
	bitsOfABlock  = filterBlock * 8
	probeBitsMask = bitsOfABlock - 1
)

// newFilter has room for n keys.
func newFilter(n int) filter {
	blocks := max(1, (n*bitsPerKey+bitsOfABlock-1)/bitsOfABlock)
	return make(filter, blocks*filterBlock)
}

func (f filter) block(key Key) []byte {
	// The upper 32 bits choose: a multiplication instead of a division.
	h := uint64(binary.LittleEndian.Uint32(key[8:]))
	i := int(h * uint64(len(f)/filterBlock) >> 32)
	return f[i*filterBlock : (i+1)*filterBlock]
}

func (f filter) add(key Key) {
	block, bits := f.block(key), binary.LittleEndian.Uint64(key[:])
	for range probesPerKey {
		bit := bits & probeBitsMask
		block[bit/8] |= 1 << (bit % 8)
		bits >>= bitsPerProbe
	}
}

// mayHave is false only for keys that were not added.
func (f filter) mayHave(key Key) bool {
	block, bits := f.block(key), binary.LittleEndian.Uint64(key[:])
	for range probesPerKey {
		bit := bits & probeBitsMask
		if block[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
		bits >>= bitsPerProbe
	}
	return true
}
