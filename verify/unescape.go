package verify

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxUnescapes is how often an application unescapes a name, at most.
const maxUnescapes = 3

// nameReader reads the characters of a name, as it stands in a form or in JSON. It is one type
// for both, and no interface, so that it is not allocated.
type nameReader struct {
	text   string // what is not read yet
	member bool   // of JSON; else of a form
	level  int    // how often a form's name is unescaped, up to maxUnescapes
	layers [maxUnescapes]layer
	ahead  [utf8.UTFMax]byte // read, and not a character yet
	n      int
}

// next returns a character. Of bytes that are none it makes U+FFFD.
func (r *nameReader) next() (rune, bool) {
	if r.member {
		return r.nextOfMember()
	}
	for r.n == 0 || r.n < len(r.ahead) && !utf8.FullRune(r.ahead[:r.n]) {
		c, ok := r.nextByte(r.level)
		if !ok {
			break
		}
		if r.n == 0 && c < utf8.RuneSelf {
			return rune(c), true
		}
		r.ahead[r.n] = c
		r.n++
	}
	c, size := utf8.DecodeRune(r.ahead[:r.n])
	copy(r.ahead[:], r.ahead[size:r.n])
	r.n -= size
	return c, size > 0
}

func (r *nameReader) nextOfMember() (rune, bool) {
	if r.text == "" {
		return 0, false
	}
	c, size := utf8.DecodeRuneInString(r.text)
	if c == '\\' {
		c, size = escapedRune(r.text)
	}
	r.text = r.text[size:]
	return c, true
}

// layer is what was read of a name that is unescaped so many times, and not given out yet.
type layer struct {
	ahead [6]byte
	n     int8
	done  int8 // bytes at its front that were unescaped
}

func (l *layer) take(size int8) byte {
	c := l.ahead[0]
	copy(l.ahead[:], l.ahead[size:l.n])
	l.n -= size
	return c
}

// nextByte undoes %41 and, as ASP.NET does, %u0041, so many times over. What is neither
// stays as it is.
func (r *nameReader) nextByte(level int) (c byte, ok bool) {
	if level == 0 {
		if r.text == "" {
			return 0, false
		}
		if c, r.text = r.text[0], r.text[1:]; c == '+' {
			c = ' '
		}
		return c, true
	}
	l := &r.layers[level-1]
	if l.done > 0 {
		l.done--
		return l.take(1), true
	}
	if l.n == 0 {
		if c, ok = r.nextByte(level - 1); !ok || c != '%' {
			return c, ok
		}
		l.ahead[0], l.n = c, 1
	}
	if l.ahead[0] == '%' {
		r.fill(level)
		l.unescape()
	}
	if l.done > 0 {
		l.done--
	}
	return l.take(1), true
}

// fill has as many bytes read ahead as an escape has, if there are as many.
func (r *nameReader) fill(level int) {
	for l := &r.layers[level-1]; int(l.n) < len(l.ahead); l.n++ {
		c, ok := r.nextByte(level - 1)
		if !ok {
			return
		}
		l.ahead[l.n] = c
	}
}

// unescape undoes the escape at the front, if there is one.
func (l *layer) unescape() {
	if int(l.n) == len(l.ahead) && l.ahead[1]|0x20 == 'u' {
		if value, ok := hexValue(l.ahead[2:]); ok {
			l.n = int8(utf8.EncodeRune(l.ahead[:], value))
			l.done = l.n
		}
		return
	}
	if l.n < 3 {
		return
	}
	if value, ok := hexValue(l.ahead[1:3]); ok {
		l.take(2)
		l.ahead[0], l.done = byte(value), 1
	}
}

func hexValue[T string | []byte](digits T) (value rune, ok bool) {
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			value = value<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			value = value<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return value, len(digits) > 0
}

// is reports whether the rest of the name is that text.
func (r *nameReader) is(text string) bool {
	for {
		c, more := r.next()
		want, size := utf8.DecodeRuneInString(text)
		if !more || c != want || size == 0 {
			return !more && size == 0
		}
		text = text[size:]
	}
}

// escapedRune is the character that raw begins with, as an escape (RFC 8259, section 7).
func escapedRune(raw string) (c rune, size int) {
	if len(raw) < 2 {
		return utf8.RuneError, len(raw)
	}
	if unit, ok := escapedUnit(raw); ok {
		if !utf16.IsSurrogate(unit) {
			return unit, 6
		}
		second, _ := escapedUnit(raw[6:])
		if pair := utf16.DecodeRune(unit, second); pair != utf8.RuneError {
			return pair, 12
		}
		return utf8.RuneError, 6
	}
	if i := strings.IndexByte(`bfnrt`, raw[1]); i >= 0 {
		return rune("\b\f\n\r\t"[i]), 2
	}
	return rune(raw[1]), 2
}
