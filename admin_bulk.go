package caddywebhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// bulkRequest is the body of a call that changes many deliveries. The filter's
// fields are the query parameters of the list.
type bulkRequest struct {
	Filter map[string]string `json:"filter"`
	DryRun bool              `json:"dry_run"`
}

// bulkResult counts what a bulk call found and did. Done may be less: what was
// settled, taken or deleted since it was found is passed over.
type bulkResult struct {
	Matched int  `json:"matched"`
	Done    int  `json:"done"`
	DryRun  bool `json:"dry_run,omitempty"`
}

// adminReplayAll replays what the filter selects: dead letters, unless it names states.
func adminReplayAll(app *App, r *http.Request, _ string) (any, error) {
	filter, dryRun, err := readBulk(r)
	if err != nil {
		return nil, err
	}
	if len(filter.States) == 0 {
		filter.States = []retrystore.State{retrystore.Dead}
	}
	return bulk(r.Context(), app.store, filter, dryRun, app.store.Replay)
}

// adminPurge deletes what the filter selects. It must name the states: nobody
// should delete pending events by leaving something out.
func adminPurge(app *App, r *http.Request, _ string) (any, error) {
	filter, dryRun, err := readBulk(r)
	if err != nil {
		return nil, err
	}
	if len(filter.States) == 0 {
		return nil, fmt.Errorf("%w: filter: name the state, such as dead", errBadQuery)
	}
	return bulk(r.Context(), app.store, filter, dryRun, app.store.Delete)
}

func readBulk(r *http.Request) (filter retrystore.Filter, dryRun bool, err error) {
	var request bulkRequest
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return filter, false, fmt.Errorf("%w: %w", errBadQuery, err)
	}
	query := make(url.Values)
	for name, value := range request.Filter {
		query.Set(name, value)
	}
	filter, err = parseFilter(query)
	return filter, request.DryRun, err
}

// bulk does something to every delivery that the filter selects, page by page.
func bulk(ctx context.Context, store retrystore.Inspector, filter retrystore.Filter, dryRun bool, do func(context.Context, string) error) (bulkResult, error) {
	result := bulkResult{DryRun: dryRun}
	for cursor := ""; ; {
		page, err := store.List(ctx, filter, cursor, maxPage)
		if err != nil {
			return result, err
		}
		for _, d := range page.Deliveries {
			result.Matched++
			if dryRun {
				continue
			}
			switch err := do(ctx, d.ID); {
			case err == nil:
				result.Done++
			case errors.Is(err, retrystore.ErrNotFound), errors.Is(err, retrystore.ErrState):
				// settled, deleted or taken since it was listed
			default:
				return result, err
			}
		}
		if cursor = page.Next; cursor == "" {
			return result, nil
		}
	}
}
