package verify

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// encoding is a way of writing text that its first bytes tell.
type textEncoding struct {
	marks  func(body []byte) bool
	decode func(body []byte, limit int64) ([]byte, error)
}

// encodings are looked for in this order. The contents codings are those that are
// registered for HTTP (RFC 9110, section 8.4.1, RFC 7932, RFC 8878) and in use.
var encodings = []textEncoding{
	{beginsWith("\x1f\x8b"), decoder(func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })},
	{beginsWith("\x28\xb5\x2f\xfd"), decodeZstd},
	{isZlib, decoder(func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })},
	{isUnicode, decodeUnicode},
}

// unmarked are those that nothing tells. "deflate" without zlib's frame is what some
// send for it.
var unmarked = []func(body []byte, limit int64) ([]byte, error){
	decoder(func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }),
	decoder(func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }),
}

// maxWindow is what zstd may look back in HTTP, in bytes (RFC 9659).
const maxWindow = 8 << 20

// maxStrangersWindow is the same where the text is a stranger's, and short: memory is taken
// for the whole window, however small the body is.
const maxStrangersWindow = 256 << 10

func decodeZstd(body []byte, limit int64) ([]byte, error) {
	window := uint64(maxWindow)
	if limit <= maxHandshakeText {
		window = maxStrangersWindow
	}
	return decoder(func(r io.Reader) (io.Reader, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	})(body, limit)
}

func beginsWith(magic string) func([]byte) bool {
	return func(body []byte) bool { return bytes.HasPrefix(body, []byte(magic)) }
}

// isZlib is about the two bytes of a header of RFC 1950: deflate, with a checksum.
func isZlib(body []byte) bool {
	return len(body) > 2 && body[0]&0x0f == 8 && body[0]>>4 <= 7 && (int(body[0])<<8|int(body[1]))%31 == 0
}

var (
	errTextTooLong = errors.New("the text is too long")
	errMoreFollows = errors.New("bytes follow the compressed ones")
)

// decoder makes a function of a reader: all of the body must be one stream of it.
func decoder(open func(io.Reader) (io.Reader, error)) func(body []byte, limit int64) ([]byte, error) {
	return func(body []byte, limit int64) ([]byte, error) {
		source := bytes.NewReader(body) // a ByteReader, so that no decoder reads ahead
		r, err := open(source)
		if err != nil {
			return nil, err
		}
		if c, ok := r.(io.Closer); ok {
			defer c.Close()
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
			return nil, err
		}
		switch {
		case int64(text.Len()) > limit:
			return nil, errTextTooLong
		case source.Len() > 0:
			return nil, errMoreFollows
		}
		return text.Bytes(), nil
	}
}

// gunzipTo decompresses a body of one gzip member to w. It refuses several members: programs
// that stop after the first one would read another text.
func gunzipTo(w io.Writer, body []byte, limit int64) error {
	source := bytes.NewReader(body)
	z, err := gzip.NewReader(source)
	if err != nil {
		return err
	}
	z.Multistream(false)
	switch n, err := io.Copy(w, io.LimitReader(z, limit+1)); {
	case err != nil:
		return err
	case n > limit:
		return fmt.Errorf("%w: more than %d bytes", errTextTooLong, limit)
	case source.Len() > 0:
		return errMoreFollows
	}
	return nil
}
