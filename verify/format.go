package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Bounds on what a sender may make us look at before its signature is known to
// be right. What exceeds one is malformed.
const (
	maxSignatureLength = 8 << 10 // bytes of all signature values together
	maxListItems       = 32      // items in a list, known or not
	maxSignatures      = 16      // signatures that are compared
)

// encoding is how a signature is written.
type encoding string

const (
	encodedHex       encoding = "hex"       // either case
	encodedBase64    encoding = "base64"    // RFC 4648, section 4; padding required
	encodedBase64URL encoding = "base64url" // RFC 4648, section 5; padding optional
	encodedPlain     encoding = "token"     // the bytes as they are
)

const placeholderTimestamp = "timestamp"

// format is a parsed Scheme.Format: either one item that is the whole value, or
// a list of items with a separator.
type format struct {
	pattern   string
	encoding  encoding
	items     []formatItem
	separator string // empty: the one item is the whole value
	joiner    string // the separator as written, with the space that may follow
	ordered   bool   // the first item is the timestamp, by its place alone
	unbounded bool   // the value is the whole body, which has a bound of its own
	foldCase  bool   // the prefix is the name of an authentication scheme
}

// formatItem is literal text followed by one placeholder.
type formatItem struct {
	prefix    string
	timestamp bool // the placeholder is {timestamp}, else it is the signature
}

// parseFormat reads Scheme.Format; see there for the grammar.
func parseFormat(pattern string) (*format, error) {
	f := &format{pattern: pattern}
	rest := pattern
	for rest != "" && rest != "..." {
		prefix, after, opened := strings.Cut(rest, "{")
		name, after, closed := strings.Cut(after, "}")
		if !opened || !closed {
			return nil, fmt.Errorf("format %q: %q has no placeholder: want {hex}, {base64}, {base64url}, {token} or {timestamp}", pattern, rest)
		}
		if err := f.addItem(prefix, name); err != nil {
			return nil, err
		}
		if rest = after; rest == "" {
			break
		}
		if err := f.addSeparator(rest[:1]); err != nil {
			return nil, err
		}
		trimmed := strings.TrimLeft(rest[1:], " ")
		if trimmed == "" {
			return nil, fmt.Errorf("format %q: it ends with a separator: write ... after it if more signatures may follow", pattern)
		}
		if trimmed != "..." {
			f.joiner = rest[:len(rest)-len(trimmed)]
		}
		rest = trimmed
	}
	return f, f.validate()
}

func (f *format) addItem(prefix, placeholder string) error {
	item := formatItem{prefix: prefix}
	switch e := encoding(placeholder); e {
	case placeholderTimestamp:
		item.timestamp = true
	case encodedHex, encodedBase64, encodedBase64URL, encodedPlain:
		if f.encoding != "" {
			return fmt.Errorf("format %q: more than one placeholder for the signature: write ... at the end if several may follow", f.pattern)
		}
		f.encoding = e
	default:
		return fmt.Errorf("format %q: unknown placeholder {%s}: want {hex}, {base64}, {base64url}, {token} or {timestamp}", f.pattern, placeholder)
	}
	for i, other := range f.items {
		if f.ordered = i == 0 && other.timestamp && other.prefix == ""; f.ordered {
			continue
		}
		if strings.HasPrefix(item.prefix, other.prefix) || strings.HasPrefix(other.prefix, item.prefix) {
			return fmt.Errorf("format %q: the texts %q and %q do not tell the items apart", f.pattern, other.prefix, item.prefix)
		}
	}
	f.items = append(f.items, item)
	return nil
}

func (f *format) addSeparator(s string) error {
	if !strings.Contains(",;&| ", s) {
		return fmt.Errorf("format %q: after a placeholder comes a separator (one of , ; & | or a space) or nothing, not %q", f.pattern, s)
	}
	if f.separator != "" && f.separator != s {
		return fmt.Errorf("format %q: two different separators", f.pattern)
	}
	f.separator, f.joiner = s, s
	return nil
}

func (f *format) validate() error {
	if f.encoding == "" {
		return fmt.Errorf("format %q: no placeholder for the signature: want {hex}, {base64}, {base64url} or {token}", f.pattern)
	}
	for _, item := range f.items {
		if f.separator != "" && strings.Contains(item.prefix, f.separator) {
			return fmt.Errorf("format %q: the text %q contains the separator", f.pattern, item.prefix)
		}
	}
	return nil
}

