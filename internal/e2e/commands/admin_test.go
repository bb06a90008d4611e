package commands

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestAdminList(t *testing.T) {
	c, _ := harness.DeadSite(t, 5)
	var seen []string
	for cursor := ""; ; {
		var page api.List
		if code := c.AdminCall(http.MethodGet, "/webhooks/deliveries?state=dead&limit=2&cursor="+url.QueryEscape(cursor), "", &page); code != 200 {
			t.Fatalf("list answered %d", code)
		}
		for _, d := range page.Deliveries {
			seen = append(seen, d.EventID)
			if d.Endpoint != "github" || d.Destination != "app" || d.EventType != "push" || d.Provider != "github" ||
				d.Reason != "status_410" || d.ReceivedAt.IsZero() || d.CorrelationID == "" {
				t.Errorf("delivery: %+v", d)
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "dead-04 dead-03 dead-02 dead-01 dead-00" {
		t.Errorf("listed %s: want newest first", got)
	}
	for query, want := range map[string]int{
		"event_id=dead-03": 1, "type=push": 5, "type=issues": 0, "endpoint=github": 5, "endpoint=other": 0,
		"destination=app": 5, "state=pending": 0, "state=pending,dead": 5, "since=2020-01-01T00:00:00Z": 5,
		"until=2020-01-01T00:00:00Z": 0,
	} {
		var page api.List
		c.AdminCall(http.MethodGet, "/webhooks/deliveries?"+query, "", &page)
		if len(page.Deliveries) != want {
			t.Errorf("%s selected %d: want %d", query, len(page.Deliveries), want)
		}
	}
}

func TestAdminRefusals(t *testing.T) {
	c, _ := harness.DeadSite(t, 0)
	for _, test := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/webhooks/nothing", "", 404, "no such resource"},
		{"POST", "/webhooks/stats", "", 405, "not allowed"},
		{"DELETE", "/webhooks/deliveries", "", 405, "not allowed"},
		{"GET", "/webhooks/deliveries?limit=0", "", 400, "limit"},
		{"GET", "/webhooks/deliveries?limit=1001", "", 400, "limit"},
		{"GET", "/webhooks/deliveries?state=lost", "", 400, "unknown state"},
		{"GET", "/webhooks/deliveries?stat=dead", "", 400, "stat: unknown parameter"},
		{"GET", "/webhooks/deliveries?since=yesterday", "", 400, "since: \"yesterday\": want a time such as 2026-01-31T09:30:00Z"},
		{"POST", "/webhooks/replay", `{"filter":{"state":"dead"},"dry_run":true,"rate":"0/s"}`, 400, "rate: "},
		{"POST", "/webhooks/replay", `{"filter":[]}`, 400, "want an object"},
		{"GET", "/webhooks/deliveries?endpoint=", "", 400, "endpoint: the value is empty"},
		{"POST", "/webhooks/purge", `{"filter":{"state":"dead","endpoint":""}}`, 400, "endpoint: the value is empty"},
		{"GET", "/webhooks/deliveries?cursor=!", "", 400, "cursor"},
		{"GET", "/webhooks/deliveries/nonsense", "", 404, "no such delivery"},
		{"POST", "/webhooks/deliveries/nonsense/replay", "", 404, "no such delivery"},
		{"DELETE", "/webhooks/deliveries/nonsense", "", 404, "no such delivery"},
		{"POST", "/webhooks/replay", `{"filters":{}}`, 400, "no member \"filters\""},
		{"POST", "/webhooks/replay", `{"filter":{"state":"dead","state":"pending"}}`, 400, "member \"state\" is there twice"},
		{"POST", "/webhooks/purge", `{"filter":{"state":"dead","State":"pending"}}`, 400, "differ only in case"},
		{"POST", "/webhooks/purge", `{"filter":{"state":"dead"},"filter":{"state":"pending"}}`, 400, "twice"},
		{"POST", "/webhooks/purge", `{"filter":{"state":"dead"},"dry_run":true,"DRY_RUN":false}`, 400, "differ only in case"},
		{"POST", "/webhooks/purge", `{"filter":{"state":"dead"},"DRY_RUN":true}`, 400, "no member"},
		{"POST", "/webhooks/purge", `{"filter":{"state":"dead"},"dry_run":null}`, 400, "null"},
		{"POST", "/webhooks/replay", `null`, 400, "no JSON object"},
		{"POST", "/webhooks/replay", `{"dry_run":true} {}`, 400, "something follows"},
		{"POST", "/webhooks/replay", `[]`, 400, "no JSON object"},
		{"POST", "/webhooks/replay", `nonsense`, 400, "invalid character"},
		{"POST", "/webhooks/purge", `{}`, 400, "name the state"},
		{"GET", "/webhooks/purge", "", 405, "not allowed"},
	} {
		var answer struct{ Error string }
		code := c.AdminCall(test.method, test.path, test.body, &answer)
		if code != test.code || !strings.Contains(answer.Error, test.want) {
			t.Errorf("%s %s answered %d %q: want %d with %q", test.method, test.path, code, answer.Error, test.code, test.want)
		}
	}
}

func TestAdminWithoutWebhooks(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	webhooks := c.Options
	options, _, _ := strings.Cut(webhooks, "webhooks {")
	c.Options = options
	if err := c.Load("respond 200"); err != nil {
		t.Fatal(err)
	}
	var answer struct{ Error string }
	if code := c.AdminCall("GET", "/webhooks/stats", "", &answer); code != 404 || !strings.Contains(answer.Error, "no webhooks") {
		t.Errorf("answered %d %q", code, answer.Error)
	}
}

func TestAdminBulkReplay(t *testing.T) {
	c, app := harness.DeadSite(t, 4)
	var result api.BulkResult
	if code := c.AdminCall("POST", "/webhooks/replay", `{"filter":{"state":"dead","event_id":"dead-01"},"dry_run":true}`, &result); code != 200 || result.Matched != 1 || result.Done != 0 {
		t.Fatalf("dry run answered %d %+v", code, result)
	}
	app.AnswerStatus(200)
	if code := c.AdminCall("POST", "/webhooks/replay", `{}`, &result); code != 200 || result.Matched != 4 || result.Done != 4 {
		t.Fatalf("replay answered %d %+v", code, result)
	}
	for range 4 {
		if got := app.Next(t); got.Header.Get("Webhook-Attempt") != "2" {
			t.Errorf("replayed as attempt %s", got.Header.Get("Webhook-Attempt"))
		}
	}
	harness.Eventually(t, "the store is empty", func() bool {
		var list api.List
		c.AdminCall("GET", "/webhooks/deliveries", "", &list)
		return len(list.Deliveries) == 0
	})
}

func TestAdminPurge(t *testing.T) {
	c, _ := harness.DeadSite(t, 3)
	var result api.BulkResult
	if code := c.AdminCall("POST", "/webhooks/purge", `{"filter":{"state":"dead","event_id":"dead-01"}}`, &result); code != 200 || result.Done != 1 {
		t.Fatalf("purge answered %d %+v", code, result)
	}
	out, err := harness.RunCommand(harness.Command("purge"), "--address="+c.AdminAddress(), "--all-dead", "--yes")
	if err != nil || out != "2 dead letters deleted\n" {
		t.Errorf("purge --all-dead: %q, %v", out, err)
	}
	var list api.List
	if c.AdminCall("GET", "/webhooks/deliveries", "", &list); len(list.Deliveries) != 0 {
		t.Errorf("left: %+v", list)
	}
}

func TestAdminDelete(t *testing.T) {
	c, _ := harness.DeadSite(t, 1)
	d := c.Delivery("state=dead")
	if code := c.AdminCall("DELETE", "/webhooks/deliveries/"+d.ID, "", nil); code != 200 {
		t.Fatalf("answered %d", code)
	}
	if code := c.AdminCall("GET", "/webhooks/deliveries/"+d.ID, "", nil); code != 404 {
		t.Errorf("it is still shown: %d", code)
	}
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "dead-00", "{}")), 200, "duplicate")
}

func TestAdminEndpoints(t *testing.T) {
	c, _ := harness.DeadSite(t, 0)
	var view api.Endpoints
	c.AdminCall("GET", "/webhooks/endpoints", "", &view)
	if fmt.Sprint(view) != "{[{github github [app]}]}" {
		t.Errorf("endpoints: %+v", view)
	}
}
