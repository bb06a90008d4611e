package seglog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

const suffix = ".seg"

// segment is one open file of the log.
type segment struct {
	segmentHeader
	path  string
	file  *os.File
	short bool  // the file has fewer bytes than its header says
	meant int64 // how many that is

	mu   sync.RWMutex // held for reading while a record is read
	gone bool         // retired: the file may be another segment's by now
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, suffix))
}

// parseSegmentName is the inverse of segmentPath, of the file's name.
func parseSegmentName(name string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, err == nil && segmentPath("", number) == name
}

func newSalt() (salt [16]byte) {
	_, _ = rand.Read(salt[:]) // never fails
	return salt
}

// openSegment opens an existing segment.
func openSegment(path string, number uint64) (_ *segment, whole bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, false, err
	}
	b := make([]byte, headerSize)
	n, err := readFull(f, b, 0)
	var h segmentHeader
	if err == nil {
		h, whole, err = decodeSegmentHeader(b[:n])
	}
	if err == nil && h.number != number {
		err = fmt.Errorf("%w: its header says segment %x", errNoSegment, h.number)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	s := &segment{segmentHeader: h, path: path, file: f, meant: h.size}
	info, err := f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	if info.Size() < h.size {
		s.short, s.size = true, info.Size()
	}
	return s, whole, nil
}

// retire makes the segment unreadable. It waits for reads that are under way.
func (s *segment) retire() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
}

// readFull reads len(b) bytes at offset, or up to the end of the file.
func readFull(f *os.File, b []byte, offset int64) (n int, err error) {
	n, err = f.ReadAt(b, offset)
	if errors.Is(err, errEOF) {
		err = nil
	}
	return n, err
}
