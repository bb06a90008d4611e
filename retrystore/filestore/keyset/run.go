package keyset

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"sync"
)

// A run is a file of sorted keys that never changes. Numbers are little-endian, checksums CRC-32C:
//
//	 0   8  magic "whkeyrun"
//	 8   4  version, 1
//	12   4  checksum of the bytes from 16 to 56, the filter and the index
//	16   8  number of keys
//	24   4  the latest expiry, in Unix seconds
//	28   4  the earliest
//	32   8  size of the filter
//	40   8  number of blocks
//	48   8  reserved, zero
//
// Then, from 4,096 on, the blocks of 4,096 bytes: 204 entries of key (16) and expiry (4), zeros where the last
// block has less, and at 4,092 the checksum of what comes before. Then the filter, and the index: for each block
// the first 8 bytes of its first key.
const (
	runMagic   = "whkeyrun"
	runVersion = 1
	runHeader  = 4096
	runUsed    = 56
	blockSize  = 4096
	entrySize  = len(Key{}) + 4
	perBlock   = (blockSize - 4) / entrySize
)

// Why a run cannot be used.
var (
	errNoRun = errors.New("no file of keys, or a damaged one")
	// ErrNewer means that a newer version of this program wrote a file.
	ErrNewer = errors.New("file of keys has a newer format")
	// ErrDamaged means that a part of a file is not what was written.
	ErrDamaged = errors.New("keys are damaged")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// run is an open file of keys.
type run struct {
	path   string
	number uint64
	slot   slot
	count  int
	latest uint32 // expiry of any of its keys
	filter filter
	index  []byte

	mu   sync.RWMutex // held for reading while the file is read
	file *os.File     // nil once the run is gone
}

// writeRun writes the file for count keys, which next yields in order, and makes it durable.
func writeRun(path string, count int, next func() (Key, uint32, bool, error)) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	w := bufio.NewWriterSize(f, 256<<10)
	if _, err := w.Write(make([]byte, runHeader)); err != nil {
		return err
	}
	filter := newFilter(count)
	var index []byte
	written, latest, earliest := 0, uint32(0), ^uint32(0)
	block := make([]byte, 0, blockSize)
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		full := block[:blockSize]
		clear(full[len(block):])
		binary.LittleEndian.PutUint32(full[blockSize-4:], crc32.Checksum(full[:blockSize-4], castagnoli))
		block = block[:0]
		_, err := w.Write(full)
		return err
	}
	for {
		key, expiry, more, err := next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if len(block) == 0 {
			index = append(index, key[:8]...)
		}
		block = binary.LittleEndian.AppendUint32(append(block, key[:]...), expiry)
		filter.add(key)
		latest, earliest = max(latest, expiry), min(earliest, expiry)
		written++
		if len(block) == perBlock*entrySize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if _, err := w.Write(append(append([]byte(nil), filter...), index...)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	h := make([]byte, runUsed)
	copy(h, runMagic)
	binary.LittleEndian.PutUint32(h[8:], runVersion)
	binary.LittleEndian.PutUint64(h[16:], uint64(written))
	binary.LittleEndian.PutUint32(h[24:], latest)
	binary.LittleEndian.PutUint32(h[28:], earliest)
	binary.LittleEndian.PutUint64(h[32:], uint64(len(filter)))
	binary.LittleEndian.PutUint64(h[40:], uint64(len(index)/8))
	binary.LittleEndian.PutUint32(h[12:], runSum(h, filter, index))
	if _, err := f.WriteAt(h, 0); err != nil {
		return err
	}
	return f.Sync()
}

func runSum(header, filter, index []byte) uint32 {
	sum := crc32.Checksum(header[16:runUsed], castagnoli)
	return crc32.Update(crc32.Update(sum, castagnoli, filter), castagnoli, index)
}

// openRun opens a file and reads its filter and its index.
func openRun(path string) (_ *run, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h := make([]byte, runUsed)
	if _, err := f.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(h[:8]) != runMagic {
		return nil, errNoRun
	}
	if v := binary.LittleEndian.Uint32(h[8:]); v > runVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrNewer, v, runVersion)
	}
	filterSize, blocks := binary.LittleEndian.Uint64(h[32:]), binary.LittleEndian.Uint64(h[40:])
	size := uint64(info.Size())
	if blocks > size/blockSize || filterSize > size || filterSize == 0 || filterSize%filterBlock != 0 ||
		runHeader+blocks*(blockSize+8)+filterSize != size {
		return nil, errNoRun
	}
	rest := make([]byte, filterSize+blocks*8)
	if _, err := f.ReadAt(rest, int64(runHeader+blocks*blockSize)); err != nil {
		return nil, err
	}
	r := &run{
		path: path, file: f, filter: rest[:filterSize:filterSize], index: rest[filterSize:],
		count: int(binary.LittleEndian.Uint64(h[16:])), latest: binary.LittleEndian.Uint32(h[24:]),
	}
	if runSum(h, r.filter, r.index) != binary.LittleEndian.Uint32(h[12:]) {
		return nil, errNoRun
	}
	return r, nil
}

