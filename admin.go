package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI lets people see and repair deliveries:
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
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.webhooks",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/webhooks/", Handler: caddy.AdminHandlerFunc(serveAdmin)}}
}

// adminCall answers one kind of request; id is the delivery's or job's, where the path has one.
type adminCall func(app *App, r *http.Request, id string) (any, error)

// adminRoutes is the API: path below /webhooks/, then method.
var adminRoutes = map[string]map[string]adminCall{
	"endpoints":              {http.MethodGet: adminEndpoints},
	"stats":                  {http.MethodGet: adminStats},
	"doctor":                 {http.MethodGet: adminDoctor},
	"deliveries":             {http.MethodGet: adminList},
	"deliveries/{id}":        {http.MethodGet: adminShow, http.MethodDelete: adminDelete},
	"deliveries/{id}/replay": {http.MethodPost: adminReplay},
	"replay":                 {http.MethodPost: adminReplayAll},
	"purge":                  {http.MethodPost: adminPurge},
	"jobs":                   {http.MethodGet: adminJobs},
	"jobs/{id}":              {http.MethodGet: adminJob, http.MethodDelete: adminCancelJob},
}

func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	path, id := splitID(strings.TrimPrefix(r.URL.Path, "/webhooks/"))
	methods, ok := adminRoutes[path]
	if !ok {
		return apiError(http.StatusNotFound, fmt.Errorf("no such resource: %s", r.URL.Path))
	}
	call, ok := methods[r.Method]
	if !ok {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		return apiError(http.StatusMethodNotAllowed, fmt.Errorf("method %s is not allowed here", r.Method))
	}
	app, err := runningApp()
	if err != nil {
		return err
	}
	result, err := call(app, r, id)
	if err != nil {
		return apiError(adminStatus(err), err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, started := result.(startedJob); started {
		w.WriteHeader(http.StatusAccepted)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(result)
}

// splitID turns deliveries/abc/replay into deliveries/{id}/replay and abc.
func splitID(path string) (pattern, id string) {
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

// runningApp finds the app of the config that runs now: the admin router
// outlives configs, so nothing of an app may be kept between requests.
func runningApp() (*App, error) {
	value, err := caddy.ActiveContext().AppIfConfigured("webhooks")
	app, ok := value.(*App)
	if err != nil || !ok {
		return nil, apiError(http.StatusNotFound, errors.New("the running config has no webhooks"))
	}
	select {
	case <-app.started:
		return app, nil
	default:
		return nil, apiError(http.StatusServiceUnavailable, errNotStarted)
	}
}

func apiError(status int, err error) error {
	if existing, ok := errors.AsType[caddy.APIError](err); ok {
		return existing
	}
	return caddy.APIError{HTTPStatus: status, Err: err, Message: err.Error()}
}

// adminStatus maps the store's errors.
func adminStatus(err error) int {
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

func adminStats(app *App, r *http.Request, _ string) (any, error) {
	stats, err := app.store.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	return newStatsView(app, stats), nil
}

func adminEndpoints(app *App, _ *http.Request, _ string) (any, error) {
	return newEndpointsView(app), nil
}

func adminList(app *App, r *http.Request, _ string) (any, error) {
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
	page, err := app.store.List(r.Context(), filter, cursor, limit)
	if err != nil {
		return nil, err
	}
	view := newListView(page)
	return view, hideErrors(r.Context(), app, view.Deliveries)
}

// readQuery refuses what url.Values would pass over: half a filter selects more
// than was asked for.
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
			// Selecting everything by leaving a value out would be dangerous.
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

func adminShow(app *App, r *http.Request, id string) (any, error) {
	d, err := app.store.Get(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return newDetailView(d, app.hides(d.Endpoint)), nil
}

func adminDelete(app *App, r *http.Request, id string) (any, error) {
	if err := app.store.Delete(r.Context(), id); err != nil {
		return nil, err
	}
	return map[string]string{"status": "deleted", "id": id}, nil
}

func adminReplay(app *App, r *http.Request, id string) (any, error) {
	if err := app.store.Replay(r.Context(), id); err != nil {
		return nil, err
	}
	return map[string]string{"status": "replayed", "id": id}, nil
}

// Interface guards
var (
	_ caddy.Module      = adminAPI{}
	_ caddy.AdminRouter = adminAPI{}
)
