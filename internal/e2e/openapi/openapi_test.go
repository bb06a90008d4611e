package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// unmet are the promises of docs/openapi.yaml that no test can bring about.
var unmet = map[string]string{
	below("/paths", hookPath, "post", "responses", "503", "content", "text/plain"):                            snsOnly,
	below("/paths", hookPath, "post", "responses", "503", "headers", "Webhook-Status", "schema", "enum", "1"): snsOnly,
}

const snsOnly = "a subscription that cannot be confirmed, which Amazon would have to sign"

// TestOpenAPI drives a real Caddy through every operation and answer of
// docs/openapi.yaml, compares each answer with it, and sees that it promises
// nothing that did not come.
func TestOpenAPI(t *testing.T) {
	k := newContract(t)
	for _, part := range []struct {
		name string
		run  func(*contract)
	}{
		{"what is stored", contractStored}, {"what is kept", contractKept}, {"bulk", contractBulk}, {"refusals", contractRefusals}, {"Redis is down", contractRedisDown},
		{"webhooks", contractWebhooks}, {"guard mode", contractGuard}, {"handshakes", contractHandshakes}, {"limits", contractLimits}, {"broken bodies", contractBrokenBodies},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.run(&contract{T: t, doc: k.doc, met: k.met})
		})
	}
	if !t.Failed() {
		k.fulfilled(unmet)
	}
}

// contractStored looks at deliveries in every state and with every kind of past.
func contractStored(k *contract) {
	app := harness.StartApplication(k.T)
	release := make(chan struct{})
	defer close(release)
	tried := false
	app.AnswerWith(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/held" || tried:
			<-release
		case r.URL.Path == "/probed":
			tried = true
			w.WriteHeader(500)
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
			w.WriteHeader(500)
			_, _ = w.Write([]byte("\xff\xfe"))
		}
	})
	c := harness.Start(k.T, harness.DestinationSite("retried", app.Address, "breaker off\nretry {\ninitial 1h\n}")+
		harness.DestinationSite("away", "127.0.0.1:1", "breaker 1 1h\nretry {\ninitial 1h\n}")+
		harness.DestinationSite("held", app.Address, "")+
		harness.DestinationSite("probed", app.Address, "breaker 1 1ms 1\nretry {\ninitial 1ms\n}")+
		harness.HookSite("two", "forward {\nname gone\nhandle {\nrespond \"no such customer\" 410\n}\n}\nforward {\nname fine\nhandle {\nrespond 204\n}\n}")+
		"route /guarded {\n"+harness.HookSite("guarded", "")+"\n}", "")
	for _, name := range []string{"retried", "away", "held", "probed", "two"} {
		k.hook(c, c.GitHubRequest("/"+name, name, map[bool]string{true: "\xff\x00", false: "{}"}[name == "two"]))
	}
	harness.Eventually(k.T, "all stands as it should", func() bool {
		states := make(map[string]string)
		var list api.List
		c.AdminCall("GET", "/webhooks/deliveries", "", &list)
		for _, d := range list.Deliveries {
			states[d.Endpoint+"/"+d.Destination] = fmt.Sprint(d.State, d.Attempts)
		}
		return fmt.Sprint(states) == "map[away/app:pending1 held/app:leased0 probed/app:leased1 retried/app:pending1 two/fine:delivered1 two/gone:dead1]"
	})
	k.admin(c, "GET", "/webhooks/endpoints", "")
	k.admin(c, "GET", "/webhooks/stats", "")
	k.admin(c, "GET", "/webhooks/doctor", "")
	var list api.List
	if err := json.Unmarshal([]byte(k.admin(c, "GET", "/webhooks/deliveries?state=pending,leased,delivered,dead", "").Body), &list); err != nil {
		k.Fatal(err)
	}
	for _, d := range list.Deliveries {
		k.admin(c, "GET", "/webhooks/deliveries/"+d.ID, "")
	}
	first := k.admin(c, "GET", "/webhooks/deliveries?limit=1&since=2020-01-01T00:00:00Z&until=2200-01-01T00:00:00Z", "")
	k.admin(c, "GET", "/webhooks/deliveries?cursor="+url.QueryEscape(first.JSON(k.T)["next"].(string)), "")
	k.admin(c, "GET", "/webhooks/deliveries?endpoint=two&destination=gone&type=push&event_id=two", "")
	k.oneByOne(c)
}

