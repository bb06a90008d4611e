package seglog

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
)

func trimAside(name string) string { return strings.TrimSuffix(name, ".aside") }

// scanner reads a whole log.
type scanner struct {
	Recovery
	each     func(Entry) error
	progress func(read, total int64)
	total    int64
	done     int64

	number   uint64 // of the latest record; 0 before the first
	whole    uint64 // of the latest one that is not damaged
	ends     []cut  // what the opened records say
	segment  *segment
	ended    []ended // by segment
	window   window
	skipped  bool     // a part known to be torn, since the latest record
	gap      *suspect // damage since the latest record; nil if there is none
	suspects []suspect
	damaged  []Entry               // since the latest beginning of a batch
	tail     *suspect              // behind the latest record of the segment before
	torn     map[*segment][]extent // out: what an incomplete last batch left behind, as far as it was not known
	now      ended                 // of the segment that is being read
}

// ended says how the readable part of a segment ends.
type ended struct {
	end  int64 // behind the latest record
	last bool  // that was the last of its batch
}

// suspect is a place without a readable record. Whether it is damage or a torn batch is known when
// all has been read.
type suspect struct {
	segment *segment
	extent
	records int
	settled bool // a batch begins behind it: it was durable once
}

// scan reads all records of the segments.
func (s *scanner) scan(segments []*segment) error {
	s.torn = make(map[*segment][]extent)
	for _, segment := range segments {
		s.total += segment.size
	}
	s.ends = s.cutsOf(segments)
	for _, segment := range segments {
		s.segment = segment
		end, torn := segment.size, []extent(nil)
		if i := slices.IndexFunc(s.ends, func(c cut) bool { return c.segment == segment.number }); i >= 0 {
			end, torn = min(end, s.ends[i].end), s.ends[i].torn
		}
		if err := s.scanSegment(end, torn); err != nil {
			return err
		}
		s.ended = append(s.ended, s.now)
		s.done += segment.size
		s.report()
	}
	s.finish()
	return nil
}

// cutsOf reads the opened records of the segments.
func (s *scanner) cutsOf(segments []*segment) (cuts []cut) {
	for _, segment := range segments {
		if kind, _, payload, err := segment.read(headerSize, nil); err == nil && kind == kindOpened {
			cuts = append(cuts, decodeCuts(payload)...)
		}
	}
	return cuts
}

// scanSegment reads the records of one segment up to end.
func (s *scanner) scanSegment(end int64, torn []extent) error {
	s.window = window{file: s.segment.file, size: min(windowSize, s.segment.size), bytes: s.window.bytes[:0]}
	s.now = ended{headerSize, true}
	s.tail, s.gap = s.gap, nil
	for at := int64(headerSize); at+recordHeader <= end; {
		if skipped := skipTorn(at, torn); skipped > at {
			at, s.skipped = skipped, s.gap == nil
			continue
		}
		h, ok := s.headAt(at, end)
		if !ok {
			s.miss(at)
			at = s.search(at+8, end)
			continue
		}
		if err := s.take(at, h); err != nil {
			return err
		}
		at += h.size()
		s.now = ended{at, h.flags&flagLast != 0}
		if s.now.last {
			at = roundUp(at, batchAlignment)
		}
	}
	return nil
}

func skipTorn(at int64, torn []extent) int64 {
	for _, t := range torn {
		if t.from <= at && at < t.to {
			return t.to
		}
	}
	return at
}

// headAt reads the header of a record, if there is one.
func (s *scanner) headAt(at, end int64) (h head, ok bool) {
	b := s.window.at(at, recordHeader)
	if len(b) < recordHeader {
		return h, false
	}
	if number := binary.LittleEndian.Uint64(b[8:]); number <= s.number && s.number > 0 || number == 0 {
		return h, false // most of what an earlier use left behind
	}
	h, ok = decodeHead(b, s.segment.seed())
	return h, ok && at+h.size() <= end
}

