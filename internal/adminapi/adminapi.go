// Package adminapi lets people see and repair deliveries:
//
//	GET    /webhooks/endpoints
//	GET    /webhooks/stats
//	GET    /webhooks/doctor
//	GET    /webhooks/deliveries?state=&endpoint=&destination=&type=&event_id=&since=&until=&limit=&cursor=
//	GET    /webhooks/deliveries/{id}
//	DELETE /webhooks/deliveries/{id}
//	POST   /webhooks/deliveries/{id}/replay
//	POST   /webhooks/replay   {"filter": {…}, "rate": "10/s", "dry_run": true}
//	POST   /webhooks/purge    likewise
//	GET    /webhooks/jobs
//	GET    /webhooks/jobs/{id}
//	DELETE /webhooks/jobs/{id}
package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// call answers one kind of request. id is that of the delivery or job; empty if the path has none.
type call func(run *Running, r *http.Request, id string) (any, error)

// routes are the calls by path below /webhooks/, then by method.
var routes = map[string]map[string]call{
	"endpoints":              {http.MethodGet: endpoints},
	"stats":                  {http.MethodGet: stats},
	"doctor":                 {http.MethodGet: diagnose},
	"deliveries":             {http.MethodGet: list},
	"deliveries/{id}":        {http.MethodGet: show, http.MethodDelete: remove},
	"deliveries/{id}/replay": {http.MethodPost: replay},
	"replay":                 {http.MethodPost: replayAll},
	"purge":                  {http.MethodPost: purge},
	"jobs":                   {http.MethodGet: listJobs},
	"jobs/{id}":              {http.MethodGet: showJob, http.MethodDelete: cancelJob},
}

// Running is the config that runs, as far as this API shows or changes it.
type Running struct {
	// Store holds the deliveries.
	Store retrystore.Inspector

	// Hold opens the store for work that may outlive the config. release is called once the work is done; if there
	// is an error, it is not called.
	Hold func() (store retrystore.Inspector, release func(), err error)

	// Config tells which endpoints and destinations there are, and how their breakers stand.
	Config *lanes.Config

	// Hides tells what of an endpoint's events must not be shown.
	Hides func(endpoint string) redact.Hidden

	// Diagnose looks for what is wrong or risky, worst first. It returns what it has when ctx ends.
	Diagnose func(ctx context.Context) []api.Check

	// Jobs are those of the process. A job goes on after Context has ended, with its values.
	Jobs    *Jobs
	Context context.Context
	Logger  *zap.Logger
}

