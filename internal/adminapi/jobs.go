package adminapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/pace"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Bounds of bulk work in the background.
const (
	MaxRunningJobs = 4
	maxKeptJobs    = 50 // ended ones, of which the oldest give way to new jobs
)

// job is bulk work at a set rate. If it fails or is cancelled, what it did stays done; a new job with the same
// filter goes on with the rest.
type job struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu   sync.Mutex
	view api.Job
}

func (j *job) snapshot() api.Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.view
}

func (j *job) update(change func(*api.Job)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.view)
}

// Jobs is bulk work in the background. The zero Jobs is empty and ready; it is safe for concurrent use. It is meant
// to belong to the process, because a reload must not interrupt a job.
type Jobs struct {
	mu   sync.Mutex
	byID map[string]*job
}

// startedJob is a job that the call has started. It is answered with 202 Accepted.
type startedJob struct{ api.Job }

var errTooManyJobs = errors.New("too many jobs are running: wait for one to end, or cancel it")

// start begins a job, for which it holds the store open until the job ends.
func (l *Jobs) start(run *Running, operation string, request api.BulkRequest, b bulk) (api.Job, error) {
	perSecond, err := limiter.ParseRate(request.Rate)
	if err != nil {
		return api.Job{}, fmt.Errorf("%w: %w", errBadQuery, err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(run.Context))
	j := &job{cancel: cancel, ended: make(chan struct{}), view: api.Job{
		ID: strings.ToLower(rand.Text()[:10]), Operation: operation, Filter: request.Filter, Rate: request.Rate,
		State: api.JobRunning, StartedAt: time.Now().UTC(),
	}}
	if err := l.add(j); err != nil {
		cancel()
		return api.Job{}, err
	}
	store, release, err := run.Hold()
	if err != nil {
		cancel()
		l.remove(j)
		return api.Job{}, err
	}
	b.store, b.do, b.logger = store, operations[operation], run.Logger
	b.pace = pace.New(perSecond)
	safe.Go(run.Logger, "admin: bulk job", func() {
		defer close(j.ended)
		defer release()
		defer cancel()
		j.run(ctx, b)
		run.Logger.Info("bulk job ended", zap.Any("job", j.snapshot()))
	})
	return j.snapshot(), nil
}

func (j *job) run(ctx context.Context, b bulk) {
	var err error
	if panicked := safe.Do(b.logger, "admin: bulk job", func() { err = j.work(ctx, b) }); panicked != nil {
		err = panicked
	}
	j.update(func(v *api.Job) {
		v.EndedAt = lanes.TimeOrNil(time.Now())
		switch {
		case ctx.Err() != nil:
			v.State = api.JobCancelled
		case err != nil:
			v.State, v.Error = api.JobFailed, err.Error()
		default:
			v.State = api.JobDone
		}
	})
}

// work counts what the filter selects, then does it.
func (j *job) work(ctx context.Context, b bulk) error {
	matched, err := b.count(ctx)
	if err != nil {
		return err
	}
	j.update(func(v *api.Job) { v.Matched = matched })
	b.progress = func(r api.BulkResult) { j.update(func(v *api.Job) { v.Seen, v.Done = r.Matched, r.Done }) }
	_, err = b.run(ctx)
	return err
}

func (l *Jobs) add(j *job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	running := 0
	var ended []*job
	for _, other := range l.byID {
		if other.snapshot().State == api.JobRunning {
			running++
		} else {
			ended = append(ended, other)
		}
	}
	if running >= MaxRunningJobs {
		return errTooManyJobs
	}
	slices.SortFunc(ended, func(a, b *job) int { return a.snapshot().StartedAt.Compare(b.snapshot().StartedAt) })
	for len(ended) >= maxKeptJobs {
		delete(l.byID, ended[0].snapshot().ID)
		ended = ended[1:]
	}
	if l.byID == nil {
		l.byID = make(map[string]*job)
	}
	l.byID[j.view.ID] = j
	return nil
}

func (l *Jobs) remove(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, j.view.ID)
}

func (l *Jobs) get(id string) (*job, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j, ok := l.byID[id]
	return j, ok
}

func (l *Jobs) all() []*job {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*job, 0, len(l.byID))
	for _, j := range l.byID {
		all = append(all, j)
	}
	return all
}

// Stop cancels all jobs and waits for them, so that their stores are closed in good order before Caddy exits.
func (l *Jobs) Stop() {
	for _, j := range l.all() {
		j.cancel()
		<-j.ended
	}
}

var errNoJob = &Error{http.StatusNotFound, errors.New(api.NoSuchJob)}

func listJobs(run *Running, _ *http.Request, _ string) (any, error) {
	view := api.Jobs{Jobs: []api.Job{}}
	for _, j := range run.Jobs.all() {
		view.Jobs = append(view.Jobs, j.snapshot())
	}
	slices.SortFunc(view.Jobs, func(a, b api.Job) int {
		return cmp.Or(b.StartedAt.Compare(a.StartedAt), strings.Compare(a.ID, b.ID))
	})
	return view, nil
}

func showJob(run *Running, _ *http.Request, id string) (any, error) {
	j, ok := run.Jobs.get(id)
	if !ok {
		return nil, errNoJob
	}
	return j.snapshot(), nil
}

// cancelJob cancels a job and answers how far it got. One that ended stays as it is.
func cancelJob(run *Running, r *http.Request, id string) (any, error) {
	j, ok := run.Jobs.get(id)
	if !ok {
		return nil, errNoJob
	}
	j.cancel()
	select {
	case <-j.ended:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return j.snapshot(), nil
}

// operations do to one delivery what a bulk call does to many.
var operations = map[string]func(retrystore.Inspector, context.Context, string) error{
	api.Replay: retrystore.Inspector.Replay,
	api.Purge:  retrystore.Inspector.Delete,
}
