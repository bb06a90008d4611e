package hostile

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// bodyReaders are Caddy with and without its own idle timeout, which has a say
// in the read deadline too.
var bodyReaders = map[string]string{"": "", ", without Caddy's idle timeout": "servers {\ntimeouts {\nread_body_idle -1s\n}\n}"}

// pacer is a body that comes in pieces, one at each tick, for ever or for so many.
type pacer struct {
	piece []byte
	tick  *time.Ticker
	left  int // pieces; negative: for ever
	stop  <-chan struct{}
}

func (p *pacer) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-p.tick.C:
	case <-p.stop:
		return 0, io.ErrClosedPipe
	}
	p.left--
	return copy(b, p.piece), nil
}

// TestSlowBody trickles: never idle, so that no idle timeout ends it, and never
// done. Or it stalls. Either way it is answered 408 and hung up on.
func TestSlowBody(t *testing.T) {
	harness.ShortBodyTime(t, 200*time.Millisecond)
	for name, servers := range bodyReaders {
		testSlowBody(t, name, harness.Start(t, harness.GitHubSite(harness.StartApplication(t), ""), servers))
	}
}

func testSlowBody(t *testing.T, name string, c *harness.Caddy) {
	const head = "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=00\r\n"
	for _, test := range []struct{ name, head, piece string }{
		{"with length", head + "Content-Length: 1000000\r\n\r\n", "x"},
		{"in chunks", head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
		{"in chunks, in the middle of a size", head + "Transfer-Encoding: chunked\r\n\r\n", "0"},
		{"HTTP/1.0", strings.Replace(head, "1.1", "1.0", 1) + "Content-Length: 1000000\r\n\r\n", "x"},
		{"expects to be asked", head + "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n", "x"},
		{"stalls", head + "Content-Length: 10\r\n\r\n", ""},
		{"stalls at the last byte", head + "Content-Length: 10\r\n\r\n123456789", ""},
	} {
		t.Run(test.name+name, func(t *testing.T) {
			w := harness.Wire{Address: strings.TrimPrefix(c.Site, "http://")}
			if err := w.Open(); err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if err := w.Conn.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
				t.Fatal(err)
			}
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				_, _ = io.Copy(w.Conn, io.MultiReader(strings.NewReader(test.head), &pacer{[]byte(test.piece), tick, -1, stop}))
			}()
			got, again, err := harness.ReadReply(w.Reader, "POST")
			if err != nil {
				t.Fatal(err)
			}
			harness.CheckAnswer(t, got, 408, "body_timeout")
			if again {
				t.Error("the connection is kept")
			}
			if _, err := w.Reader.ReadByte(); err == nil {
				t.Error("more is said")
			}
			close(stop)
			<-stopped
		})
	}
	if n := c.OpenDeliveries(); n != 0 {
		t.Errorf("%d deliveries", n)
	}
}

// TestSlowBodyHTTP2: the stream ends, the connection and its other streams go on.
func TestSlowBodyHTTP2(t *testing.T) {
	harness.ShortBodyTime(t, 200*time.Millisecond)
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	stop := make(chan struct{})
	defer close(stop)

	r := c.GitHubRequest("/github", "slow", "{}")
	r.Body, r.ContentLength = io.NopCloser(&pacer{[]byte("x"), tick, -1, stop}), -1
	for _, want := range []int{408, 202} {
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.ProtoMajor != 2 || response.StatusCode != want {
			t.Errorf("answered %s %d %q: want %d by HTTP/2", response.Proto, response.StatusCode, body, want)
		}
		r = c.GitHubRequest("/github", "quick", "{}")
	}
}

// TestSlowWork: the bound is for the body alone. One that comes slowly but in
// time is taken, work may take longer than a body, and the connection is kept for longer.
func TestSlowWork(t *testing.T) {
	for name, servers := range bodyReaders {
		t.Run("works"+name, func(t *testing.T) { testSlowWork(t, servers) })
	}
}

func testSlowWork(t *testing.T, servers string) {
	const bound = 300 * time.Millisecond
	harness.ShortBodyTime(t, bound)
	app := harness.StartApplication(t)
	late := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(bound + bound/3): // the pace of this application
		case <-r.Context().Done():
		}
	}
	app.AnswerWith(late)
	c := harness.Start(t, harness.GuardSite(app, "reverse_proxy APP"), servers)
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	tick := time.NewTicker(bound / 20)
	defer tick.Stop()
	stop := make(chan struct{})
	defer close(stop)
	for n := range 3 {
		const pieces = 5
		body := bytes.Repeat([]byte("x"), pieces)
		r := c.GitHubRequest("/github", fmt.Sprint("slow-work-", n), string(body))
		r.Body, r.ContentLength = io.NopCloser(&pacer{body[:1], tick, pieces, stop}), []int64{pieces, -1, pieces}[n]
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if info.Reused != (n > 0) {
				t.Errorf("request %d: the connection was not kept", n)
			}
		}}))
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != 200 {
			t.Errorf("request %d was answered %d %q", n, response.StatusCode, answer)
		}
		if got := app.Next(t); got.Body != string(body) {
			t.Errorf("%q arrived", got.Body)
		}
	}
}
