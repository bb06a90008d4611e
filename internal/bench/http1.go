package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// head is what client and application want to know of the head of an HTTP/1.1
// message (RFC 9112). Both read it by hand: they share the machine with what is
// measured, and net/http would take as much of it as Caddy does.
type head struct {
	status  int    // of a response
	wanted  []byte // value of the field that was asked for; valid until the next read
	length  int64  // of the body; 0 if not stated
	chunked bool
	closes  bool // the connection ends after this message
}

var errHead = errors.New("malformed HTTP message")

// readHead reads up to the empty line. field is the name of the field that the
// caller wants, in any case.
func (h *head) readHead(r *bufio.Reader, field string) error {
	*h = head{wanted: h.wanted[:0]}
	line, err := readLine(r)
	if err != nil {
		return err
	}
	if after, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 ")); ok {
		if h.status, err = strconv.Atoi(string(after[:min(3, len(after))])); err != nil {
			return fmt.Errorf("%w: %q", errHead, line)
		}
	}
	for {
		if line, err = readLine(r); err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return fmt.Errorf("%w: %q", errHead, line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "Content-Length"):
			if h.length, err = strconv.ParseInt(string(value), 10, 63); err != nil {
				return fmt.Errorf("%w: %q", errHead, line)
			}
		case is(name, "Transfer-Encoding"):
			h.chunked = is(value, "chunked")
		case is(name, "Connection"):
			h.closes = is(value, "close")
		case is(name, field):
			h.wanted = append(h.wanted[:0], value...)
		}
	}
}

func is(text []byte, want string) bool {
	return len(text) == len(want) && bytes.EqualFold(text, []byte(want))
}

// readBody reads the body and forgets it.
func (h *head) readBody(r *bufio.Reader) error {
	if !h.chunked {
		return discard(r, h.length)
	}
	for {
		line, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(size), 16, 32)
		if err != nil {
			return fmt.Errorf("%w: chunk of size %q", errHead, line)
		}
		if n == 0 {
			break
		}
		if err := discard(r, n+2); err != nil { // with its CRLF
			return err
		}
	}
	for { // trailers
		line, err := readLine(r)
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			return nil
		}
	}
}

func discard(r *bufio.Reader, n int64) error {
	_, err := r.Discard(int(n))
	return noEOF(err)
}

// readLine returns a line without its end, valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if len(line) > 0 {
			err = noEOF(err)
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// noEOF is for where the message is not complete: io.EOF alone means that the
// peer has closed the connection between messages.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
