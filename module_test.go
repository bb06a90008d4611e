package caddywebhooks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

// githubSite is a site with one GitHub endpoint at /github.
func githubSite(app *application, more string) string {
	return fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		%s
		forward %s {
			name app
			retry { 
				initial 20ms
				max_delay 50ms
			}
		}
	}`, githubSecret, more, app.address)
}

// TestAnswers goes through the table of answers with a real Caddy: each row's
// status, headers and body.
func TestAnswers(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, "max_body 1KiB")+fmt.Sprintf(`
	webhooks /secure github {
		name secure
		secret "%[1]s"
		forward %[2]s
	}
	webhooks /picky github {
		name picky
		secret "%[1]s"
		require_https off
		forward %[2]s {
			events release.*
		}
	}
	webhooks /slack slack {
		secret slack
		require_https off
		forward %[2]s
	}`, githubSecret, app.address), "")
	body := `{"zen":"Keep it logically awesome."}`
	accepted := c.do(c.githubRequest("/github", "first", body))

	for _, test := range []struct {
		name    string
		path    string
		spoil   func(r *http.Request)
		code    int
		word    string
		headers map[string]string
	}{
		{"stored", "/github", func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", "second") }, 202, "accepted", nil},
		{"already stored", "/github", nil, 200, "duplicate", nil},
		{"no destination wants it", "/picky", nil, 200, "ignored", nil},
		{"signature wrong", "/github", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", githubSignature("other")) }, 401, "invalid_signature", nil},
		{"signature malformed", "/github", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=zz") }, 401, "invalid_signature", nil},
		{"signature missing", "/github", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 401, "missing_signature", nil},
		{"plain HTTP", "/secure", nil, 400, "https_required", nil},
		{"method", "/github", func(r *http.Request) { r.Method = http.MethodPut }, 405, "method_not_allowed", map[string]string{"Allow": "POST"}},
		{"content type", "/github", func(r *http.Request) { r.Header.Set("Content-Type", "text/xml") }, 415, "unsupported_media_type", nil},
		{"no content type", "/github", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "unsupported_media_type", nil},
		{"body too large", "/github", withBody(strings.Repeat("x", 2000)), 413, "payload_too_large", nil},
		{"chunked body too large", "/github", withChunkedBody(strings.Repeat("x", 2000)), 413, "payload_too_large", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := c.githubRequest(test.path, "first", body)
			if test.spoil != nil {
				test.spoil(r)
			}
			got := c.do(r)
			checkAnswer(t, got, test.code, test.word)
			for name, want := range test.headers {
				if got.header.Get(name) != want {
					t.Errorf("%s is %q: want %q", name, got.header.Get(name), want)
				}
			}
		})
	}
	checkAnswer(t, accepted, 202, "accepted")
	if got := accepted.json(t)["event_id"]; got != "first" {
		t.Errorf("event_id is %v: want first", got)
	}
}

func checkAnswer(t *testing.T, got reply, code int, word string) {
	t.Helper()
	if got.code != code || got.header.Get("Webhook-Status") != word {
		t.Fatalf("answered %d %q (%s): want %d %q", got.code, got.header.Get("Webhook-Status"), got.body, code, word)
	}
	if ct := got.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type is %q", ct)
	}
	m := got.json(t)
	key := "status"
	if code >= 400 {
		key = "error"
		if m["message"] == "" {
			t.Error("no message")
		}
	}
	if m[key] != word {
		t.Errorf("body says %v: want %s=%q", m, key, word)
	}
	if id, _ := m["correlation_id"].(string); len(id) < 16 {
		t.Errorf("correlation_id is %q", id)
	}
}

func withBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

// withChunkedBody hides the length, so that the limit must be found while reading.
func withChunkedBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	}
}

func TestChunkedBodyWithinTheLimit(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	body := `{"a":"` + strings.Repeat("x", 200_000) + `"}`
	r := c.githubRequest("/github", "chunked", body)
	withChunkedBody(body)(r)
	checkAnswer(t, c.do(r), 202, "accepted")
	if got := app.next(t); got.body != body {
		t.Errorf("%d bytes arrived: want %d", len(got.body), len(body))
	}
}

// TestTruncatedBody promises a length and hangs up before it.
func TestTruncatedBody(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	connection, err := net.Dial("tcp", strings.TrimPrefix(c.site, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := `{"a":1}`
	fmt.Fprintf(connection, "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Delivery: cut\r\n"+
		"X-Hub-Signature-256: %s\r\nContent-Length: 100\r\n\r\n%s", githubSignature(body), body)
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 400 || response.Header.Get("Webhook-Status") != "body_incomplete" {
		t.Errorf("answered %d %s", response.StatusCode, response.Header.Get("Webhook-Status"))
	}
	var list api.List
	c.adminCall(http.MethodGet, "/webhooks/deliveries", "", &list)
	if len(list.Deliveries) != 0 {
		t.Errorf("stored: %+v", list.Deliveries)
	}
}

func TestQueueFull(t *testing.T) {
	app := startApplication(t)
	app.answerStatus(500)
	c := startCaddy(t, fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			retry {
				initial 1h
			}
		}
	}`, githubSecret, app.address), "")
	c.options = strings.Replace(c.options, "webhooks {", "webhooks {\n max_pending 2", 1)
	if err := c.load(githubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, c.do(c.githubRequest("/github", "1", "{}")), 202, "accepted")
	checkAnswer(t, c.do(c.githubRequest("/github", "2", "{}")), 202, "accepted")
	got := c.do(c.githubRequest("/github", "3", "{}"))
	checkAnswer(t, got, 503, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	app.answerStatus(200)
	eventually(t, "the queue has room again", func() bool {
		return c.do(c.githubRequest("/github", "3", "{}")).code == 202
	})
}

