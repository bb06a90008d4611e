package hostile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// unfinished is a body without its last byte, which does not come until the test ends.
type unfinished struct {
	left int
	done <-chan struct{}
	sent *atomic.Int64 // bytes, of all
}

func (u *unfinished) Read(b []byte) (int, error) {
	if u.left == 0 {
		<-u.done
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(b), u.left)
	u.left -= n
	u.sent.Add(int64(n))
	return n, nil
}

// TestBodyMemoryOverHTTP2: the streams of few connections are as bounded as connections are.
func TestBodyMemoryOverHTTP2(t *testing.T) {
	harness.ShortBodyTime(t, 10*time.Minute)
	const budget, size, streams = 8 << 20, 256 << 10, 150
	app := harness.StartApplication(t)
	c := harness.New(t, t.TempDir()+"/deliveries.db", "servers {\nprotocols h1 h2c\n}")
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\n\t\tmax_body_memory 8MiB")
	harness.Begin(t, c, harness.GitHubSite(app, "max_body 256KiB"))

	ctx, cancel := context.WithCancel(t.Context())
	var sent, refused, others atomic.Int64
	var senders sync.WaitGroup
	for connection := range 3 {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols}
		t.Cleanup(transport.CloseIdleConnections)
		for stream := range streams / 3 {
			senders.Go(func() {
				r := c.GitHubRequest("/github", fmt.Sprint(connection, "-", stream), "").WithContext(ctx)
				r.Body = io.NopCloser(&unfinished{left: size - 1, done: ctx.Done(), sent: &sent})
				r.ContentLength = size
				response, err := transport.RoundTrip(r)
				if err != nil {
					return // it was still sending when the test ended
				}
				if response.ProtoMajor == 2 && response.StatusCode == 503 {
					refused.Add(1)
				} else {
					others.Add(1)
				}
				_ = response.Body.Close() // waits for the end of the request's body
			})
		}
	}
	most := watchBodies(t, func() bool { return refused.Load() > streams/3 && process.Bodies.Usage().Used > budget/8 })
	if most > budget/2+size {
		t.Errorf("%d bytes were held, of which one address may have half of %d", most, budget)
	}
	if others.Load() > 0 {
		t.Errorf("%d were answered otherwise than 503", others.Load())
	}
	acceptsElsewhere(t, c, app)
	cancel()
	senders.Wait()
	harness.Eventually(t, "everything is given back", func() bool { return process.Bodies.Usage().Used == 0 })
}

// TestBodyMemoryWithExpect: who asks first whether to send is told so only where there
// is room, and what then comes counts as any other body.
func TestBodyMemoryWithExpect(t *testing.T) {
	harness.ShortBodyTime(t, 10*time.Minute)
	// Of a smaller body net/http waits for the rest before it sends the refusal.
	const budget, size, connections = 16 << 20, 1 << 20, 100
	app := harness.StartApplication(t)
	c := startBounded(t, "16MiB", harness.GitHubSite(app, ""))
	head := fmt.Sprintf("POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=00\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size)
	var continued, refused atomic.Int64
	var senders sync.WaitGroup
	conns := make([]net.Conn, connections)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.Site, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
		t.Cleanup(func() { _ = conn.Close() })
		senders.Go(func() {
			if _, err := io.WriteString(conn, head); err != nil {
				return
			}
			answers := bufio.NewReader(conn)
			line, err := answers.ReadString('\n')
			if err == nil && strings.HasPrefix(line, "HTTP/1.1 100 ") {
				continued.Add(1)
				_, _ = answers.ReadString('\n')
				_, _ = conn.Write(make([]byte, size-1)) // the server may have hung up
				line, err = answers.ReadString('\n')
			}
			if err == nil && strings.HasPrefix(line, "HTTP/1.1 503 ") {
				refused.Add(1)
			} else if err == nil {
				t.Errorf("answered %q", line)
			}
		})
	}
	most := watchBodies(t, func() bool { return refused.Load() > connections/3 && process.Bodies.Usage().Used > budget/8 })
	if most > budget/2+size {
		t.Errorf("%d bytes were held, of which one address may have half of %d", most, budget)
	}
	if continued.Load() == 0 {
		t.Error("nobody was told to go on: this test shows nothing")
	}
	acceptsElsewhere(t, c, app)
	for _, conn := range conns {
		_ = conn.Close()
	}
	senders.Wait()
	harness.Eventually(t, "everything is given back", func() bool { return process.Bodies.Usage().Used == 0 })
}

// TestExpectIsAnsweredAtOnce: who waits to be told to send its body, and is refused before
// that, is told so at once, though no byte of the body ever comes.
func TestExpectIsAnsweredAtOnce(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, "")+"\n"+harness.Edited(harness.GitHubSite(app, "name blocked\nblock_ips 127.0.0.1"), "/github", "/blocked"), "")
	for want, head := range map[string]string{
		"HTTP/1.1 413 ": "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 100000000\r\n",
		"HTTP/1.1 415 ": "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 1000\r\n",
		"HTTP/1.1 405 ": "PUT /github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n",
		"HTTP/1.1 403 ": "POST /blocked HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n",
		"HTTP/1.1 100 ": "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 1000\r\n",
	} {
		began := time.Now()
		if line := firstAnswer(t, c, head+"Expect: 100-Continue\r\n\r\n"); !strings.HasPrefix(line, want) {
			t.Errorf("%q was answered %q, want %s", head, line, want)
		}
		if took := time.Since(began); took > harness.Patience/2 {
			t.Errorf("%s came after %s", want, took)
		}
	}
}

// firstAnswer sends a head and returns the first line of the answer.
func firstAnswer(t *testing.T, c *harness.Caddy, head string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.Site, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// watchBodies returns the most that was held until enough came to pass.
func watchBodies(t *testing.T, enough func() bool) (most int64) {
	t.Helper()
	harness.Eventually(t, "memory is short", func() bool {
		most = max(most, process.Bodies.Usage().Used)
		return enough()
	})
	return most
}

// acceptsElsewhere sends a webhook from another address, while memory is short.
func acceptsElsewhere(t *testing.T, c *harness.Caddy, app *harness.Application) {
	t.Helper()
	response, err := clientAt(t, "127.0.0.2").Do(c.GitHubRequest("/github", "genuine", `{"text":"`+strings.Repeat("x", 100<<10)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 202 {
		t.Errorf("a genuine webhook from elsewhere is answered %d", response.StatusCode)
	}
	app.Next(t)
}
