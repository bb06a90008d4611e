package commands

import (
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestBulkJob replays dead letters at a set rate, looks at the progress,
// cancels, and goes on with what is left across a reload.
func TestBulkJob(t *testing.T) {
	const dead = 40
	c, app := harness.DeadSite(t, dead)
	app.AnswerStatus(200)
	var j api.Job
	if code := c.AdminCall(http.MethodPost, "/webhooks/replay", `{"filter": {"endpoint": "github"}, "rate": "20/s"}`, &j); code != 202 {
		t.Fatalf("answered %d, want 202", code)
	}
	for range 4 {
		app.Next(t)
	}
	c.AdminCall(http.MethodGet, "/webhooks/jobs/"+j.ID, "", &j)
	if j.State != api.JobRunning || j.Matched != dead || j.Done < 3 || j.Done >= dead {
		t.Errorf("under way: %+v", j)
	}
	if err := c.Load(harness.GitHubSite(app, "") + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	app.Next(t) // it goes on
	if code := c.AdminCall(http.MethodDelete, "/webhooks/jobs/"+j.ID, "", &j); code != 200 || j.State != api.JobCancelled || j.EndedAt == nil {
		t.Errorf("cancelling answered %d: %+v", code, j)
	}
	done := j.Done
	if done == dead {
		t.Fatal("it was over before it was cancelled: this test shows nothing")
	}
	harness.Eventually(t, "what was replayed is delivered", func() bool { return c.OpenDeliveries() == 0 })

	c.AdminCall(http.MethodPost, "/webhooks/replay", `{"filter": {}, "rate": "10000/s"}`, &j)
	harness.Eventually(t, "the second job is done", func() bool {
		c.AdminCall(http.MethodGet, "/webhooks/jobs/"+j.ID, "", &j)
		return j.State == api.JobDone
	})
	if j.Matched != dead-done || j.Done != dead-done {
		t.Errorf("%d of %d were done when it was cancelled, and then %+v", done, dead, j)
	}
	harness.Eventually(t, "nothing is left", func() bool {
		var list api.List
		c.AdminCall(http.MethodGet, "/webhooks/deliveries", "", &list)
		return len(list.Deliveries) == 0
	})
	var all api.Jobs
	c.AdminCall(http.MethodGet, "/webhooks/jobs", "", &all)
	if len(all.Jobs) < 2 || all.Jobs[0].ID != j.ID {
		t.Errorf("jobs: %+v, want the newest first", all)
	}
	for _, bad := range []string{`{"filter": {}, "rate": "fast"}`, `{"filter": {}, "rate": "0/s"}`} {
		if code := c.AdminCall(http.MethodPost, "/webhooks/replay", bad, nil); code != 400 {
			t.Errorf("%s answered %d, want 400", bad, code)
		}
	}
	if code := c.AdminCall(http.MethodGet, "/webhooks/jobs/none", "", nil); code != 404 {
		t.Errorf("an unknown job answered %d, want 404", code)
	}
}