// TestFullDestination has one application down for longer than its queue lasts: the
// other one gets every event, and what the first one missed is there to be replayed.
func TestFullDestination(t *testing.T) {
	const bound, events = 100, 250
	app, down := startApplication(t), startApplication(t)
	down.answerStatus(500)
	c := newRunning(t, filepath.Join(t.TempDir(), "deliveries.db")+"\nmax_pending "+strconv.Itoa(bound), "")
	startRunning(t, c, fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			name down
			max_in_flight 1
			breaker 1 1h 1
			retry {
				initial 1h
			}
		}
		forward %s {
			name app
		}
	}`, githubSecret, down.address, app.address))
	for n := range events {
		checkAnswer(t, c.do(c.githubRequest("/github", fmt.Sprint(n), "{}")), 202, "accepted")
		app.next(t)
	}
	eventually(t, "the full destination's dead letters are counted", func() bool {
		queues := c.metrics()
		return queues[`webhook_destination_queue_size{destination="down",endpoint="github",queue_type="dead"}`] == events-bound
	})
	var page struct{ Deliveries []api.Delivery }
	c.adminCall("GET", "/webhooks/deliveries?state=dead&limit=1000", "", &page)
	for _, d := range page.Deliveries {
		if d.Destination != "down" || d.Reason != "destination_full" || d.Attempts != 0 {
			t.Fatalf("dead letter %+v, want those of down, destination_full", d)
		}
	}
	if len(page.Deliveries) != events-bound {
		t.Errorf("%d dead letters, want %d", len(page.Deliveries), events-bound)
	}
	if !found(c.doctor(), api.LevelError, "queue", "github/down", "100% of max_pending (100)") {
		t.Errorf("the doctor does not find it: %+v", c.doctor())
	}
	// Repaired: what waits, and what is replayed, arrives; nothing is missing.
	down.answerStatus(200)
	var result struct{ Matched, Done int }
	for _, state := range []string{"pending", "dead"} {
		c.adminCall("POST", "/webhooks/replay", `{"filter":{"state":"`+state+`"}}`, &result)
	}
	if result.Done != events-bound {
		t.Errorf("%d dead letters replayed, want %d", result.Done, events-bound)
	}
}

func TestSlackHandshake(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, fmt.Sprintf("webhooks /slack slack {\nsecret s3cret\nrequire_https off\nforward %s\n}", app.address), "")
	w := newSlackChallenge(t, c, "s3cret")
	if got := c.do(w); got.code != 200 || got.body != "the-challenge" {
		t.Errorf("answered %d %q", got.code, got.body)
	}
	if got := c.do(newSlackChallenge(t, c, "forged")); got.code != 401 || strings.Contains(got.body, "the-challenge") {
		t.Errorf("a forged handshake was answered %d %q", got.code, got.body)
	}
	select {
	case got := <-app.got:
		t.Errorf("the application got %v", got)
	default:
	}
}

// TestCorrelationID takes an id from a proxy that is trusted, and from nobody else.
func TestCorrelationID(t *testing.T) {
	app := startApplication(t)
	for _, test := range []struct {
		name, servers string
		taken         bool
	}{
		{"untrusted", "", false},
		{"trusted", "servers {\ntrusted_proxies static 127.0.0.1/32\n}", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startCaddy(t, githubSite(app, ""), test.servers)
			r := c.githubRequest("/github", "corr-"+test.name, "{}")
			r.Header.Set("X-Request-Id", "req-1234567890abcdef")
			id := c.do(r).json(t)["correlation_id"]
			if (id == "req-1234567890abcdef") != test.taken {
				t.Errorf("correlation_id is %v", id)
			}
			if got := app.next(t).header.Get("X-Correlation-Id"); got != id {
				t.Errorf("delivered with %q: want %q", got, id)
			}
		})
	}
}

// TestHTTPSBehindProxy believes X-Forwarded-Proto of trusted proxies only.
func TestHTTPSBehindProxy(t *testing.T) {
	app := startApplication(t)
	site := fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nforward %s\n}", githubSecret, app.address)
	for _, test := range []struct {
		name, servers string
		code          int
	}{
		{"untrusted", "", 400},
		{"trusted", "servers {\ntrusted_proxies static 127.0.0.1/32\n}", 202},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startCaddy(t, site, test.servers)
			r := c.githubRequest("/github", "tls-"+test.name, "{}")
			r.Header.Set("X-Forwarded-Proto", "https")
			if got := c.do(r); got.code != test.code {
				t.Errorf("answered %d %s", got.code, got.body)
			}
		})
	}
}

func TestRoutingByType(t *testing.T) {
	first, second := startApplication(t), startApplication(t)
	c := startCaddy(t, fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			name first
			events push
		}
		forward %s {
			name second
			events pu* issues
		}
	}`, githubSecret, first.address, second.address), "")
	checkAnswer(t, c.do(c.githubRequest("/github", "both", "{}")), 202, "accepted")
	a, b := first.next(t), second.next(t)
	if a.header.Get("Webhook-Id") == b.header.Get("Webhook-Id") {
		t.Error("two deliveries have one id")
	}
	r := c.githubRequest("/github", "one", "{}")
	r.Header.Set("X-GitHub-Event", "issues")
	checkAnswer(t, c.do(r), 202, "accepted")
	if got := second.next(t); got.header.Get("Webhook-Event-Id") != "one" {
		t.Errorf("second got %v", got.header)
	}
	if len(first.got) != 0 {
		t.Error("first got an event it does not want")
	}
}

