package caddywebhooks

import (
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

// TestBulkJob replays dead letters at a set rate, looks at the progress,
// cancels, and goes on with what is left across a reload.
func TestBulkJob(t *testing.T) {
	const dead = 40
	c, app := deadSite(t, dead)
	app.answerStatus(200)
	var j api.Job
	if code := c.adminCall(http.MethodPost, "/webhooks/replay", `{"filter": {"endpoint": "github"}, "rate": "20/s"}`, &j); code != 202 {
		t.Fatalf("answered %d, want 202", code)
	}
	for range 4 {
		app.next(t)
	}
	c.adminCall(http.MethodGet, "/webhooks/jobs/"+j.ID, "", &j)
	if j.State != api.JobRunning || j.Matched != dead || j.Done < 3 || j.Done >= dead {
		t.Errorf("under way: %+v", j)
	}
	if err := c.load(githubSite(app, "") + "\nheader X-Changed yes"); err != nil {
		t.Fatal(err)
	}
	app.next(t) // it goes on
	if code := c.adminCall(http.MethodDelete, "/webhooks/jobs/"+j.ID, "", &j); code != 200 || j.State != api.JobCancelled || j.EndedAt == nil {
		t.Errorf("cancelling answered %d: %+v", code, j)
	}
	done := j.Done
	if done == dead {
		t.Fatal("it was over before it was cancelled: this test shows nothing")
	}
	eventually(t, "what was replayed is delivered", func() bool { return c.openDeliveries() == 0 })

	c.adminCall(http.MethodPost, "/webhooks/replay", `{"filter": {}, "rate": "10000/s"}`, &j)
	eventually(t, "the second job is done", func() bool {
		c.adminCall(http.MethodGet, "/webhooks/jobs/"+j.ID, "", &j)
		return j.State == api.JobDone
	})
	if j.Matched != dead-done || j.Done != dead-done {
		t.Errorf("%d of %d were done when it was cancelled, and then %+v", done, dead, j)
	}
	eventually(t, "nothing is left", func() bool {
		var list api.List
		c.adminCall(http.MethodGet, "/webhooks/deliveries", "", &list)
		return len(list.Deliveries) == 0
	})
	var all api.Jobs
	c.adminCall(http.MethodGet, "/webhooks/jobs", "", &all)
	if len(all.Jobs) < 2 || all.Jobs[0].ID != j.ID {
		t.Errorf("jobs: %+v, want the newest first", all)
	}
	for _, bad := range []string{`{"filter": {}, "rate": "fast"}`, `{"filter": {}, "rate": "0/s"}`} {
		if code := c.adminCall(http.MethodPost, "/webhooks/replay", bad, nil); code != 400 {
			t.Errorf("%s answered %d, want 400", bad, code)
		}
	}
	if code := c.adminCall(http.MethodGet, "/webhooks/jobs/none", "", nil); code != 404 {
		t.Errorf("an unknown job answered %d, want 404", code)
	}
}
