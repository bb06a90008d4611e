package hostile

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

var hostileSeed = flag.Uint64("hostile-seed", 20260107, "what the hostile requests are generated from")

const hostileMaxBody = 64 << 10

// TestHostile sends what attackers and broken clients send to one endpoint of
// each kind. The rules, for every single request: it is answered 4xx, or cut off
// by net/http; nothing is accepted unless its content was signed with the secret,
// by the judgement of code that shares nothing with ours; and at the end
// nothing is left behind: no panic in the log, no goroutine, no memory.
func TestHostile(t *testing.T) {
	a := newArena(t)
	t.Logf("-hostile-seed %d", *hostileSeed)
	before := a.inUse()
	goroutines := goleak.IgnoreCurrent()
	for _, part := range []struct {
		name   string
		attack func(*testing.T, *arena)
	}{
		{"requests", hostileRequests},
		{"framing", hostileFraming},
		{"contradictions", hostileContradictions},
		{"hang-ups", hostileHangUps},
		{"stamps", hostileStamps},
		{"signed", hostileSigned},
		{"endless", hostileEndless},
		{"signatures", hostileSignatures},
		{"mutations", hostileMutations},
	} {
		t.Run(part.name, func(t *testing.T) {
			start := time.Now()
			part.attack(t, a)
			t.Logf("%d requests so far, %d answers that accept, in %s", a.requests, len(a.accepted), time.Since(start).Round(time.Millisecond))
		})
	}
	a.checkDelivered(t)
	a.checkLog(t)
	a.checkLeaks(t, goroutines, before)
}

// arena is the site under attack, and what is known of what happened to it.
type arena struct {
	*harness.Caddy
	address  string
	signings []*harness.Signing
	log      string // the file with all of Caddy's log
	backend  *httptest.Server

	mu        sync.Mutex
	requests  int
	accepted  []string // digests of the bodies that were answered "accepted"
	delivered []string // digests of the bodies that the application got
}

// digest stands for a body, so that what the test remembers takes no memory to
// speak of: it must not hide what Caddy does not let go of.
func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

func newArena(t *testing.T) *arena {
	t.Helper()
	a := &arena{signings: harness.Signings(), log: filepath.Join(t.TempDir(), "caddy.log")}
	a.backend = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.delivered = append(a.delivered, digest(string(body)))
	}))
	t.Cleanup(a.backend.Close)
	// All that Caddy logs; panics that net/http recovers are in it, as http.stdlib.
	a.Caddy = harness.StartLogging(t, a.log, "respond 404")
	a.Options = harness.Edited(a.Options, "\tlog {", "\tlog {\nlevel DEBUG")
	var site strings.Builder
	for _, s := range a.signings {
		t.Setenv("HOSTILE_"+s.Provider, s.Secret) // Caddy logs its config, with what is written in it
		fmt.Fprintf(&site, "webhooks /%s %[1]s {\nsecret {env.HOSTILE_%[1]s}\nrequire_https off\nmax_body %d\n%s\nforward %s {\nname app\n}\n}\n",
			s.Provider, hostileMaxBody, s.Block, strings.TrimPrefix(a.backend.URL, "http://"))
	}
	if err := a.Load(site.String() + "respond 404"); err != nil {
		t.Fatal(err)
	}
	a.address = strings.TrimPrefix(a.Site, "http://")
	warm := harness.Wire{Address: a.address} // what is made once, at the first request
	defer warm.Close()
	for _, s := range a.signings {
		a.attack(t, &warm, s, "warming up", s.Forge(s.Message(a.address), time.Now()).String())
	}
	http.DefaultClient.CloseIdleConnections()
	return a
}

// signing finds a provider's.
func (a *arena) signing(provider string) *harness.Signing {
	i := slices.IndexFunc(a.signings, func(s *harness.Signing) bool { return s.Provider == provider })
	return a.signings[i]
}

// attack sends raw and holds the answers against the rules. It returns them.
func (a *arena) attack(t *testing.T, w *harness.Wire, s *harness.Signing, name, raw string) []harness.Reply {
	t.Helper()
	requests, clean := harness.Split(raw)
	replies, err := w.Exchange(raw, requests, clean)
	broken := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, %s: %s\n%s", s.Provider, name, fmt.Sprintf(format, args...), excerpt(raw))
	}
	if err != nil {
		broken("%v", err)
	}
	for i, got := range replies {
		word := got.Header.Get("Webhook-Status")
		switch {
		case got.Code >= 400 && got.Code < 500:
		case byNetHTTP(got):
		case got.Code >= 200 && got.Code < 300 && i < len(requests) && s.Signed(requests[i]):
			if word == "accepted" {
				a.mu.Lock()
				a.accepted = append(a.accepted, digest(requests[i].Body))
				a.mu.Unlock()
			}
		default:
			broken("answered %d %s %q", got.Code, word, got.Body)
		}
	}
	a.mu.Lock()
	a.requests += max(1, len(requests))
	a.mu.Unlock()
	return replies
}