// oneByOne replays and deletes one delivery after the other.
func (k *contract) oneByOne(c *harness.Caddy) {
	for _, test := range []struct {
		method, delivery, action string
		code                     int
	}{
		{"POST", "endpoint=held", "/replay", 409}, {"DELETE", "endpoint=held", "", 409},
		{"POST", "destination=fine", "/replay", 409},
		{"POST", "destination=gone", "/replay", 200}, {"DELETE", "state=dead", "", 200},
		{"DELETE", "endpoint=away", "", 200},
	} {
		if got := k.admin(c, test.method, "/webhooks/deliveries/"+c.Delivery(test.delivery).ID+test.action, ""); got.Code != test.code {
			k.Errorf("%s %s %s was answered %d %s: want %d", test.method, test.delivery, test.action, got.Code, got.Body, test.code)
		}
	}
}

// contractKept looks at a delivery that is kept without its body.
func contractKept(k *contract) {
	c := harness.Start(k.T, "respond 200", "")
	c.Options = harness.Edited(c.Options, "webhooks {", "webhooks {\nretain delivered 1")
	if err := c.Load(harness.AnswersSite("kept", "204")); err != nil {
		k.Fatal(err)
	}
	k.hook(c, c.GitHubRequest("/kept", "kept", "{}"))
	path := "/webhooks/deliveries/" + c.Delivery("state=delivered").ID
	harness.Eventually(k.T, "it is kept without its body", func() bool {
		var d api.Detail
		return c.AdminCall("GET", path, "", &d) == 200 && d.BodyDropped
	})
	k.admin(c, "GET", path, "")
	if got := k.admin(c, "DELETE", path, ""); got.Code != 409 {
		k.Errorf("DELETE was answered %d %s: want 409", got.Code, got.Body)
	}
}

// contractBulk replays and deletes many, at once and as jobs.
func contractBulk(k *contract) {
	c := harness.Start(k.T, harness.AnswersSite("many", "410"), "")
	const dead = 12
	for n := range dead {
		k.hook(c, c.GitHubRequest("/many", fmt.Sprint("many-", n), "{}"))
	}
	harness.Eventually(k.T, "all are dead letters", func() bool {
		var stats api.Stats
		c.AdminCall("GET", "/webhooks/stats", "", &stats)
		return stats.Destinations[0].Dead == dead
	})
	want := func(got harness.Reply, code int) harness.Reply {
		k.Helper()
		if got.Code != code {
			k.Errorf("answered %d %s: want %d", got.Code, got.Body, code)
		}
		return got
	}
	everything := `{"filter":{"state":"dead","endpoint":"many","destination":"app","type":"push","event_id":"many-0","since":"2020-01-01T00:00:00Z","until":"2200-01-01T00:00:00Z"}`
	want(k.admin(c, "POST", "/webhooks/replay", everything+`,"dry_run":true}`), 200)
	want(k.admin(c, "POST", "/webhooks/purge", everything+`}`), 200)
	for _, path := range []string{"/webhooks/replay", "/webhooks/purge"} {
		for _, bad := range []string{"", "[]", `{"filter":{"stat":"dead"}}`, `{"filter":{"state":"dead"}} {}`, `{"filter":{"state":"dead"},"rate":"fast"}`} {
			want(k.admin(c, "POST", path, bad), 400)
		}
		want(k.admin(c, "POST", path, `{"filter":{"state":"`+strings.Repeat("d", adminapi.MaxBody)+`"}}`), 413)
	}
	var j api.Job
	for n := range adminapi.MaxRunningJobs {
		path := []string{"/webhooks/replay", "/webhooks/purge"}[n%2]
		got := want(k.admin(c, "POST", path, fmt.Sprintf(`{"filter":{"state":"dead","event_id":"many-%d"},"rate":"1/h"}`, n+1)), 202)
		if err := json.Unmarshal([]byte(got.Body), &j); err != nil {
			k.Fatal(err)
		}
	}
	k.jobsEnd(c, j.ID, want)
}

// jobsEnd sees the four jobs to their ends: of each, one delivery is done at once.
func (k *contract) jobsEnd(c *harness.Caddy, last string, want func(harness.Reply, int) harness.Reply) {
	harness.Eventually(k.T, "the first jobs are done", func() bool {
		return strings.Contains(k.admin(c, "GET", "/webhooks/jobs/"+last, "").Body, `"state":"done"`)
	})
	var running api.Job
	for range adminapi.MaxRunningJobs {
		// Of several, the second waits for an hour.
		got := want(k.admin(c, "POST", "/webhooks/replay", `{"rate":"1/h"}`), 202)
		if err := json.Unmarshal([]byte(got.Body), &running); err != nil {
			k.Fatal(err)
		}
	}
	if running.Filter["state"] != "dead" {
		k.Errorf("the job does not tell that it takes dead letters: %+v", running)
	}
	for _, path := range []string{"/webhooks/replay", "/webhooks/purge"} {
		want(k.admin(c, "POST", path, `{"filter":{"state":"dead"},"rate":"1/h"}`), 409)
	}
	want(k.admin(c, "GET", "/webhooks/jobs", ""), 200)
	want(k.admin(c, "DELETE", "/webhooks/jobs/"+running.ID, ""), 200)
	want(k.admin(c, "GET", "/webhooks/jobs/0000000000", ""), 404)
	want(k.admin(c, "DELETE", "/webhooks/jobs/0000000000", ""), 404)
	process.Jobs.Stop()
}

