package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// deadLetters is a store with nothing but dead letters.
type deadLetters struct {
	retrystore.Inspector // what a test does not need panics

	mu       sync.Mutex
	ids      []string
	replayed map[string]int
	fails    error // what Replay and Delete answer
}

func newDeadLetters(n int) *deadLetters {
	s := &deadLetters{replayed: make(map[string]int)}
	for i := range n {
		s.ids = append(s.ids, fmt.Sprintf("d%03d", i))
	}
	return s
}

func (s *deadLetters) List(context.Context, retrystore.Filter, string, int) (retrystore.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page retrystore.Page
	for _, id := range s.ids {
		page.Deliveries = append(page.Deliveries, &retrystore.Delivery{ID: id, Event: new(retrystore.Event), State: retrystore.Dead})
	}
	return page, nil
}

func (s *deadLetters) Replay(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replayed[id]++
	return s.fails
}

func (s *deadLetters) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.ids, id) {
		return retrystore.ErrNotFound
	}
	s.ids = slices.DeleteFunc(slices.Clone(s.ids), func(other string) bool { return other == id })
	return s.fails
}

func (s *deadLetters) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

// running is a config that runs on a store, and how many shares in the store are held.
func running(t *testing.T, store retrystore.Inspector) (run *Running, held *atomic.Int32) {
	held = new(atomic.Int32)
	run = &Running{
		Store:   store,
		Jobs:    new(Jobs),
		Context: t.Context(),
		Logger:  zap.NewNop(),
		Hold: func() (retrystore.Inspector, func(), error) {
			held.Add(1)
			return store, func() { held.Add(-1) }, nil
		},
	}
	t.Cleanup(run.Jobs.Stop)
	return run, held
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// begin starts a job and returns its id.
func begin(t *testing.T, run *Running, path, rate string) string {
	t.Helper()
	var j api.Job
	if code, err := ask(run, http.MethodPost, path, `{"filter":{"state":"dead"},"rate":"`+rate+`"}`, &j); code != http.StatusAccepted {
		t.Fatalf("%s answered %d, %v", path, code, err)
	}
	if j.ID == "" || j.Rate != rate {
		t.Fatalf("the job: %+v", j)
	}
	return j.ID
}

// TestJobOutlivesConfig: a reload ends the config's context, but not the job that was begun under it.
func TestJobOutlivesConfig(t *testing.T) {
	const all = 12
	store := newDeadLetters(all)
	before, held := running(t, store)
	ctx, reload := context.WithCancel(t.Context())
	before.Context = ctx
	id := begin(t, before, "replay", "20/s")
	reload()
	after := *before
	after.Context = t.Context()
	var j api.Job
	eventually(t, "the job is done", func() bool {
		_, err := ask(&after, http.MethodGet, "jobs/"+id, "", &j)
		return err == nil && j.State != api.JobRunning
	})
	if j.State != api.JobDone || j.Matched != all || j.Done != all || j.EndedAt == nil {
		t.Errorf("it ended as %+v", j)
	}
	eventually(t, "the share in the store is given back", func() bool { return held.Load() == 0 })
}

// TestJobsCancelled: cancelled by a call, or because Caddy ends, a job tells how far it got.
func TestJobsCancelled(t *testing.T) {
	store := newDeadLetters(3)
	run, held := running(t, store)
	first, second := begin(t, run, "replay", "1/h"), begin(t, run, "purge", "1/h")
	eventually(t, "each did what may be done at once", func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return len(store.replayed) == 1 && len(store.ids) == 2
	})
	var j api.Job
	if code, _ := ask(run, http.MethodDelete, "jobs/"+first, "", &j); code != http.StatusOK || j.State != api.JobCancelled || j.Done != 1 {
		t.Errorf("cancelling answered %d: %+v", code, j)
	}
	run.Jobs.Stop()
	if ask(run, http.MethodGet, "jobs/"+second, "", &j); j.State != api.JobCancelled || held.Load() != 0 {
		t.Errorf("after all were stopped: %+v, %d shares are held", j, held.Load())
	}
	ask(run, http.MethodDelete, "jobs/"+first, "", &j)
	if j.ID != first || j.State != api.JobCancelled {
		t.Errorf("cancelled again: %+v", j)
	}
	var all api.Jobs
	if ask(run, http.MethodGet, "jobs", "", &all); len(all.Jobs) != 2 || all.Jobs[0].ID != second {
		t.Errorf("jobs, newest first: %+v", all)
	}
}

