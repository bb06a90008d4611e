package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// checkFile verifies the structure of an existing bbolt file before bbolt works
// with it. On a bad page bbolt panics in a goroutine of its own. In a file that was cut
// short an access to the mapping faults, which ends the process. With this check a
// damaged file gives an error that names it instead.
//
// It reads every page that the newest valid meta page reaches, as bbolt does at
// open, and holds the file's lock meanwhile. Nothing is written.
func checkFile(path string) error {
	// Read-only, bbolt takes the lock, checks the meta pages and reads no more.
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
		return err
	})
	var system syscall.Errno
	if err != nil && !errors.Is(err, berrors.ErrTimeout) && !errors.As(err, &system) {
		return damaged("%v", err)
	}
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	err = checkPages(f, db.Info().PageSize)
	return errors.Join(err, f.Close(), db.Close())
}

// The layout of bbolt's pages, in the byte order of the machine:
//
//	page    id u64, flags u16, count u16, overflow u32, then elements and data
//	branch  elements of: pos u32, key size u32, child page u64
//	leaf    elements of: flags u32, pos u32, key size u32, value size u32
//	meta    magic, version, page size, flags u32; root page, root sequence,
//	        freelist page, page count, transaction, checksum u64
//
// pos counts from the element itself. A leaf element with flag 1 is a bucket:
// its value is root page u64 and sequence u64 and, if the root is 0, a page.
const (
	pageHeader  = 16
	elementSize = 16
	bucketSize  = 16
	flagBranch  = 1
	flagLeaf    = 2
	flagBucket  = 1
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	maxDepth    = 64 // of pages and buckets; real files have less than ten
)

var order = binary.NativeEndian

// pageChecker walks a file.
type pageChecker struct {
	f        io.ReaderAt
	pageSize int
	pages    uint64 // page count of the meta page
	seen     []bool
	buffers  [maxDepth + 2][]byte // by depth
}

// keyRange is what the pages above allow: from low, inclusive, to high,
// exclusive. nil is open.
type keyRange struct{ low, high []byte }

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

func checkPages(f *os.File, pageSize int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	root, pages, err := newestMeta(f, pageSize)
	if err != nil {
		return err
	}
	if have := uint64(info.Size()) / uint64(pageSize); pages > have {
		return damaged("it is cut short: %d of %d pages are there", have, pages)
	}
	c := &pageChecker{f: f, pageSize: pageSize, pages: pages, seen: make([]bool, pages)}
	return c.page(root, keyRange{}, 0)
}

// newestMeta reads the valid meta page with the highest transaction number.
func newestMeta(f io.ReaderAt, pageSize int) (root, pages uint64, err error) {
	const size = 64 // up to the checksum included
	newest := uint64(0)
	for i := range int64(2) {
		var b [size]byte
		if _, err := f.ReadAt(b[:], i*int64(pageSize)+pageHeader); err != nil {
			return 0, 0, damaged("meta page %d: %v", i, err)
		}
		valid := order.Uint32(b[:]) == metaMagic && order.Uint32(b[4:]) == metaVersion && fnv64a(b[:56]) == order.Uint64(b[56:])
		if txid := order.Uint64(b[48:]); valid && txid >= newest {
			newest, root, pages = txid, order.Uint64(b[16:]), order.Uint64(b[40:])
		}
	}
	if pages == 0 {
		return 0, 0, damaged("no valid meta page")
	}
	return root, pages, nil
}

func fnv64a(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// page checks the page id and all below it.
func (c *pageChecker) page(id uint64, keys keyRange, depth int) error {
	if id < 2 || id >= c.pages || depth > maxDepth {
		return damaged("page %d is out of bounds", id)
	}
	b, err := c.read(id, 0, depth)
	if err != nil {
		return err
	}
	overflow := uint64(order.Uint32(b[12:]))
	if order.Uint64(b) != id || id+overflow >= c.pages {
		return damaged("page %d has a wrong header", id)
	}
	for i := id; i <= id+overflow; i++ {
		if c.seen[i] {
			return damaged("page %d is used twice", i)
		}
		c.seen[i] = true
	}
	if overflow > 0 {
		if b, err = c.read(id, overflow, depth); err != nil {
			return err
		}
	}
	if err := c.elements(b, keys, depth); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (c *pageChecker) read(id, overflow uint64, depth int) ([]byte, error) {
	size := int(overflow+1) * c.pageSize
	if len(c.buffers[depth]) < size {
		c.buffers[depth] = make([]byte, size)
	}
	b := c.buffers[depth][:size]
	if _, err := c.f.ReadAt(b, int64(id)*int64(c.pageSize)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return b, nil
}

// elements checks the elements of a page.
func (c *pageChecker) elements(b []byte, keys keyRange, depth int) error {
	es, err := parseElements(b)
	if err != nil {
		return err
	}
	for i, e := range es {
		below := keys.high
		if i+1 < len(es) {
			below = es[i+1].key
		}
		if bytes.Compare(e.key, keys.low) < 0 || below != nil && bytes.Compare(e.key, below) >= 0 {
			return damaged("element %d is out of order", i)
		}
		switch {
		case e.isBucket:
			err = c.bucket(e.value, depth)
		case e.child != 0:
			err = c.page(e.child, keyRange{e.key, below}, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// element is one of a leaf page (value) or of a branch page (child).
type element struct {
	key, value []byte
	isBucket   bool
	child      uint64
}

func parseElements(b []byte) ([]element, error) {
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != flagBranch && flags != flagLeaf || flags == flagBranch && count == 0 {
		return nil, damaged("it has a wrong type")
	}
	if pageHeader+count*elementSize > len(b) {
		return nil, damaged("it has too many elements")
	}
	es := make([]element, count)
	for i := range es {
		at := pageHeader + i*elementSize
		raw := b[at : at+elementSize]
		sizes, valueSize := raw[:8], uint64(0)
		if flags == flagLeaf {
			sizes, valueSize = raw[4:12], uint64(order.Uint32(raw[12:]))
			if es[i].isBucket = order.Uint32(raw) == flagBucket; !es[i].isBucket && order.Uint32(raw) != 0 {
				return nil, damaged("element %d has unknown flags", i)
			}
		} else if es[i].child = order.Uint64(raw[8:]); es[i].child == 0 {
			return nil, damaged("element %d has no page", i)
		}
		pos, keySize := uint64(at)+uint64(order.Uint32(sizes)), uint64(order.Uint32(sizes[4:]))
		if keySize == 0 || pos+keySize+valueSize > uint64(len(b)) {
			return nil, damaged("element %d is out of bounds", i)
		}
		es[i].key, es[i].value = b[pos:pos+keySize], b[pos+keySize:pos+keySize+valueSize]
	}
	return es, nil
}

// bucket checks the value of a bucket's element.
func (c *pageChecker) bucket(value []byte, depth int) error {
	if len(value) < bucketSize {
		return damaged("a bucket is cut short")
	}
	if root := order.Uint64(value); root != 0 {
		return c.page(root, keyRange{}, depth+1)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != flagLeaf || depth > maxDepth {
		return damaged("a bucket is malformed")
	}
	return c.elements(inline, keyRange{}, depth+1)
}