// contractRefusals tries every operation of the admin API from where it is not
// meant for, by every other method, and without webhooks in the config.
func contractRefusals(k *contract) {
	c := harness.Start(k.T, harness.AnswersSite("refused", "200"), "")
	var every []string // method and path
	others := make(map[string][]string)
	for path, item := range k.doc.object("/paths") {
		if path == hookPath {
			continue
		}
		concrete := strings.Replace(path, "{id}", "000000000000g00tq8p2jvmkbs", 1)
		if strings.HasPrefix(path, "/webhooks/jobs") {
			concrete = strings.Replace(path, "{id}", "0000000000", 1)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if item.(map[string]any)[strings.ToLower(method)] != nil {
				every = append(every, method+" "+concrete)
			} else {
				others[concrete] = append(others[concrete], method)
			}
		}
	}
	try := func(line string, code int, change func(*http.Request)) {
		method, path, _ := strings.Cut(line, " ")
		r := c.Request(method, c.Admin+path, "{}")
		if change != nil {
			change(r)
		}
		if got := k.adminRequest(c, r); got.Code != code {
			k.Errorf("%s was answered %d %q: want %d", line, got.Code, got.Body, code)
		}
	}
	for _, line := range every {
		try(line, 400, func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "no-cors") })
		try(line, 403, func(r *http.Request) { r.Host = "rebound.example" })
	}
	for path, methods := range others {
		for _, method := range methods {
			try(method+" "+path, 405, nil)
		}
	}
	for _, query := range []string{
		"state=lost", "stat=dead", "since=yesterday", "limit=0", "limit=1001", "limit=x", "endpoint=", "cursor=!",
		"endpoint=a&endpoint=b", "limit=1&limit=2", "endpoint=%zz", "endpoint=a;b=c",
	} {
		try("GET /webhooks/deliveries?"+query, 400, nil)
	}
	c.Options = harness.WithoutWebhooks(c.Options)
	if err := c.Load("respond 200"); err != nil {
		k.Fatal(err)
	}
	for _, line := range every {
		try(line, 404, nil)
	}
}

// contractRedisDown asks while the store does not answer.
func contractRedisDown(k *contract) {
	server := redistest.Start(k.T, redistest.AOF...)
	c := harness.OnRedis(k.T, "redis "+server.URL(), harness.AnswersSite("onredis", "410"))
	for n := range 2 {
		k.hook(c, c.GitHubRequest("/onredis", fmt.Sprint("redis-", n), "{}"))
		c.Delivery(fmt.Sprintf("state=dead&event_id=redis-%d", n))
	}
	d := c.Delivery("event_id=redis-0")
	k.admin(c, "GET", "/webhooks/deliveries/"+d.ID, "")
	k.admin(c, "GET", "/webhooks/stats", "")
	var j api.Job
	if err := json.Unmarshal([]byte(k.admin(c, "POST", "/webhooks/purge", `{"filter":{"state":"dead"},"rate":"1/s"}`).Body), &j); err != nil {
		k.Fatal(err)
	}
	harness.Eventually(k.T, "the job has begun", func() bool {
		c.AdminCall("GET", "/webhooks/jobs/"+j.ID, "", &j)
		return j.Done == 1
	})
	server.Kill()
	harness.Eventually(k.T, "the job fails", func() bool {
		return strings.Contains(k.admin(c, "GET", "/webhooks/jobs/"+j.ID, "").Body, `"state":"failed"`)
	})
	k.admin(c, "GET", "/webhooks/doctor", "")
	for _, line := range []string{
		"GET /webhooks/stats", "GET /webhooks/deliveries", "GET /webhooks/deliveries/" + d.ID, "DELETE /webhooks/deliveries/" + d.ID,
		"POST /webhooks/deliveries/" + d.ID + "/replay", "POST /webhooks/replay", "POST /webhooks/purge",
	} {
		method, path, _ := strings.Cut(line, " ")
		began := time.Now()
		if got := k.admin(c, method, path, `{"filter":{"state":"dead"}}`); got.Code != 503 {
			k.Errorf("%s was answered %d %s: want 503", line, got.Code, got.Body)
		}
		if took := time.Since(began); took > cli.Timeout/2 {
			k.Errorf("%s was answered after %s: the command line gives up after %s", line, took, cli.Timeout)
		}
	}
	if got := k.hook(c, c.GitHubRequest("/onredis", "lost", "{}")); got.Code != 503 {
		k.Errorf("a webhook was answered %d", got.Code)
	}
}