// search returns where the next record is, or end.
func (s *scanner) search(at, end int64) int64 {
	for ; at+recordHeader <= end; at += 8 {
		if _, ok := s.headAt(at, end); ok {
			return at
		}
	}
	return end
}

// miss notes that there is no record at the offset.
func (s *scanner) miss(at int64) {
	if s.gap == nil {
		s.gap = &suspect{segment: s.segment, extent: extent{at, at}}
	}
}

// take hands a record on.
func (s *scanner) take(at int64, h head) error {
	if lost := int(h.number - s.number - 1); s.number > 0 && lost > 0 && (s.gap != nil || !s.skipped) {
		s.suspects = append(s.suspects, s.missing(at, lost))
	}
	s.gap, s.tail, s.skipped = nil, nil, false
	s.number = h.number
	if h.flags&flagFirst != 0 {
		if err := s.settle(); err != nil {
			return err
		}
	}
	payload := s.window.at(at+recordHeader, int64(h.length))
	e := Entry{Position: Position{s.segment.number, at}, Kind: h.kind, ID: h.id, Payload: payload}
	if len(payload) < int(h.length) || Sum(payload) != h.sum {
		e.Damaged, e.Payload = true, slices.Clone(payload)
		s.suspects = append(s.suspects, suspect{segment: s.segment, extent: extent{at, at + h.size()}, records: 1})
	}
	s.Records++
	s.Bytes += h.size()
	s.Closed = h.kind == kindClosed
	if h.kind >= firstOwnKind {
		s.whole = h.number
		return nil
	}
	if s.Records%4096 == 0 {
		s.report()
	}
	if e.Damaged {
		s.damaged = append(s.damaged, e)
		return nil
	}
	s.whole = h.number
	return s.each(e)
}

// missing says where the records are that are missing before the one at the offset.
func (s *scanner) missing(at int64, lost int) suspect {
	place := suspect{segment: s.segment, extent: extent{at, at}}
	switch {
	case s.gap != nil:
		place.from = s.gap.from
	case s.tail != nil:
		place = *s.tail
		place.to = place.segment.size
	}
	place.records = lost
	return place
}

// settle is called where a batch begins: the sync of every earlier one had returned before it
// was written. So what is unreadable before it was durable once.
func (s *scanner) settle() error {
	for i := range s.suspects {
		s.suspects[i].settled = true
	}
	for _, e := range s.damaged {
		if err := s.each(e); err != nil {
			return err
		}
	}
	s.damaged = nil
	return nil
}

func (s *scanner) report() {
	if s.progress != nil {
		s.progress(min(s.total, s.done+s.now.end), s.total)
	}
}

// finish tells damage from a torn last batch.
func (s *scanner) finish() {
	for _, p := range s.suspects {
		if p.settled {
			s.Damages = append(s.Damages, Damage{Path: p.segment.path, From: p.from, To: p.to, Records: p.records})
			continue
		}
		s.Torn++
		s.torn[p.segment] = append(s.torn[p.segment], p.extent)
	}
	if !s.now.last {
		s.Torn++
	}
}

// windowSize is how much a window reads at once.
const windowSize = 1 << 20

// window reads a file from its beginning to its end, a large part at a time.
type window struct {
	file  *os.File
	size  int64 // to read at once
	from  int64
	bytes []byte
	err   error
}

// at returns n bytes at an offset, or less if the file ends or cannot be read there. They are valid
// until the next call.
func (w *window) at(offset, n int64) []byte {
	if offset < w.from || offset+n > w.from+int64(len(w.bytes)) {
		w.fill(offset, n)
	}
	b := w.bytes[min(int64(len(w.bytes)), max(0, offset-w.from)):]
	return b[:min(n, int64(len(b)))]
}

func (w *window) fill(offset, n int64) {
	size := max(n, w.size)
	if int64(cap(w.bytes)) < size {
		w.bytes = make([]byte, size)
	}
	read, err := w.file.ReadAt(w.bytes[:size], offset)
	w.from, w.bytes = offset, w.bytes[:read]
	if err != nil && err != errEOF {
		w.err = err
	}
}
