package harness

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

func (c *Caddy) OpenDeliveries() int {
	var stats api.Stats
	c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
	open := 0
	for _, lane := range stats.Destinations {
		open += lane.Pending + lane.Leased
	}
	return open
}

// LoadRoutes replaces the site's routes, and has it trust a proxy on this machine.
func (c *Caddy) LoadRoutes(routes []any) { c.LoadServer(routes, nil) }

// LoadServer is loadRoutes with further settings of the server.
func (c *Caddy) LoadServer(routes []any, settings map[string]any) {
	c.T.Helper()
	adapted, err := Adapt("{\n" + c.Options + "\n}\nhttp://:" + c.Port + " {\nbind 127.0.0.1\nrespond 404\n}\n")
	if err != nil {
		c.T.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		c.T.Fatal(err)
	}
	server := config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)["srv0"].(map[string]any)
	maps.Copy(server, settings)
	server["routes"] = routes
	server["trusted_proxies"] = map[string]any{"source": "static", "ranges": []string{"127.0.0.1/32"}}
	text, err := json.Marshal(config)
	if err != nil {
		c.T.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		c.T.Fatal(err)
	}
	if err := c.AwaitOldConfig(); err != nil {
		c.T.Fatal(err)
	}
}

// Metrics scrapes the running Caddy.
func (c *Caddy) Metrics() map[string]float64 {
	c.T.Helper()
	got := c.Do(c.Request("GET", c.Admin+"/metrics", ""))
	if got.Code != 200 {
		c.T.Fatalf("/metrics answered %d: %s", got.Code, got.Body)
	}
	values := make(map[string]float64)
	for lines := bufio.NewScanner(strings.NewReader(got.Body)); lines.Scan(); {
		cut := strings.LastIndexByte(lines.Text(), ' ')
		if cut < 0 || !strings.HasPrefix(lines.Text(), "webhook_") {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[cut+1:], 64)
		if err != nil {
			c.T.Fatal(err)
		}
		values[lines.Text()[:cut]] = value
	}
	return values
}

func (c *Caddy) AdminAddress() string { return strings.TrimPrefix(c.Admin, "http://") }

// Doctor asks the running Caddy for its checks.
func (c *Caddy) Doctor() []api.Check {
	c.T.Helper()
	var view api.Doctor
	if code := c.AdminCall(http.MethodGet, "/webhooks/doctor", "", &view); code != 200 {
		c.T.Fatalf("the doctor answered %d", code)
	}
	for i := 1; i < len(view.Checks); i++ {
		if api.LevelOrder(view.Checks[i-1].Level) > api.LevelOrder(view.Checks[i].Level) {
			c.T.Errorf("check %d is worse than the one before", i)
		}
	}
	return view.Checks
}

// Finds reports whether a check of that name says so.
func (c *Caddy) Finds(t *testing.T, name, message string) bool {
	t.Helper()
	var report api.Doctor
	c.AdminCall(http.MethodGet, "/webhooks/doctor", "", &report)
	for _, check := range report.Checks {
		if check.Name == name && strings.Contains(check.Message+" "+check.Fix, message) {
			return true
		}
	}
	return false
}

const GitHubSecret = "It's a Secret to Everybody"

// GitHubSignature signs as GitHub documents it, with the standard library only.
func GitHubSignature(body string) string {
	mac := hmac.New(sha256.New, []byte(GitHubSecret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// GitHubRequest is a signed webhook; tests then spoil it as they need.
func (c *Caddy) GitHubRequest(path, id, body string) *http.Request {
	c.T.Helper()
	r, err := http.NewRequestWithContext(c.T.Context(), http.MethodPost, c.Site+path, strings.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-Hub-Signature-256", GitHubSignature(body))
	return r
}

// Reply is an answer, read to its end.
type Reply struct {
	Code   int
	Header http.Header
	Body   string
}

func (r Reply) JSON(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.Body), &m); err != nil {
		t.Fatalf("answer %q is not JSON: %v", r.Body, err)
	}
	return m
}

func (c *Caddy) Do(r *http.Request) Reply {
	c.T.Helper()
	r.Header["X-Idempotency-Key"] = []string{} // not sent; it lets the client use another connection for a closed one
	response, err := http.DefaultClient.Do(r)
	for tries := 0; err != nil && tries < 3 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)) && r.GetBody != nil; tries++ {
		// After a reload Caddy closes the old listener and its idle connections in
		// the background: providers send a webhook that hits one of them again.
		r.Body, _ = r.GetBody()
		response, err = http.DefaultClient.Do(r)
	}
	if err != nil {
		c.T.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	return Reply{response.StatusCode, response.Header, string(body)}
}

// AdminCall talks to the admin API; result may be nil.
func (c *Caddy) AdminCall(method, path, body string, result any) int {
	c.T.Helper()
	got := c.Do(c.Request(method, c.Admin+path, body))
	if result != nil {
		if err := json.Unmarshal([]byte(got.Body), result); err != nil {
			c.T.Fatalf("%s %s answered %q: %v", method, path, got.Body, err)
		}
	}
	return got.Code
}

func (c *Caddy) Request(method, url, body string) *http.Request {
	c.T.Helper()
	r, err := http.NewRequestWithContext(c.T.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		c.T.Fatal(err)
	}
	return r
}

// Delivery waits for the only delivery that the query selects.
func (c *Caddy) Delivery(query string) api.Delivery {
	c.T.Helper()
	var list api.List
	Eventually(c.T, "one delivery with "+query, func() bool {
		c.AdminCall(http.MethodGet, "/webhooks/deliveries?"+query, "", &list)
		return len(list.Deliveries) == 1
	})
	return list.Deliveries[0]
}
