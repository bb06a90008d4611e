package retrystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ErrCorrupt means that this program cannot read a stored record: it is damaged, cut
// short, or written by a newer version.
var ErrCorrupt = errors.New("corrupt record")

// eventVersion is the first byte of every encoded event. A changed layout gets
// the next number, and the decoder of the old one stays.
//
// Layout of version 1 (lengths and counts are uvarints):
//
//	version        1 byte
//	received at    varint, milliseconds since 1970
//	strings block  length, then eleven strings, each its length and its bytes
//	header block   length, then names, values (counts of both), then for each
//	               name: the name, the count of its values, the values; the
//	               event's Secrets are further values of secretsUnder
//	body           length, then the bytes; nothing follows
//
// The blocks are length-prefixed so that a list can stop after the first one,
// and so that each can become one string which the fields then share.
const eventVersion = 1

// Secrets are stored as values of this header. So an older node, which does not know them,
// can read the record and deliver it. Every node overwrites this header in each attempt, so
// the application never sees the stored values. A provider's own value is only stored if a
// custom scheme signs it; secretMark distinguishes it from ours.
const (
	secretsUnder = "Webhook-Attempt"
	secretMark   = "hidden: "
)

// ValidMillis reports whether a time, in milliseconds since 1970, is in the years 1 to 9999.
// All times of a store are. Other times come from damage, and cannot be written as JSON.
func ValidMillis(ms int64) bool { return ms >= firstMilli && ms <= lastMilli }

const (
	firstMilli = -62135596800000 // 0001-01-01, the zero time.Time
	lastMilli  = 253402300799999 // 9999-12-31
)

// AppendEvent appends the encoding of e to dst. The same event may be encoded
// in different ways, as the order of header names is not fixed.
func AppendEvent(dst []byte, e *Event) []byte {
	dst = append(dst, eventVersion)
	dst = binary.AppendVarint(dst, e.ReceivedAt.UnixMilli())

	fields := e.stringFields()
	size := 0
	for _, f := range fields {
		size += stringSize(*f)
	}
	dst = binary.AppendUvarint(dst, uint64(size))
	for _, f := range fields {
		dst = appendString(dst, *f)
	}

	header := e.headerWithSecrets()
	values, size := 0, 0
	for name, vs := range header {
		values += len(vs)
		size += stringSize(name) + uvarintSize(uint64(len(vs)))
		for _, v := range vs {
			size += stringSize(v)
		}
	}
	size += uvarintSize(uint64(len(header))) + uvarintSize(uint64(values))
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = binary.AppendUvarint(dst, uint64(len(header)))
	dst = binary.AppendUvarint(dst, uint64(values))
	for name, vs := range header {
		dst = appendString(dst, name)
		dst = binary.AppendUvarint(dst, uint64(len(vs)))
		for _, v := range vs {
			dst = appendString(dst, v)
		}
	}

	dst = binary.AppendUvarint(dst, uint64(len(e.Body)))
	return append(dst, e.Body...)
}

// DecodeEvent is the inverse of AppendEvent. The event shares no memory with b.
// An empty header or body comes back nil. Errors wrap ErrCorrupt.
func DecodeEvent(b []byte) (*Event, error) {
	e, rest, err := decodeStrings(b)
	if err != nil {
		return nil, err
	}
	block, rest, ok := cutBlock(rest)
	if !ok {
		return nil, fmt.Errorf("%w: event header is cut short", ErrCorrupt)
	}
	if e.Header, ok = decodeHeader(string(block)); !ok {
		return nil, fmt.Errorf("%w: event header is malformed", ErrCorrupt)
	}
	e.takeSecrets()
	body, rest, ok := cutBlock(rest)
	if !ok || len(rest) > 0 {
		return nil, fmt.Errorf("%w: event body has the wrong length", ErrCorrupt)
	}
	if len(body) > 0 {
		e.Body = append([]byte(nil), body...)
	}
	return e, nil
}

// DecodeEventSummary decodes an event without its Header and Body. It neither reads nor
// checks those two. Errors wrap ErrCorrupt.
func DecodeEventSummary(b []byte) (*Event, error) {
	e, _, err := decodeStrings(b)
	return e, err
}

// AppendEventWithoutBody appends the encoded event b with an empty body instead of its own,
// and reports whether it had one. It decodes neither fields nor header. Errors wrap ErrCorrupt; then nothing is appended.
func AppendEventWithoutBody(dst, b []byte) (_ []byte, dropped bool, err error) {
	if len(b) == 0 || b[0] != eventVersion {
		return dst, false, fmt.Errorf("%w: event has another version", ErrCorrupt)
	}
	_, n := binary.Varint(b[1:])
	if n <= 0 {
		return dst, false, fmt.Errorf("%w: event time is malformed", ErrCorrupt)
	}
	_, rest, ok := cutBlock(b[1+n:])
	if ok {
		_, rest, ok = cutBlock(rest)
	}
	body, _, whole := cutBlock(rest)
	if !ok || !whole {
		return dst, false, fmt.Errorf("%w: event is cut short", ErrCorrupt)
	}
	dst = append(dst, b[:len(b)-len(rest)]...)
	return append(dst, 0), len(body) > 0, nil
}

