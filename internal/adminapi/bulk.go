package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/internal/strictjson"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// replayAll replays what the filter selects: dead letters, unless it names states.
func replayAll(run *Running, r *http.Request, _ string) (any, error) {
	request, filter, err := readBulk(r)
	if err != nil {
		return nil, err
	}
	if len(filter.States) == 0 {
		filter.States = []retrystore.State{retrystore.Dead}
		request.Filter["state"] = retrystore.Dead.String() // so that the job shows what it selects
	}
	return run.bulk(r.Context(), api.Replay, request, filter)
}

// purge deletes what the filter selects. The filter must name the states, so that nobody deletes pending events
// because they forgot to.
func purge(run *Running, r *http.Request, _ string) (any, error) {
	request, filter, err := readBulk(r)
	if err != nil {
		return nil, err
	}
	if len(filter.States) == 0 {
		return nil, fmt.Errorf("%w: filter: name the state, such as dead", errBadQuery)
	}
	return run.bulk(r.Context(), api.Purge, request, filter)
}

// MaxBody bounds the body of a bulk call, in bytes.
const MaxBody = 64 << 10

var errBulkTooLarge = fmt.Errorf("the body is larger than %d bytes", MaxBody)

func readBulk(r *http.Request) (request api.BulkRequest, filter retrystore.Filter, err error) {
	var text bytes.Buffer
	err = strictjson.Decode(io.TeeReader(http.MaxBytesReader(nil, r.Body, MaxBody), &text), &request)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return request, filter, errBulkTooLarge
	}
	if err != nil {
		return request, filter, fmt.Errorf("%w: the body: %w", errBadQuery, err)
	}
	var given struct{ Rate *string } // told apart from a missing one, with which everything is done at once
	if json.Unmarshal(text.Bytes(), &given) == nil && given.Rate != nil && *given.Rate == "" {
		return request, filter, fmt.Errorf("%w: rate is empty: want one such as 10/s, or leave it out", errBadQuery)
	}
	if request.Filter == nil {
		request.Filter = make(map[string]string)
	}
	query := make(url.Values)
	for name, value := range request.Filter {
		query.Set(name, value)
	}
	filter, err = parseFilter(query)
	return request, filter, err
}

// bulk counts, does or starts what the request asks for.
func (run *Running) bulk(ctx context.Context, operation string, request api.BulkRequest, filter retrystore.Filter) (any, error) {
	b := bulk{store: run.Store, filter: filter, do: operations[operation]}
	if request.Rate != "" {
		if _, err := limiter.ParseRate(request.Rate); err != nil {
			return nil, fmt.Errorf("%w: rate: %w", errBadQuery, err)
		}
	}
	switch {
	case request.DryRun:
		matched, err := b.count(ctx)
		return api.BulkResult{Matched: matched, DryRun: true}, err
	case request.Rate != "":
		job, err := run.Jobs.start(run, operation, request, b)
		return startedJob{job}, err
	}
	return b.run(ctx)
}

// bulk does something to every delivery that the filter selects, page by page.
type bulk struct {
	store    retrystore.Inspector
	filter   retrystore.Filter
	do       func(store retrystore.Inspector, ctx context.Context, id string) error
	pace     *rate.Limiter        // nil: as fast as the store can
	progress func(api.BulkResult) // called after each delivery; may be nil
	logger   *zap.Logger          // of panics
}

// each calls visit for what the filter selects, newest first.
func (b bulk) each(ctx context.Context, visit func(d *retrystore.Delivery) error) error {
	for cursor := ""; ; {
		page, err := b.store.List(ctx, b.filter, cursor, api.MaxPage)
		if err != nil {
			return err
		}
		for _, d := range page.Deliveries {
			if err := visit(d); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

func (b bulk) count(ctx context.Context) (matched int, err error) {
	err = b.each(ctx, func(*retrystore.Delivery) error { matched++; return nil })
	return matched, err
}

// bulkWidth is how many deliveries are changed at a time: a store makes many
// changes durable in one write.
const bulkWidth = 256

// run returns when no change is under way any more, so that the result counts all of them.
func (b bulk) run(ctx context.Context) (result api.BulkResult, err error) {
	var mu sync.Mutex // guards result and failed
	var failed error
	var wg safe.Group
	slots := make(chan struct{}, bulkWidth)
	change := func(id string) {
		defer func() { <-slots }()
		// Not interrupted by ctx: nobody could tell whether an interrupted change was made.
		var err error
		panicked := safe.Do(b.logger, "admin: bulk change", func() { err = b.do(b.store, context.WithoutCancel(ctx), id) })
		if panicked != nil {
			err = fmt.Errorf("delivery %s: %w", id, panicked)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			result.Done++
		case errors.Is(err, retrystore.ErrNotFound), errors.Is(err, retrystore.ErrState):
			// settled, deleted or taken since it was listed
		default:
			failed = cmp.Or(failed, err)
			return
		}
		result.Matched++
		if b.progress != nil {
			b.progress(result)
		}
	}
	err = b.each(ctx, func(d *retrystore.Delivery) error {
		if b.pace != nil {
			if err := b.pace.Wait(ctx); err != nil {
				return err
			}
		}
		slots <- struct{}{}
		mu.Lock()
		stop := cmp.Or(failed, ctx.Err())
		mu.Unlock()
		if stop != nil {
			<-slots
			return stop
		}
		wg.Go(b.logger, "admin: bulk change", func() { change(d.ID) })
		return nil
	})
	wg.Wait()
	return result, cmp.Or(failed, err)
}
