package harness

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

// Message is a request as text, before any library could correct it.
type Message struct {
	Method, Target, Proto string
	Header                [][2]string // in order, as spelled
	Body                  string
}

// String is what goes over the wire. Content-Length is added unless the message frames itself.
func (m Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", m.Method, m.Target, m.Proto)
	framed := false
	for _, field := range m.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", field[0], field[1])
		framed = framed || strings.EqualFold(field[0], "Content-Length") || strings.EqualFold(field[0], "Transfer-Encoding")
	}
	if !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(m.Body))
	}
	return b.String() + "\r\n" + m.Body
}

// With returns m with a further header field.
func (m Message) With(name, value string) Message {
	m.Header = append(slices.Clip(m.Header), [2]string{name, value})
	return m
}

// Without returns m without the header fields of that name.
func (m Message) Without(name string) Message {
	m.Header = slices.DeleteFunc(slices.Clone(m.Header), func(f [2]string) bool { return strings.EqualFold(f[0], name) })
	return m
}

// Set returns m with one header field of that name.
func (m Message) Set(name, value string) Message { return m.Without(name).With(name, value) }

// Get is the first value of a header field.
func (m Message) Get(name string) string {
	for _, field := range m.Header {
		if strings.EqualFold(field[0], name) {
			return field[1]
		}
	}
	return ""
}

// Chunked returns m with its body in one chunk.
func (m Message) Chunked() Message {
	m = m.With("Transfer-Encoding", "chunked")
	m.Body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(m.Body), m.Body)
	return m
}

// Parsed is a request as net/http understands it.
type Parsed struct {
	*http.Request
	Body string
}

// Split reads the requests in a stream. clean tells that nothing is left over,
// so that the connection can go on.
func Split(raw string) (requests []Parsed, clean bool) {
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
		if requests = append(requests, Parsed{r, string(body)}); r.Close {
			return requests, false
		}
	}
}

// Wire is a client's connection. It is opened when needed and kept for as long
// as the server keeps it.
type Wire struct {
	Address string
	HangUp  bool // show our end right after a request, before its answer
	Conn    *net.TCPConn
	Reader  *bufio.Reader
}

func (w *Wire) Open() error {
	conn, err := net.Dial("tcp", w.Address)
	if err != nil {
		return err
	}
	w.attach(conn)
	return nil
}

func (w *Wire) attach(conn net.Conn) { w.Conn, w.Reader = conn.(*net.TCPConn), bufio.NewReader(conn) }

func (w *Wire) Close() {
	if w.Conn != nil {
		_ = w.Conn.Close()
		w.Conn = nil
	}
}

// Exchange sends raw as it is and returns every answer to it, up to the moment when the server has nothing
// more to say. It returns an error if the test made a mistake, or if the server neither answers nor hangs
// up.
func (w *Wire) Exchange(raw string, requests []Parsed, clean bool) ([]Reply, error) {
	if w.Conn == nil {
		if err := w.Open(); err != nil {
			return nil, err
		}
	}
	if err := w.Conn.SetDeadline(time.Now().Add(Patience)); err != nil {
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
	}(w.Conn)
	if w.HangUp {
		close(end)
	}
	var replies []Reply
	for n := 0; ; n++ {
		method := ""
		if n < len(requests) {
			method = requests[n].Method
		} else if n == len(requests) && !w.HangUp {
			if clean && n > 0 && w.Reader.Buffered() == 0 {
				<-written
				return replies, nil
			}
			// The rest is no whole request: only now may the server see our end, which net/http takes for
			// a client that went away.
			close(end)
		}
		got, again, err := ReadReply(w.Reader, method)
		if err != nil {
			return replies, w.finish(err)
		}
		replies = append(replies, got)
		if !again {
			return replies, w.finish(nil)
		}
	}
}

// finish closes the connection. It is no error that the server closed it; that the server was silent is
// one.
func (w *Wire) finish(err error) error {
	w.Close()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("neither an answer nor the end within %s", Patience)
	}
	return nil
}

// ReadReply reads one final answer; again tells that the connection stays open.
func ReadReply(reader *bufio.Reader, method string) (got Reply, again bool, err error) {
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
		return Reply{response.StatusCode, response.Header, string(body)}, !response.Close, nil
	}
}