// TestJobFails: what the store answers ends the job and is told.
func TestJobFails(t *testing.T) {
	store := newDeadLetters(1)
	store.fails = retrystore.ErrUnavailable
	run, _ := running(t, store)
	id := begin(t, run, "purge", "1000/s")
	var j api.Job
	eventually(t, "the job ends", func() bool { ask(run, http.MethodGet, "jobs/"+id, "", &j); return j.State != api.JobRunning })
	if j.State != api.JobFailed || j.Error != retrystore.ErrUnavailable.Error() || j.Done != 0 {
		t.Errorf("it ended as %+v", j)
	}
}

// TestJobsBounds: so many may run, and of those that ended so many are kept.
func TestJobsBounds(t *testing.T) {
	run, held := running(t, newDeadLetters(2))
	for range MaxRunningJobs {
		begin(t, run, "replay", "1/h")
	}
	if code, _ := ask(run, http.MethodPost, "replay", `{"rate":"1/h"}`, nil); code != http.StatusConflict {
		t.Errorf("one more than may run: answered %d, want 409", code)
	}
	run.Jobs.Stop()
	run.Store = newDeadLetters(0)
	last := ""
	for range maxKeptJobs + 5 {
		last = begin(t, run, "replay", "1000/s")
		run.Jobs.Stop()
	}
	var all api.Jobs
	if ask(run, http.MethodGet, "jobs", "", &all); len(all.Jobs) != maxKeptJobs || all.Jobs[0].ID != last {
		t.Errorf("%d are kept, want %d, the newest first", len(all.Jobs), maxKeptJobs)
	}
	if held.Load() != 0 {
		t.Errorf("%d shares are held", held.Load())
	}
}

// TestJobWithoutStore: where the store cannot be had there is no job.
func TestJobWithoutStore(t *testing.T) {
	run, _ := running(t, newDeadLetters(1))
	run.Hold = func() (retrystore.Inspector, func(), error) { return nil, nil, errors.New("it is locked") }
	if code, err := ask(run, http.MethodPost, "replay", `{"rate":"1/s"}`, nil); code != http.StatusInternalServerError || err.Error() != "it is locked" {
		t.Errorf("answered %d, %v", code, err)
	}
	var all api.Jobs
	if ask(run, http.MethodGet, "jobs", "", &all); all.Jobs == nil || len(all.Jobs) != 0 {
		t.Errorf("jobs: %+v", all)
	}
}

// TestBulkAtOnce: without a rate the answer tells what was done; a dry run does nothing.
func TestBulkAtOnce(t *testing.T) {
	store := newDeadLetters(5)
	run, held := running(t, store)
	var result api.BulkResult
	if code, err := ask(run, http.MethodPost, "purge", `{"filter":{"state":"dead"},"dry_run":true}`, &result); code != 200 || result != (api.BulkResult{Matched: 5, DryRun: true}) {
		t.Errorf("dry run answered %d, %v: %+v", code, err, result)
	}
	result = api.BulkResult{}
	if code, err := ask(run, http.MethodPost, "purge", `{"filter":{"state":"dead"}}`, &result); code != 200 || result != (api.BulkResult{Matched: 5, Done: 5}) {
		t.Errorf("purge answered %d, %v: %+v", code, err, result)
	}
	if store.left() != 0 || held.Load() != 0 {
		t.Errorf("%d are left, %d shares are held", store.left(), held.Load())
	}
}
