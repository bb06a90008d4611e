package endpoints

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestAnswers goes through the table of answers with a real Caddy: each row's
// status, headers and body.
func TestAnswers(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, "max_body 1KiB")+fmt.Sprintf(`
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
	}`, harness.GitHubSecret, app.Address), "")
	body := `{"zen":"Keep it logically awesome."}`
	accepted := c.Do(c.GitHubRequest("/github", "first", body))

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
		{"signature wrong", "/github", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("other")) }, 401, "invalid_signature", nil},
		{"signature malformed", "/github", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=zz") }, 401, "invalid_signature", nil},
		{"signature missing", "/github", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 401, "missing_signature", nil},
		{"plain HTTP", "/secure", nil, 400, "https_required", nil},
		{"method", "/github", func(r *http.Request) { r.Method = http.MethodPut }, 405, "method_not_allowed", map[string]string{"Allow": "POST"}},
		{"content type", "/github", func(r *http.Request) { r.Header.Set("Content-Type", "text/xml") }, 415, "unsupported_media_type", nil},
		{"no content type", "/github", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "unsupported_media_type", nil},
		{"body too large", "/github", harness.WithBody(strings.Repeat("x", 2000)), 413, "payload_too_large", nil},
		{"chunked body too large", "/github", harness.WithChunkedBody(strings.Repeat("x", 2000)), 413, "payload_too_large", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := c.GitHubRequest(test.path, "first", body)
			if test.spoil != nil {
				test.spoil(r)
			}
			got := c.Do(r)
			harness.CheckAnswer(t, got, test.code, test.word)
			for name, want := range test.headers {
				if got.Header.Get(name) != want {
					t.Errorf("%s is %q: want %q", name, got.Header.Get(name), want)
				}
			}
		})
	}
	harness.CheckAnswer(t, accepted, 202, "accepted")
	if got := accepted.JSON(t)["event_id"]; got != "first" {
		t.Errorf("event_id is %v: want first", got)
	}
}

func TestChunkedBodyWithinTheLimit(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	body := `{"a":"` + strings.Repeat("x", 200_000) + `"}`
	r := c.GitHubRequest("/github", "chunked", body)
	harness.WithChunkedBody(body)(r)
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	if got := app.Next(t); got.Body != body {
		t.Errorf("%d bytes arrived: want %d", len(got.Body), len(body))
	}
}

