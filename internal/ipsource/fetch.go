package ipsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

const (
	// The first fetch is delayed, so that `caddy validate` sends nothing.
	firstListFetch = time.Second
	// After a failure the next fetch is due after this time, or after the interval if that is shorter.
	listRetry = 10 * time.Minute

	maxListBytes = 1 << 20
)

// publishedLists holds the lists that are in use. It belongs to the process, since a list outlives the
// config that fetched it: after a reload endpoints neither return to the snapshot nor ask the provider
// again. Endpoints of one provider share a list.
var publishedLists = caddy.NewUsagePool()

func publishedListKey(provider string, source *url.URL) string {
	return provider + " " + source.String()
}

// Pin keeps the built-in snapshot of a provider in use until unpin is called, which must be done
// once: the list counts as fetched now. It is for tests, which must not ask providers. It fails
// if the provider publishes nothing, or somebody has its list already.
func Pin(provider string) (unpin func() error, err error) {
	p, _ := verify.Lookup(provider)
	ranges, err := Of(p)
	if err != nil {
		return nil, err
	}
	source, err := listURL(ranges.List.URL)
	if err != nil {
		return nil, err
	}
	key := publishedListKey(provider, source)
	_, found, err := publishedLists.LoadOrNew(key, func() (caddy.Destructor, error) {
		list := newPublishedList(ranges.Snapshot)
		list.tried = time.Now()
		return list, nil
	})
	if err != nil {
		return nil, err
	}
	unpin = func() error { _, err := publishedLists.Delete(key); return err }
	if found {
		return nil, errors.Join(errors.New("the list is in use"), unpin())
	}
	return unpin, nil
}

// publishedList is a provider's ranges as they are in use.
type publishedList struct {
	ranges atomic.Pointer[[]netip.Prefix]

	// turn holds one token; its holder may fetch, and owns the fields below.
	turn    chan struct{}
	tried   time.Time // zero: never
	failing bool
}

func newPublishedList(snapshot []netip.Prefix) *publishedList {
	l := &publishedList{turn: make(chan struct{}, 1)}
	ranges := slices.SortedFunc(slices.Values(snapshot), netip.Prefix.Compare) // as lists are
	l.ranges.Store(&ranges)
	l.turn <- struct{}{}
	return l
}

// Destruct is for caddy.UsagePool; there is nothing to release.
func (*publishedList) Destruct() error { return nil }

// listFetcher keeps a list fresh. Several may share one list; then the first one that is due fetches for
// all.
type listFetcher struct {
	list     *publishedList
	source   *url.URL
	format   verify.List
	interval time.Duration
	client   *http.Client
	logger   *zap.Logger
}

// run fetches the list until ctx ends.
func (f *listFetcher) run(ctx context.Context) {
	timer := time.NewTimer(firstListFetch)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-f.list.turn:
		}
		wait := f.takeTurn(ctx)
		timer.Reset(wait + rand.N(wait/10+1))
	}
}

// takeTurn fetches the list if that is due, gives the turn back, and returns how
// long to wait.
func (f *listFetcher) takeTurn(ctx context.Context) time.Duration {
	defer func() { f.list.turn <- struct{}{} }()
	if time.Until(f.due()) <= 0 {
		f.refresh(ctx)
	}
	return max(time.Until(f.due()), 0)
}

// due is when the list should be fetched next.
func (f *listFetcher) due() time.Time {
	switch {
	case f.list.tried.IsZero():
		return time.Time{}
	case f.list.failing:
		return f.list.tried.Add(min(f.interval, listRetry))
	}
	return f.list.tried.Add(f.interval)
}

// refresh fetches once. It logs when something changed: the list, or whether
// fetching works.
func (f *listFetcher) refresh(ctx context.Context) {
	ranges, err := f.fetch(ctx)
	if ctx.Err() != nil {
		return // says nothing about the list
	}
	f.list.tried = time.Now()
	was := f.list.failing
	f.list.failing = err != nil
	switch {
	case err != nil && !was:
		f.logger.Warn("published address ranges were not refreshed; the previous ones stay in use", zap.Error(err))
		return
	case err != nil:
		return
	case was:
		f.logger.Info("published address ranges are refreshed again")
	}
	old := *f.list.ranges.Load()
	f.list.ranges.Store(&ranges)
	if !slices.Equal(old, ranges) {
		f.logger.Info("published address ranges changed", zap.Int("before", len(old)), zap.Int("ranges", len(ranges)))
	}
}

func (f *listFetcher) fetch(ctx context.Context) ([]netip.Prefix, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.source.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "caddy-webhooks") // GitHub refuses those without one
	response, err := f.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the URL, which may hold a secret
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxListBytes+1))
	if err != nil {
		return nil, err
	}
	if len(document) > maxListBytes {
		return nil, fmt.Errorf("more than %d bytes", maxListBytes)
	}
	return f.format.Parse(document)
}

// newListClient asks rarely, so it keeps no connection.
func newListClient(timeout time.Duration) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
	transport.DisableKeepAlives = true
	return &http.Client{
		Transport: transport,
		Timeout:   timeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("redirected from HTTPS to plain HTTP")
			}
			if len(via) > 5 {
				return errors.New("redirected too often")
			}
			return nil
		},
	}
}
