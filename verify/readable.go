package verify

import (
	"bytes"
	"math"
	"runtime"
	"unicode/utf8"
)

// A signature is checked against the bytes that came. The event's id and type, and
// what a handshake says, are read from the text of a body: without compression, in
// UTF-8, without the NULs and the white space around it. The bytes say how
// to read them, not the headers, because no header is signed: an attacker who has seen a
// webhook could send it again under another Content-Encoding or charset, and so hide its id.

const (
	// defaultMaxText is the bound of Request.MaxText, in bytes.
	defaultMaxText = 1 << 20
	// maxHandshakeText bounds the text of what is not verified yet, in bytes.
	maxHandshakeText = 64 << 10
	// maxLayers is how often a body may be encoded: gzip in gzip is seen where a proxy
	// compresses what is compressed already, and the text in it may be UTF-16.
	maxLayers = 3
	// maxGrowth and freeText bound what a small body can become: maxGrowth times its
	// size, and freeText bytes.
	maxGrowth, freeText = 100, 64 << 10
	// textBegins is how much of a body must look like text to be taken for it, in bytes.
	textBegins = 64
)

// maxText is how long the text of a body of that size may be.
func (r *Request) maxText() int64 {
	limit, size := r.MaxText, int64(len(r.Body))
	if limit <= 0 {
		limit = defaultMaxText
	}
	if size > (math.MaxInt64-freeText)/maxGrowth {
		return limit
	}
	return min(limit, size*maxGrowth+freeText)
}

// readers are the rights to decode a body and to hold its text. As many as there are
// processors bound the memory, and more would be no faster.
var readers = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

// manner is how a body is read.
type manner int

const (
	asSent     manner = iota // the bytes, which is what signatures are about
	asText                   // of a webhook that is verified
	asGreeting               // as text, of a stranger: no more than a handshake is long, and without guessing
)

// readText returns what the body says. It is decoded when something is looked for in it.
func (d *document) readText() []byte {
	c := d.content()
	if c.read {
		return c.text
	}
	c.read = true
	body := d.request.Body
	if d.manner == asGreeting && len(body) > maxHandshakeText {
		return nil // it is none, and nothing more is to be done for a stranger
	}
	var plain bool
	c.text, plain = textOf(body)
	if plain || d.manner == asGreeting && !marked(body) {
		return c.text
	}
	limit := d.request.maxText()
	if d.manner == asGreeting {
		limit = min(limit, maxHandshakeText)
	}
	readers <- struct{}{}
	d.holds = true
	if text, ok := decodeText(body, limit, d.manner == asText); ok {
		c.text = text
	}
	return c.text
}

// end gives back what d holds, if its body was decoded. Nothing is read from d afterwards.
func (d *document) end() {
	if d.holds {
		d.holds = false
		<-readers
	}
}

// textOf returns the text of a body that is not encoded, as nearly all are.
func textOf(body []byte) (text []byte, plain bool) {
	text = trimText(body)
	return text, beginsAsText(text)
}

// trimText cuts off what some senders put around the text: NULs behind it, as in C,
// and white space.
func trimText(body []byte) []byte {
	return bytes.TrimLeft(bytes.TrimRight(body, " \t\r\n\x00"), " \t\r\n")
}

// beginsAsText reports whether the beginning is UTF-8 without control characters.
// Of compressed bytes hardly any begin like that.
func beginsAsText(text []byte) bool {
	start := text[:min(len(text), textBegins)]
	ascii := true
	for _, c := range start {
		switch {
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			return false
		}
	}
	return ascii || !bytes.HasPrefix(start, byteOrderMark) && utf8.Valid(wholeRunes(start, text))
}

// wholeRunes leaves out of the start of text the character that it ends in.
func wholeRunes(start, text []byte) []byte {
	for n := 0; len(start) < len(text) && n < utf8.UTFMax && len(start) > 0; n++ {
		if utf8.RuneStart(text[len(start)]) {
			break
		}
		start = start[:len(start)-1]
	}
	return start
}

// decodeText undoes the encodings of a body. It is not ok where there is none that it
// knows, the body is damaged, or the text is longer than limit.
func decodeText(body []byte, limit int64, guess bool) (text []byte, ok bool) {
	for range maxLayers {
		next, found := decodeLayer(body, limit, guess)
		if !found {
			return nil, false
		}
		if text, plain := textOf(next); plain && len(text) > 0 {
			return text, utf8.Valid(text)
		}
		body = next
	}
	return nil, false
}

// decodeLayer undoes one encoding.
func decodeLayer(body []byte, limit int64, guess bool) ([]byte, bool) {
	for _, e := range encodings {
		if e.marks(body) {
			text, err := e.decode(body, limit)
			return text, err == nil
		}
	}
	if !guess {
		return nil, false
	}
	var found []byte
	for _, decode := range unmarked {
		text, err := decode(body, limit)
		if err != nil || len(text) == 0 || !canBegin(text) {
			continue
		}
		if found != nil {
			return nil, false // it could be either
		}
		found = text
	}
	return found, found != nil
}

// marked reports whether the first bytes say how the body is encoded.
func marked(body []byte) bool {
	for _, e := range encodings {
		if e.marks(body) {
			return true
		}
	}
	return false
}

// canBegin reports whether what a guess came to is something: text, or encoded once more.
func canBegin(text []byte) bool {
	trimmed, plain := textOf(text)
	return plain && len(trimmed) > 0 || marked(text)
}