// headerWithSecrets is the header as it is stored: with the event's Secrets.
func (e *Event) headerWithSecrets() http.Header {
	if len(e.Secrets) == 0 {
		return e.Header
	}
	header := make(http.Header, len(e.Header)+1)
	maps.Copy(header, e.Header)
	values := slices.Clone(header[secretsUnder])
	for _, secret := range e.Secrets[:min(len(e.Secrets), MaxSecrets)] {
		values = append(values, secretMark+secret)
	}
	header[secretsUnder] = values
	return header
}

// takeSecrets undoes headerWithSecrets.
func (e *Event) takeSecrets() {
	values := e.Header[secretsUnder]
	if len(values) == 0 {
		return
	}
	var rest []string
	for _, value := range values {
		secret, ours := strings.CutPrefix(value, secretMark)
		switch {
		case !ours:
			rest = append(rest, value)
		case len(e.Secrets) < MaxSecrets:
			e.Secrets = append(e.Secrets, secret)
		}
	}
	switch {
	case len(rest) > 0:
		e.Header[secretsUnder] = rest
	case len(e.Header) == 1:
		e.Header = nil
	default:
		delete(e.Header, secretsUnder)
	}
}

// stringFields lists the fields of the strings block in their stored order.
func (e *Event) stringFields() [11]*string {
	return [...]*string{
		&e.Endpoint, &e.Provider, &e.EventID, &e.EventType, &e.CorrelationID, &e.Method,
		&e.Scheme, &e.Host, &e.URI, &e.Proto, &e.RemoteAddr,
	}
}

func decodeStrings(b []byte) (e *Event, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, fmt.Errorf("%w: event is empty", ErrCorrupt)
	}
	if b[0] != eventVersion {
		return nil, nil, fmt.Errorf("%w: event has version %d, this program reads %d", ErrCorrupt, b[0], eventVersion)
	}
	ms, n := binary.Varint(b[1:])
	if n <= 0 {
		return nil, nil, fmt.Errorf("%w: event time is malformed", ErrCorrupt)
	}
	if !ValidMillis(ms) {
		return nil, nil, fmt.Errorf("%w: event time is out of range", ErrCorrupt)
	}
	block, rest, ok := cutBlock(b[1+n:])
	if !ok {
		return nil, nil, fmt.Errorf("%w: event is cut short", ErrCorrupt)
	}
	e = &Event{ReceivedAt: time.UnixMilli(ms).UTC()}
	s := string(block)
	for _, f := range e.stringFields() {
		if *f, s, ok = cutString(s); !ok {
			return nil, nil, fmt.Errorf("%w: event fields are malformed", ErrCorrupt)
		}
	}
	if s != "" {
		return nil, nil, fmt.Errorf("%w: event has unknown fields", ErrCorrupt)
	}
	return e, rest, nil
}

func decodeHeader(s string) (http.Header, bool) {
	names, s, ok := cutUvarint(s)
	if !ok {
		return nil, false
	}
	values, s, ok := cutUvarint(s)
	// Every name and every value takes a byte at least. So a damaged count cannot make
	// us allocate more than the record's size.
	if !ok || names > uint64(len(s)) || values > uint64(len(s)) {
		return nil, false
	}
	if names == 0 {
		return nil, values == 0 && s == ""
	}
	h := make(http.Header, names)
	all := make([]string, 0, values) // the values of all names share one array
	for range names {
		var name string
		var count uint64
		if name, s, ok = cutString(s); !ok {
			return nil, false
		}
		if count, s, ok = cutUvarint(s); !ok || count > uint64(cap(all)-len(all)) {
			return nil, false
		}
		from := len(all)
		for range count {
			var v string
			if v, s, ok = cutString(s); !ok {
				return nil, false
			}
			all = append(all, v)
		}
		if _, twice := h[name]; twice {
			return nil, false
		}
		h[name] = all[from:len(all):len(all)]
	}
	return h, s == "" && len(all) == int(values)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func stringSize(s string) int { return uvarintSize(uint64(len(s))) + len(s) }

func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// cutBlock takes a length-prefixed block off b.
func cutBlock(b []byte) (block, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}

func cutString(s string) (field, rest string, ok bool) {
	size, s, ok := cutUvarint(s)
	if !ok || size > uint64(len(s)) {
		return "", "", false
	}
	return s[:size], s[size:], true
}

// cutUvarint is binary.Uvarint for a string.
func cutUvarint(s string) (v uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		c := s[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			return 0, "", false // more than 64 bits
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, s[i+1:], true
		}
	}
	return 0, "", false
}