// find returns the expiry of the key.
func (r *run) find(key Key) (expiry uint32, found bool, err error) {
	if !r.filter.mayHave(key) {
		return 0, false, nil
	}
	blocks := len(r.index) / 8
	// The last block that begins at or before the key; several may begin with the same eight bytes.
	i := sort.Search(blocks, func(i int) bool { return bytes.Compare(r.index[i*8:i*8+8], key[:8]) > 0 }) - 1
	buffer := blockBuffers.Get().(*[blockSize]byte)
	defer blockBuffers.Put(buffer)
	for ; i >= 0; i-- {
		entries, err := r.block(i, buffer)
		if err != nil {
			return 0, false, err
		}
		n := len(entries) / entrySize
		j := sort.Search(n, func(j int) bool { return bytes.Compare(entries[j*entrySize:j*entrySize+len(key)], key[:]) >= 0 })
		if j < n && bytes.Equal(entries[j*entrySize:j*entrySize+len(key)], key[:]) {
			return binary.LittleEndian.Uint32(entries[j*entrySize+len(key):]), true, nil
		}
		if !bytes.Equal(r.index[i*8:i*8+8], key[:8]) {
			break
		}
	}
	return 0, false, nil
}

var blockBuffers = sync.Pool{New: func() any { return new([blockSize]byte) }}

// block reads the entries of the i-th block. A run that is gone has none.
func (r *run) block(i int, buffer *[blockSize]byte) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.file == nil {
		return nil, nil
	}
	if _, err := r.file.ReadAt(buffer[:], runHeader+int64(i)*blockSize); err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.path, err)
	}
	if crc32.Checksum(buffer[:blockSize-4], castagnoli) != binary.LittleEndian.Uint32(buffer[blockSize-4:]) {
		return nil, fmt.Errorf("%w: block %d of %s", ErrDamaged, i, r.path)
	}
	return buffer[:min(perBlock, r.count-i*perBlock)*entrySize], nil
}

// remove deletes the file.
func (r *run) remove() error { return errors.Join(r.close(), os.Remove(r.path)) }

// close waits for reads that are under way.
func (r *run) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.file
	r.file = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// reader yields the entries of a run in order. Blocks that are damaged are left out, and counted.
type reader struct {
	run     *run
	block   int
	buffer  [blockSize]byte
	entries []byte
	damaged int
}

func (r *reader) next() (key Key, expiry uint32, more bool, err error) {
	for len(r.entries) == 0 {
		if r.block*perBlock >= r.run.count {
			return key, 0, false, nil
		}
		r.entries, err = r.run.block(r.block, &r.buffer)
		r.block++
		if errors.Is(err, ErrDamaged) {
			r.damaged++
			continue
		}
		if err != nil {
			return key, 0, false, err
		}
	}
	key, expiry = Key(r.entries[:len(key)]), binary.LittleEndian.Uint32(r.entries[len(key):])
	r.entries = r.entries[entrySize:]
	return key, expiry, true, nil
}
