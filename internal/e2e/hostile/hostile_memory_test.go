package hostile

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// TestBodyMemory: 1,500 strangers at one address each send all but a byte of what may be
// sent, and wait. They hold no more memory than the budget gives one address, and a webhook
// from elsewhere is taken meanwhile.
func TestBodyMemory(t *testing.T) {
	harness.ShortBodyTime(t, 10*time.Minute) // longer: nobody is refused for being slow
	const budget, connections = 64 << 20, 1500
	app := harness.StartApplication(t)
	c := startBounded(t, "64MiB", harness.GitHubSite(app, ""))
	before := liveHeap()
	head := "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 1048576\r\n\r\n"
	body := make([]byte, 1<<20-1)
	var all []net.Conn
	defer func() {
		for _, conn := range all {
			_ = conn.Close()
		}
	}()
	var senders sync.WaitGroup
	room := make(chan struct{}, 32) // at once
	refused := make(chan string, connections)
	for range connections {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.Site, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
		room <- struct{}{}
		senders.Go(func() {
			defer func() { <-room }()
			if _, err := io.WriteString(conn, head); err != nil {
				return
			}
			if _, err := conn.Write(body); err != nil {
				return
			}
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			answer := make([]byte, 16)
			if n, _ := conn.Read(answer); n > 0 {
				refused <- string(answer[:n])
			}
		})
		if used := process.Bodies.Usage().Used; used > budget/2+1<<20 {
			t.Fatalf("%d bytes are held, of which one address may have half of %d", used, budget)
		}
	}
	senders.Wait()
	if grown := liveHeap() - before; grown > budget {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	usage := process.Bodies.Usage()
	if usage.Limit != budget || usage.Used < budget/4 || usage.Refused < connections/2 {
		t.Errorf("usage %+v: too little is held for this test to show anything", usage)
	}
	close(refused)
	for answer := range refused {
		if !strings.HasPrefix(answer, "HTTP/1.1 503") {
			t.Errorf("answered %q", answer)
		}
	}
	elsewhere := clientAt(t, "127.0.0.2")
	r := c.GitHubRequest("/github", "genuine", `{"text":"`+strings.Repeat("x", 200<<10)+`"}`)
	response, err := elsewhere.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 202 {
		t.Errorf("a genuine webhook from elsewhere is answered %d", response.StatusCode)
	}
	app.Next(t)
	for _, conn := range all {
		_ = conn.Close()
	}
	harness.Eventually(t, "everything is given back", func() bool { return process.Bodies.Usage().Used == 0 })
}

// startBounded is startCaddy with so much memory for bodies.
func startBounded(t *testing.T, memory, directives string) *harness.Caddy {
	t.Helper()
	c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db"), "")
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\n\t\tmax_body_memory "+memory)
	harness.Begin(t, c, directives)
	return c
}

// liveHeap is what is in use.
func liveHeap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// clientAt sends from another address of this machine.
func clientAt(t *testing.T, address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, to)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestBodyMemoryAtWork: in guard mode a body is in memory for as long as the application works
// on it, and counts for as long.
func TestBodyMemoryAtWork(t *testing.T) {
	app := harness.StartApplication(t)
	done := make(chan struct{})
	app.AnswerWith(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	site := harness.Edited(harness.GuardSite(app, "reverse_proxy APP"), "require_https off", "require_https off\nmax_body 16KiB")
	c := startBounded(t, "96KiB", site)
	body := `{"text":"` + strings.Repeat("x", 16000) + `"}`
	answers := make(chan int, 3)
	send := func(client *http.Client, id string) {
		r := c.GitHubRequest("/github", id, body)
		go func() {
			response, err := client.Do(r)
			if err != nil {
				t.Error(err)
				answers <- 0
				return
			}
			_ = response.Body.Close()
			answers <- response.StatusCode
		}()
		app.Next(t)
	}
	send(http.DefaultClient, "first")
	send(http.DefaultClient, "second")
	got := c.Do(c.GitHubRequest("/github", "third", body))
	harness.CheckAnswer(t, got, 503, "unavailable")
	if got.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
	}
	send(clientAt(t, "127.0.0.2"), "elsewhere")
	metrics := c.Do(c.Request(http.MethodGet, c.Admin+"/metrics", "")).Body
	for _, want := range []string{"webhook_body_memory_bytes 7", "webhook_body_memory_limit_bytes 98304", "webhook_body_memory_refused_total "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	close(done)
	for range 3 {
		if code := <-answers; code != 200 {
			t.Errorf("answered %d", code)
		}
	}
	harness.Eventually(t, "everything is given back", func() bool { return process.Bodies.Usage().Used == 0 })
	if got := c.Do(c.GitHubRequest("/github", "third", body)); got.Code != 200 {
		t.Errorf("what was refused is then answered %d", got.Code)
	}
}

// TestBodyMemoryTooSmall: a budget in which the largest body never finds room is refused.
func TestBodyMemoryTooSmall(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	before := c.Options
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\nmax_body_memory 1MiB")
	if err := c.Load(harness.GitHubSite(app, "")); err == nil || !strings.Contains(err.Error(), "want max_body_memory of at least 2113536, or a smaller max_body") {
		t.Errorf("max_body_memory of one body: %v", err)
	}
	c.Options = before
	if err := c.Load(harness.GitHubSite(app, "max_body 512MiB")); err != nil {
		t.Fatal(err)
	}
	if got := process.Bodies.Usage().Limit; got < 2<<30 {
		t.Errorf("with bodies of 512 MiB the budget is %d bytes", got)
	}
}
