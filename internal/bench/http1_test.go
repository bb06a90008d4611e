package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadMessage(t *testing.T) {
	for name, c := range map[string]struct {
		text, wanted string
		status       int
		closes       bool
	}{
		"no body":      {"HTTP/1.1 202 Accepted\r\nwebhook-status: accepted\r\nContent-Length: 0\r\n\r\n", "accepted", 202, false},
		"body":         {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nWebhook-Status:  unavailable \r\n\r\n12345", "unavailable", 503, false},
		"no length":    {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, false},
		"chunked":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n", "", 200, false},
		"request":      {"POST / HTTP/1.1\r\nContent-Length: 2\r\nWebhook-Status: x\r\n\r\n{}", "x", 0, false},
		"closes":       {"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "", 413, true},
		"bare newline": {"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "", 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(c.text + "HTTP/1.1 299 Next\r\n\r\n"))
			var h head
			if err := h.readHead(in, "Webhook-Status"); err != nil {
				t.Fatal(err)
			}
			if h.status != c.status || string(h.wanted) != c.wanted || h.closes != c.closes {
				t.Errorf("read %+v with %q", h, h.wanted)
			}
			if err := h.readBody(in); err != nil {
				t.Fatal(err)
			}
			if err := h.readHead(in, "X"); err != nil || h.status != 299 {
				t.Errorf("the next message: %+v, %v", h, err)
			}
			if err := h.readHead(in, "X"); err != io.EOF {
				t.Errorf("the end: %v", err)
			}
		})
	}
}

func TestReadMalformed(t *testing.T) {
	for text, want := range map[string]error{
		"HTTP/1.1 20":                                                  io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\nContent-":                                  io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\n":                                          io.ErrUnexpectedEOF,
		"HTTP/1.1 2x0 OK\r\n\r\n":                                      errHead,
		"HTTP/1.1 200 OK\r\nnonsense\r\n":                              errHead,
		"HTTP/1.1 200\r\nContent-Length: -\r\n":                        errHead,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234":             io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n":  errHead,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab": io.ErrUnexpectedEOF,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n":   io.ErrUnexpectedEOF,
	} {
		in := bufio.NewReader(strings.NewReader(text))
		var h head
		err := h.readHead(in, "X")
		if err == nil {
			err = h.readBody(in)
		}
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