// byNetHTTP recognizes the two answers above 499 that net/http gives before
// any handler sees the request, as RFC 9112, sections 2.3 and 6.1, want them.
func byNetHTTP(got harness.Reply) bool {
	return got.Header.Get("Server") == "" &&
		(got.Code == http.StatusNotImplemented && got.Body == "Unsupported transfer encoding" ||
			got.Code == http.StatusHTTPVersionNotSupported)
}

func excerpt(raw string) string {
	if len(raw) > 2000 {
		return fmt.Sprintf("%q… (%d bytes)", raw[:2000], len(raw))
	}
	return fmt.Sprintf("%q", raw)
}

// checkDelivered waits until the application has what was accepted, and nothing else.
func (a *arena) checkDelivered(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "everything is delivered", func() bool { return a.OpenDeliveries() == 0 })
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.accepted)
	slices.Sort(a.delivered)
	if !slices.Equal(a.accepted, a.delivered) {
		t.Errorf("%d events were accepted, %d delivered, or their bodies differ", len(a.accepted), len(a.delivered))
	}
}

// checkLog looks for panics, for errors of ours, and for secrets.
func (a *arena) checkLog(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{"panic", `"level":"error"`}
	for _, s := range a.signings {
		bad = append(bad, s.Secret)
	}
	lines := 0
	for line := range strings.Lines(string(log)) {
		lines++
		for _, text := range bad {
			if strings.Contains(line, text) {
				t.Errorf("%q in the log: %s", text, excerpt(line))
			}
		}
	}
	if lines < a.requests/2 {
		t.Errorf("the log has %d lines for %d requests: is it the whole log?", lines, a.requests)
	}
}

// checkLeaks waits until the goroutines are those of the beginning.
func (a *arena) checkLeaks(t *testing.T, goroutines goleak.Option, before uint64) {
	t.Helper()
	a.backend.CloseClientConnections()
	var leak error
	for deadline := time.Now().Add(harness.Patience); time.Now().Before(deadline); {
		http.DefaultClient.CloseIdleConnections()
		if leak = goleak.Find(goroutines); leak == nil {
			break
		}
	}
	if leak != nil {
		t.Error(leak)
	}
	after := a.inUse()
	t.Logf("heap in use: %d KiB before, %d KiB after", before>>10, after>>10)
	if after > before+4<<20 {
		t.Errorf("heap in use grew from %d to %d bytes", before, after)
	}
}

// inUse is the heap in use, without garbage.
func (a *arena) inUse() uint64 {
	var stats runtime.MemStats
	for range 3 { // twice for what sync.Pools hold, once for finalizers' garbage
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

// hostileEndless sends bodies that never end, as fast as it can.
func hostileEndless(t *testing.T, a *arena) {
	var senders sync.WaitGroup
	for _, s := range a.signings {
		for _, framing := range []string{"Transfer-Encoding: chunked", "Content-Length: 1099511627776"} {
			senders.Go(func() { a.endless(t, s, framing) })
		}
	}
	senders.Wait()
}

func (a *arena) endless(t *testing.T, s *harness.Signing, framing string) {
	const most = 16 << 20 // far over the limit and what sockets buffer
	var w harness.Wire
	w.Address = a.address
	if err := w.Open(); err != nil {
		t.Error(err)
		return
	}
	defer w.Close()
	sent := make(chan int)
	go func(conn net.Conn) {
		head, _, _ := strings.Cut(s.Forge(s.Message(a.address), time.Now()).String(), "Content-Length: ")
		_, err := io.WriteString(conn, head+framing+"\r\n\r\n")
		total, n := 0, 0
		for chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", 1<<14, strings.Repeat("x", 1<<14)); err == nil && total < most; total += n {
			n, err = conn.Write(chunk)
		}
		sent <- total
	}(w.Conn)
	got, _, err := harness.ReadReply(w.Reader, "POST")
	if err != nil || got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%s, %s: answered %d, %v: want 413", s.Provider, framing, got.Code, err)
	}
	if total := <-sent; total >= most {
		t.Errorf("%s, %s: %d bytes were taken", s.Provider, framing, total)
	}
}