// TestTruncatedBody promises a length and hangs up before it.
func TestTruncatedBody(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	connection, err := net.Dial("tcp", strings.TrimPrefix(c.Site, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := `{"a":1}`
	fmt.Fprintf(connection, "POST /github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Delivery: cut\r\n"+
		"X-Hub-Signature-256: %s\r\nContent-Length: 100\r\n\r\n%s", harness.GitHubSignature(body), body)
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
	c.AdminCall(http.MethodGet, "/webhooks/deliveries", "", &list)
	if len(list.Deliveries) != 0 {
		t.Errorf("stored: %+v", list.Deliveries)
	}
}

func TestQueueFull(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(500)
	c := harness.Start(t, fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		forward %s {
			retry {
				initial 1h
			}
		}
	}`, harness.GitHubSecret, app.Address), "")
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\n max_pending 2")
	if err := c.Load(harness.GitHubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "1", "{}")), 202, "accepted")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "2", "{}")), 202, "accepted")
	got := c.Do(c.GitHubRequest("/github", "3", "{}"))
	harness.CheckAnswer(t, got, 503, "unavailable")
	if got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	app.AnswerStatus(200)
	harness.Eventually(t, "the queue has room again", func() bool {
		return c.Do(c.GitHubRequest("/github", "3", "{}")).Code == 202
	})
}

// TestFullDestination has one application down for longer than its queue lasts: the
// other one gets every event, and what the first one missed is there to be replayed.
func TestFullDestination(t *testing.T) {
	const bound, events = 100, 250
	app, down := harness.StartApplication(t), harness.StartApplication(t)
	down.AnswerStatus(500)
	c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db")+"\nmax_pending "+strconv.Itoa(bound), "")
	harness.Begin(t, c, fmt.Sprintf(`webhooks /github github {
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
	}`, harness.GitHubSecret, down.Address, app.Address))
	for n := range events {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", fmt.Sprint(n), "{}")), 202, "accepted")
		app.Next(t)
	}
	harness.Eventually(t, "the full destination's dead letters are counted", func() bool {
		queues := c.Metrics()
		return queues[`webhook_destination_queue_size{destination="down",endpoint="github",queue_type="dead"}`] == events-bound
	})
	var page struct{ Deliveries []api.Delivery }
	c.AdminCall("GET", "/webhooks/deliveries?state=dead&limit=1000", "", &page)
	for _, d := range page.Deliveries {
		if d.Destination != "down" || d.Reason != "destination_full" || d.Attempts != 0 {
			t.Fatalf("dead letter %+v, want those of down, destination_full", d)
		}
	}
	if len(page.Deliveries) != events-bound {
		t.Errorf("%d dead letters, want %d", len(page.Deliveries), events-bound)
	}
	if !harness.Found(c.Doctor(), api.LevelError, "queue", "github/down", "100% of max_pending (100)") {
		t.Errorf("the doctor does not find it: %+v", c.Doctor())
	}
	// Repaired: what waits, and what is replayed, arrives; nothing is missing.
	down.AnswerStatus(200)
	var result struct{ Matched, Done int }
	for _, state := range []string{"pending", "dead"} {
		c.AdminCall("POST", "/webhooks/replay", `{"filter":{"state":"`+state+`"}}`, &result)
	}
	if result.Done != events-bound {
		t.Errorf("%d dead letters replayed, want %d", result.Done, events-bound)
	}
}

func TestSlackHandshake(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf("webhooks /slack slack {\nsecret s3cret\nrequire_https off\nforward %s\n}", app.Address), "")
	w := harness.NewSlackChallenge(t, c, "s3cret")
	if got := c.Do(w); got.Code != 200 || got.Body != "the-challenge" {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
	if got := c.Do(harness.NewSlackChallenge(t, c, "forged")); got.Code != 401 || strings.Contains(got.Body, "the-challenge") {
		t.Errorf("a forged handshake was answered %d %q", got.Code, got.Body)
	}
	select {
	case got := <-app.Got:
		t.Errorf("the application got %v", got)
	default:
	}
}

// TestCorrelationID takes an id from a proxy that is trusted, and from nobody else.
func TestCorrelationID(t *testing.T) {
	app := harness.StartApplication(t)
	for _, test := range []struct {
		name, servers string
		taken         bool
	}{
		{"untrusted", "", false},
		{"trusted", "servers {\ntrusted_proxies static 127.0.0.1/32\n}", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := harness.Start(t, harness.GitHubSite(app, ""), test.servers)
			r := c.GitHubRequest("/github", "corr-"+test.name, "{}")
			r.Header.Set("X-Request-Id", "req-1234567890abcdef")
			id := c.Do(r).JSON(t)["correlation_id"]
			if (id == "req-1234567890abcdef") != test.taken {
				t.Errorf("correlation_id is %v", id)
			}
			if got := app.Next(t).Header.Get("X-Correlation-Id"); got != id {
				t.Errorf("delivered with %q: want %q", got, id)
			}
		})
	}
}

// TestHTTPSBehindProxy believes X-Forwarded-Proto of trusted proxies only.
func TestHTTPSBehindProxy(t *testing.T) {
	app := harness.StartApplication(t)
	site := fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nforward %s\n}", harness.GitHubSecret, app.Address)
	for _, test := range []struct {
		name, servers string
		code          int
	}{
		{"untrusted", "", 400},
		{"trusted", "servers {\ntrusted_proxies static 127.0.0.1/32\n}", 202},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := harness.Start(t, site, test.servers)
			r := c.GitHubRequest("/github", "tls-"+test.name, "{}")
			r.Header.Set("X-Forwarded-Proto", "https")
			if got := c.Do(r); got.Code != test.code {
				t.Errorf("answered %d %s", got.Code, got.Body)
			}
		})
	}
}

func TestRoutingByType(t *testing.T) {
	first, second := harness.StartApplication(t), harness.StartApplication(t)
	c := harness.Start(t, fmt.Sprintf(`webhooks /github github {
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
	}`, harness.GitHubSecret, first.Address, second.Address), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "both", "{}")), 202, "accepted")
	a, b := first.Next(t), second.Next(t)
	if a.Header.Get("Webhook-Id") == b.Header.Get("Webhook-Id") {
		t.Error("two deliveries have one id")
	}
	r := c.GitHubRequest("/github", "one", "{}")
	r.Header.Set("X-GitHub-Event", "issues")
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	if got := second.Next(t); got.Header.Get("Webhook-Event-Id") != "one" {
		t.Errorf("second got %v", got.Header)
	}
	if len(first.Got) != 0 {
		t.Error("first got an event it does not want")
	}
}

func TestDedupe(t *testing.T) {
	app := harness.StartApplication(t)
	site := harness.GitHubSite(app, "dedupe json /a json /b") + fmt.Sprintf(`
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
	}`, harness.GitHubSecret, app.Address)
	c := harness.Start(t, site, "")
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
		if got := c.Do(c.GitHubRequest(step.path, "same-id", step.body)); got.Header.Get("Webhook-Status") != step.want {
			t.Errorf("%s: answered %s: want %s", step.name, got.Body, step.want)
		}
	}
}

// TestForgedDoesNotPoison sends a forged event first: its id must stay free for the true one.
func TestForgedDoesNotPoison(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	forged := c.GitHubRequest("/github", "id-1", `{"true":false}`)
	forged.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("else"))
	harness.CheckAnswer(t, c.Do(forged), 401, "invalid_signature")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "id-1", `{"true":true}`)), 202, "accepted")
}
