package caddywebhooks

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// running is a real Caddy in this process, loaded with a Caddyfile. Caddy's
// state is global, so such tests do not run in parallel.
type running struct {
	t       *testing.T
	site    string // URL of the site
	admin   string // URL of the admin API
	options string // the global options that every config of this test begins with
	routes  string // named routes that configs from now on have
	port    string
	states  func() string // directory of what is known of the stores that were used
}

// startCaddy runs a site with these directives. extra goes into the global
// options. The store is a file in the test's directory.
func startCaddy(t *testing.T, directives, extra string) *running {
	t.Helper()
	c := newRunning(t, filepath.Join(t.TempDir(), "deliveries.db"), extra)
	startRunning(t, c, directives)
	return c
}

// startRunning loads the first config, and unloads the last one when the test ends.
func startRunning(t *testing.T, c *running, directives string) {
	t.Helper()
	for tries := 0; ; tries++ {
		err := c.load(directives)
		if err == nil {
			break
		}
		// Somebody may have taken a port since it was found free.
		if tries == 3 || !errors.Is(err, syscall.EADDRINUSE) && !strings.Contains(err.Error(), "address already in use") {
			t.Fatal(err)
		}
		c.takePorts()
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		process.Draining.Wait()
	})
}

func newRunning(t *testing.T, store, extra string) *running {
	t.Helper()
	states := filepath.Join(t.TempDir(), "stores")
	c := &running{t: t, states: func() string { return states }, options: fmt.Sprintf(`admin ADMIN_ADDRESS
	persist_config off
	log {
		output file %s {
			roll_disabled
		}
	}
	webhooks {
		store file %s
	}
	%s`, testLog, store, extra)}
	process.Book = process.NewBook(c.states) // what other tests left behind is not this one's
	c.takePorts()
	return c
}

// takePorts finds ports for the site and the admin API.
func (c *running) takePorts() {
	c.t.Helper()
	c.port = freePort(c.t)
	before := cmp.Or(strings.TrimPrefix(c.admin, "http://"), "ADMIN_ADDRESS")
	address := "127.0.0.1:" + freePort(c.t)
	c.site, c.admin = "http://127.0.0.1:"+c.port, "http://"+address
	c.options = strings.Replace(c.options, before, address, 1)
}

// startCaddyLogging is startCaddy with a log file of its own.
func startCaddyLogging(t *testing.T, log, directives string) *running {
	t.Helper()
	shared := testLog
	testLog = log
	defer func() { testLog = shared }()
	return startCaddy(t, directives, "")
}

// load replaces the running config by one with these directives.
func (c *running) load(directives string) error {
	config, err := adapt(fmt.Sprintf("{\n\t%s\n}\n%s\nhttp://:%s {\n\tbind 127.0.0.1\n%s\n}\n", c.options, c.routes, c.port, directives))
	if err != nil {
		return err
	}
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	return c.awaitOldConfig()
}

// awaitOldConfig returns when nobody but the running config listens, and
// kept connections to the one before are closed. A reload opens a second socket
// on each port, and Caddy returns before it has closed the first; a connection
// that is still in its queue is then reset.
func (c *running) awaitOldConfig() error {
	ports := []string{c.port, c.admin[strings.LastIndexByte(c.admin, ':')+1:]}
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err = oneListenerEach(ports); err == nil {
			break
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return err
}

// oneListenerEach tells if several sockets listen on one of the ports of 127.0.0.1.
// Only Linux says so in this way; elsewhere the tests that reload may fail by chance.
func oneListenerEach(ports []string) error {
	sockets, err := os.ReadFile("/proc/net/tcp")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	const listening = "0A"
	for _, port := range ports {
		number, err := strconv.Atoi(port)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(sockets)) { // 0: 0100007F:1F90 00000000:0000 0A …
			fields := strings.Fields(line)
			if len(fields) > 3 && fields[3] == listening && fields[1] == fmt.Sprintf("0100007F:%04X", number) {
				n++
			}
		}
		if n > 1 {
			return fmt.Errorf("%d sockets listen on port %s", n, port)
		}
	}
	return nil
}

func adapt(caddyfile string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return config, err
}

func freePort(t *testing.T) string { return caddyproc.PortFor(t) }

const githubSecret = "It's a Secret to Everybody"

// githubSignature signs as GitHub documents it, with the standard library only.
func githubSignature(body string) string {
	mac := hmac.New(sha256.New, []byte(githubSecret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// githubRequest is a signed webhook; tests then spoil it as they need.
func (c *running) githubRequest(path, id, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.site+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-Hub-Signature-256", githubSignature(body))
	return r
}

// reply is an answer, read to its end.
type reply struct {
	code   int
	header http.Header
	body   string
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("answer %q is not JSON: %v", r.body, err)
	}
	return m
}

func (c *running) do(r *http.Request) reply {
	c.t.Helper()
	r.Header["X-Idempotency-Key"] = []string{} // not sent; it lets the client use another connection for a closed one
	response, err := http.DefaultClient.Do(r)
	for tries := 0; err != nil && tries < 3 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)) && r.GetBody != nil; tries++ {
		// After a reload Caddy closes the old listener and its idle connections in
		// the background: providers send a webhook that hits one of them again.
		r.Body, _ = r.GetBody()
		response, err = http.DefaultClient.Do(r)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

// adminCall talks to the admin API; result may be nil.
func (c *running) adminCall(method, path, body string, result any) int {
	c.t.Helper()
	got := c.do(c.request(method, c.admin+path, body))
	if result != nil {
		if err := json.Unmarshal([]byte(got.body), result); err != nil {
			c.t.Fatalf("%s %s answered %q: %v", method, path, got.body, err)
		}
	}
	return got.code
}

func (c *running) request(method, url, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// application is a backend that remembers what it got and answers as told.
type application struct {
	address string
	got     chan *received

	mu     sync.Mutex
	answer http.HandlerFunc
}

type received struct {
	method, host, uri string
	header            http.Header
	body              string
}

func startApplication(t *testing.T) *application {
	t.Helper()
	a := &application{got: make(chan *received, 1000)}
	server := httptest.NewServer(a)
	a.address = strings.TrimPrefix(server.URL, "http://")
	t.Cleanup(server.Close)
	return a
}

// answerWith makes the application answer so from now on; nil means 200.
func (a *application) answerWith(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func (a *application) answerStatus(code int) {
	a.answerWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	answer := a.answer
	a.mu.Unlock()
	a.got <- &received{r.Method, r.Host, r.RequestURI, r.Header.Clone(), string(body)}
	if answer != nil {
		answer(w, r)
	}
}

const patience = 20 * time.Second

// next waits for the next request at the application.
func (a *application) next(t *testing.T) *received {
	t.Helper()
	select {
	case got := <-a.got:
		return got
	case <-time.After(patience):
		t.Fatal("nothing arrived at the application")
		return nil
	}
}

// eventually polls for something that only the store knows.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventuallyWithin(t, patience, what, ok)
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// delivery waits for the only delivery that the query selects.
func (c *running) delivery(query string) api.Delivery {
	c.t.Helper()
	var list api.List
	eventually(c.t, "one delivery with "+query, func() bool {
		c.adminCall(http.MethodGet, "/webhooks/deliveries?"+query, "", &list)
		return len(list.Deliveries) == 1
	})
	return list.Deliveries[0]
}