func (f *format) hasTimestamp() bool {
	for _, item := range f.items {
		if item.timestamp {
			return true
		}
	}
	return false
}

// parse reads the values that hold signatures into in: the decoded signatures,
// and the timestamp if the format has one. Several values are one list; where
// the format is no list, or has an order, they are refused. Unknown items of a list, and those
// that do not decode, are passed over, but one signature must remain.
func (f *format) parse(values []string, in *input) bool {
	if f.separator == "" {
		return len(values) == 1 && (f.unbounded || len(values[0]) <= maxSignatureLength) && f.parseWhole(values[0], in)
	}
	if f.ordered && len(values) != 1 {
		return false
	}
	items, length := 0, 0
	for _, list := range values {
		if length += len(list); length > maxSignatureLength {
			return false
		}
		for more := true; more; {
			var text string
			text, list, more = strings.Cut(list, f.separator)
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			if items++; items > maxListItems {
				return false
			}
			if f.ordered && items == 1 {
				in.timestamp = text
			} else if !f.parseItem(text, in) {
				return false
			}
		}
	}
	return len(in.signatures) > 0
}

func (f *format) parseWhole(text string, in *input) bool {
	item, value := f.split(text)
	return item != nil && in.addSignature(f.encoding, value)
}

// parseItem reads one item of a list; false only if it spoils the whole list.
func (f *format) parseItem(text string, in *input) bool {
	item, value := f.split(text)
	switch {
	case item == nil:
		return true
	case item.timestamp:
		if in.timestamp != "" {
			return false // which of the two would be the signed one?
		}
		in.timestamp = value
		return true
	default:
		in.addSignature(f.encoding, value)
		return len(in.signatures) <= maxSignatures
	}
}

// split finds the item that text is, and what stands at its placeholder.
func (f *format) split(text string) (*formatItem, string) {
	first := 0
	if f.ordered {
		first = 1
	}
	for i := first; i < len(f.items); i++ {
		item := &f.items[i]
		n := len(item.prefix)
		if len(text) < n {
			continue
		}
		if text[:n] == item.prefix || f.foldCase && strings.EqualFold(text[:n], item.prefix) {
			return item, text[n:]
		}
	}
	return nil, ""
}

// render writes a signature, and the timestamp where the format has one, as the
// provider would.
func (f *format) render(signature []byte, timestamp string) string {
	var b strings.Builder
	for i, item := range f.items {
		if i > 0 {
			b.WriteString(f.joiner)
		}
		b.WriteString(item.prefix)
		if item.timestamp {
			b.WriteString(timestamp)
		} else {
			b.WriteString(f.encoding.encode(signature))
		}
	}
	return b.String()
}

func (e encoding) encode(signature []byte) string {
	switch e {
	case encodedHex:
		return hex.EncodeToString(signature)
	case encodedBase64:
		return base64.StdEncoding.EncodeToString(signature)
	case encodedBase64URL:
		return base64.RawURLEncoding.EncodeToString(signature)
	default:
		return string(signature)
	}
}

// Strict decoders: unused bits at the end must be zero.
var (
	strictBase64    = base64.StdEncoding.Strict()
	strictBase64URL = base64.RawURLEncoding.Strict()
)

// appendDecoded appends what text encodes to dst. It uses scratch for the
// conversion to bytes, so that a signature costs no allocation.
func (e encoding) appendDecoded(dst, scratch []byte, text string) ([]byte, bool) {
	if e == encodedPlain {
		return append(dst, text...), text != ""
	}
	if text == "" {
		return dst, false
	}
	src := append(scratch[:0], text...)
	var err error
	if e == encodedHex {
		dst, err = hex.AppendDecode(dst, src)
		return dst, err == nil
	}
	if bytes.ContainsAny(src, "\r\n") { // which the base64 package passes over
		return dst, false
	}
	if e == encodedBase64 {
		dst, err = strictBase64.AppendDecode(dst, src)
	} else {
		dst, err = strictBase64URL.AppendDecode(dst, bytes.TrimRight(src, "="))
	}
	return dst, err == nil
}