// Error is an error that is answered with Status.
type Error struct {
	Status int
	Err    error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap lets errors.Is and As see the cause.
func (e *Error) Unwrap() error { return e.Err }

// Serve answers a request below /webhooks/. running finds the config that runs now; nothing of it is kept after the
// request. An error of Serve is an *Error that the caller answers with its status, one that running returned, or that
// of writing the answer. It may be called concurrently.
func Serve(w http.ResponseWriter, r *http.Request, running func() (*Running, error)) error {
	path, id := SplitID(strings.TrimPrefix(r.URL.Path, "/webhooks/"))
	methods, ok := routes[path]
	if !ok {
		return &Error{http.StatusNotFound, fmt.Errorf("no such resource: %s", r.URL.Path)}
	}
	call, ok := methods[r.Method]
	if !ok {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		return &Error{http.StatusMethodNotAllowed, fmt.Errorf("method %s is not allowed here", r.Method)}
	}
	run, err := running()
	if err != nil {
		return err
	}
	result, err := call(run, r, id)
	if err != nil {
		if known, ok := errors.AsType[*Error](err); ok {
			return known
		}
		return &Error{statusOf(err), err}
	}
	w.Header().Set("Content-Type", "application/json")
	if _, started := result.(startedJob); started {
		w.WriteHeader(http.StatusAccepted)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(result)
}

// Routes yields the API's paths below /webhooks/, with {id} for an id, each with a method.
func Routes() iter.Seq2[string, string] {
	return func(yield func(path, method string) bool) {
		for path, methods := range routes {
			for method := range methods {
				if !yield(path, method) {
					return
				}
			}
		}
	}
}

// SplitID turns the path deliveries/abc/replay into deliveries/{id}/replay and abc.
func SplitID(path string) (pattern, id string) {
	collection, rest, ok := strings.Cut(path, "/")
	if !ok {
		return path, ""
	}
	id, action, _ := strings.Cut(rest, "/")
	pattern = collection + "/{id}"
	if action != "" {
		pattern += "/" + action
	}
	return pattern, id
}

// statusOf is the status with which an error of the store, or of this package, is answered.
func statusOf(err error) int {
	switch {
	case errors.Is(err, retrystore.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, retrystore.ErrState), errors.Is(err, errTooManyJobs):
		return http.StatusConflict
	case errors.Is(err, retrystore.ErrCursor), errors.Is(err, errBadQuery):
		return http.StatusBadRequest
	case errors.Is(err, errBulkTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, retrystore.ErrUnavailable), errors.Is(err, retrystore.ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

var errBadQuery = errors.New("bad request")

func stats(run *Running, r *http.Request, _ string) (any, error) {
	counted, err := run.Store.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	return run.Config.Stats(counted), nil
}

// doctorTime bounds how long the doctor waits for the store.
const doctorTime = 5 * time.Second

// diagnose looks at the running config, the store and what came in, and says
// what is wrong or risky, worst first.
func diagnose(run *Running, r *http.Request, _ string) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), doctorTime)
	defer cancel()
	return api.Doctor{Checks: run.Diagnose(ctx)}, nil
}

func endpoints(run *Running, _ *http.Request, _ string) (any, error) {
	return run.Config.View(), nil
}

func list(run *Running, r *http.Request, _ string) (any, error) {
	query, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	limit, cursor := api.DefaultPage, query.Get("cursor")
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > api.MaxPage {
			return nil, fmt.Errorf("%w: limit is %q: want 1 to %d", errBadQuery, text, api.MaxPage)
		}
	}
	query.Del("limit")
	query.Del("cursor")
	filter, err := parseFilter(query)
	if err != nil {
		return nil, err
	}
	page, err := run.Store.List(r.Context(), filter, cursor, limit)
	if err != nil {
		return nil, err
	}
	view := newListView(page)
	return view, run.hideErrors(r.Context(), view.Deliveries)
}

// readQuery refuses what url.Values would ignore, such as parameters that cannot be decoded: without a part of
// its filter a call would select more than was meant.
func readQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBadQuery, err)
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, fmt.Errorf("%w: %s is repeated", errBadQuery, name)
		}
	}
	return query, nil
}

// parseFilter reads the query parameters of a list, which are the fields of a bulk filter too.
func parseFilter(query url.Values) (retrystore.Filter, error) {
	var filter retrystore.Filter
	for name := range query {
		text := query.Get(name)
		var err error
		switch name {
		default:
			err = errors.New("unknown parameter")
		case "state":
			for word := range strings.SplitSeq(text, ",") {
				var state retrystore.State
				if state, err = retrystore.ParseState(word); err != nil {
					break
				}
				filter.States = append(filter.States, state)
			}
		case "endpoint":
			filter.Endpoint = text
		case "destination":
			filter.Destination = text
		case "type":
			filter.EventType = text
		case "event_id":
			filter.EventID = text
		case "since":
			filter.Since, err = parseTime(text)
		case "until":
			filter.Until, err = parseTime(text)
		}
		if err == nil && text == "" {
			// Else a script whose variable is not set would select everything.
			err = errors.New("the value is empty")
		}
		if err != nil {
			return filter, fmt.Errorf("%w: %s: %w", errBadQuery, name, err)
		}
	}
	return filter, nil
}

func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		err = fmt.Errorf("%q: want a time such as 2026-01-31T09:30:00Z", text)
	}
	return t, err
}

func show(run *Running, r *http.Request, id string) (any, error) {
	d, err := run.Store.Get(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return newDetailView(d, run.Hides(d.Endpoint)), nil
}

func remove(run *Running, r *http.Request, id string) (any, error) {
	if err := run.Store.Delete(r.Context(), id); err != nil {
		return nil, err
	}
	return map[string]string{"status": "deleted", "id": id}, nil
}

func replay(run *Running, r *http.Request, id string) (any, error) {
	if err := run.Store.Replay(r.Context(), id); err != nil {
		return nil, err
	}
	return map[string]string{"status": "replayed", "id": id}, nil
}
