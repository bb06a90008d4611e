package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

var errNoUnicode = errors.New("not of the encoding that it begins with")

// unicodeForm is how text is written in units of so many bytes.
type unicodeForm struct {
	mark string // what it begins with; empty: no byte order mark
	size int    // of a unit, in bytes
	read func([]byte) uint32
}

var (
	little16 = func(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b)) }
	big16    = func(b []byte) uint32 { return uint32(binary.BigEndian.Uint16(b)) }
)

// unicodeOf tells the form by the byte order mark, or else, as RFC 4627, section 3
// does, by where the NULs are in the first characters, which are ASCII. size is 0
// where it is none of these.
func unicodeOf(body []byte) unicodeForm {
	for _, f := range []unicodeForm{
		{string(byteOrderMark), 1, nil},
		{"\xff\xfe\x00\x00", 4, binary.LittleEndian.Uint32},
		{"\x00\x00\xfe\xff", 4, binary.BigEndian.Uint32},
		{"\xff\xfe", 2, little16},
		{"\xfe\xff", 2, big16},
	} {
		if bytes.HasPrefix(body, []byte(f.mark)) {
			return f
		}
	}
	if len(body) < 4 {
		return unicodeForm{}
	}
	switch a, b, c, d := body[0], body[1], body[2], body[3]; {
	case a == 0 && b == 0 && c == 0 && d != 0:
		return unicodeForm{"", 4, binary.BigEndian.Uint32}
	case a != 0 && b == 0 && c == 0 && d == 0:
		return unicodeForm{"", 4, binary.LittleEndian.Uint32}
	case a == 0 && b != 0 && c == 0 && d != 0:
		return unicodeForm{"", 2, big16}
	case a != 0 && b == 0 && c != 0 && d == 0:
		return unicodeForm{"", 2, little16}
	}
	return unicodeForm{}
}

func isUnicode(body []byte) bool { return unicodeOf(body).size > 0 }

// decodeUnicode returns the text in UTF-8. What is no character makes it an error:
// ids that differ in nothing else would become the same.
func decodeUnicode(body []byte, limit int64) ([]byte, error) {
	form := unicodeOf(body)
	body = body[len(form.mark):]
	if form.size == 1 {
		return body, nil
	}
	if form.size == 0 || len(body)%form.size != 0 {
		return nil, errNoUnicode
	}
	var text []byte
	for ; len(body) > 0; body = body[form.size:] {
		c := form.read(body)
		if form.size == 2 && utf16.IsSurrogate(rune(c)) && len(body) >= 4 {
			c = uint32(utf16.DecodeRune(rune(c), rune(form.read(body[2:]))))
			body = body[2:]
			if c == utf8.RuneError {
				return nil, errNoUnicode
			}
		}
		if c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
			return nil, errNoUnicode
		}
		if text = utf8.AppendRune(text, rune(c)); int64(len(text)) > limit {
			return nil, errTextTooLong
		}
	}
	return text, nil
}