func TestDedupe(t *testing.T) {
	app := startApplication(t)
	site := githubSite(app, "dedupe json /a json /b") + fmt.Sprintf(`
	webhooks /other github {
		name other
		secret "%s"
		require_https off
		dedupe json /a json /b
		forward %s
	}
	webhooks /off github {
		name off
		secret "%[1]s"
		require_https off
		dedupe off
		forward %[2]s
	}`, githubSecret, app.address)
	c := startCaddy(t, site, "")
	for _, step := range []struct{ name, path, body, want string }{
		{"new", "/github", `{"a":"x","b":"yz"}`, "accepted"},
		{"same values in another body", "/github", `{"b":"yz","a":"x","c":1}`, "duplicate"},
		{"values cut elsewhere", "/github", `{"a":"xy","b":"z"}`, "accepted"},
		{"other endpoint", "/other", `{"a":"x","b":"yz"}`, "accepted"},
		{"one value missing: by content", "/github", `{"a":"x","n":1}`, "accepted"},
		{"one value missing: other content", "/github", `{"a":"x","n":2}`, "accepted"},
		{"one value missing: same content", "/github", `{"a":"x","n":2}`, "duplicate"},
		{"off", "/off", `{"a":"x","b":"yz"}`, "accepted"},
		{"off again", "/off", `{"a":"x","b":"yz"}`, "accepted"},
	} {
		if got := c.do(c.githubRequest(step.path, "same-id", step.body)); got.header.Get("Webhook-Status") != step.want {
			t.Errorf("%s: answered %s: want %s", step.name, got.body, step.want)
		}
	}
}

// TestForgedDoesNotPoison sends a forged event first: its id must stay free for the true one.
func TestForgedDoesNotPoison(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	forged := c.githubRequest("/github", "id-1", `{"true":false}`)
	forged.Header.Set("X-Hub-Signature-256", githubSignature("else"))
	checkAnswer(t, c.do(forged), 401, "invalid_signature")
	checkAnswer(t, c.do(c.githubRequest("/github", "id-1", `{"true":true}`)), 202, "accepted")
}
