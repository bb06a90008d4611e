package caddywebhooks

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// message is a request as text, before any library could correct it.
type message struct {
	method, target, proto string
	header                [][2]string // in order, as spelled
	body                  string
}

// String is what goes over the wire. Content-Length is added unless the message frames itself.
func (m message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", m.method, m.target, m.proto)
	framed := false
	for _, field := range m.header {
		fmt.Fprintf(&b, "%s: %s\r\n", field[0], field[1])
		framed = framed || strings.EqualFold(field[0], "Content-Length") || strings.EqualFold(field[0], "Transfer-Encoding")
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(m.body))
	}
	return b.String() + "\r\n" + m.body
}

// with returns m with a further header field.
func (m message) with(name, value string) message {
	m.header = append(slices.Clip(m.header), [2]string{name, value})
	return m
}

// without returns m without the header fields of that name.
func (m message) without(name string) message {
	m.header = slices.DeleteFunc(slices.Clone(m.header), func(f [2]string) bool { return strings.EqualFold(f[0], name) })
	return m
}

// set returns m with one header field of that name.
func (m message) set(name, value string) message { return m.without(name).with(name, value) }

// get is the first value of a header field.
func (m message) get(name string) string {
	for _, field := range m.header {
		if strings.EqualFold(field[0], name) {
			return field[1]
		}
	}
	return ""
}

// chunked returns m with its body in one chunk.
func (m message) chunked() message {
	m = m.with("Transfer-Encoding", "chunked")
	m.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(m.body), m.body)
	return m
}

// parsed is a request as net/http understands it.
type parsed struct {
	*http.Request
	body string
}

// split reads the requests in a stream. clean tells that nothing is left over,
// so that the connection can go on.
func split(raw string) (requests []parsed, clean bool) {
	reader := bufio.NewReader(strings.NewReader(raw))
	for {
		if _, err := reader.Peek(1); err == io.EOF {
			return requests, true
		}
		r, err := http.ReadRequest(reader)
		if err != nil {
			return requests, false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return requests, false
		}
		if requests = append(requests, parsed{r, string(body)}); r.Close {
			return requests, false
		}
	}
}

// wire is a client's connection. It is opened when needed and kept for as long
// as the server keeps it.
type wire struct {
	address string
	hangUp  bool // show our end right after a request, before its answer
	conn    *net.TCPConn
	reader  *bufio.Reader
}

func (w *wire) open() error {
	conn, err := net.Dial("tcp", w.address)
	if err != nil {
		return err
	}
	w.attach(conn)
	return nil
}

func (w *wire) attach(conn net.Conn) { w.conn, w.reader = conn.(*net.TCPConn), bufio.NewReader(conn) }

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// exchange sends raw as it is and returns every answer to it, up to the moment
// when the server has nothing more to say. An error is one of the test's own
// making, or a server that neither answers nor hangs up.
func (w *wire) exchange(raw string, requests []parsed, clean bool) ([]reply, error) {
	if w.conn == nil {
		if err := w.open(); err != nil {
			return nil, err
		}
	}
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	written, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	end := make(chan struct{})   // closed when the server may see our end
	go func(conn *net.TCPConn) { // beside reading: the server may answer before it has read all
		_, _ = io.WriteString(conn, raw)
		close(written)
		select {
		case <-end:
			_ = conn.CloseWrite()
		case <-over:
		}
	}(w.conn)
	if w.hangUp {
		close(end)
	}
	var replies []reply
	for n := 0; ; n++ {
		method := ""
		if n < len(requests) {
			method = requests[n].Method
		} else if n == len(requests) && !w.hangUp {
			if clean && n > 0 && w.reader.Buffered() == 0 {
				<-written
				return replies, nil
			}
			// What is left over is no whole request: only now may the server see our
			// end, which net/http takes for a client that went away.
			close(end)
		}
		got, again, err := readReply(w.reader, method)
		if err != nil {
			return replies, w.finish(err)
		}
		replies = append(replies, got)
		if !again {
			return replies, w.finish(nil)
		}
	}
}

// finish closes the connection. That the server closed it is no error, that it
// was silent is one.
func (w *wire) finish(err error) error {
	w.close()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("neither an answer nor the end within %s", patience)
	}
	return nil
}

// readReply reads one final answer; again tells that the connection stays open.
func readReply(reader *bufio.Reader, method string) (got reply, again bool, err error) {
	for {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return got, false, err
		}
		if response.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return got, false, err
		}
		return reply{response.StatusCode, response.Header, string(body)}, !response.Close, nil
	}
}
