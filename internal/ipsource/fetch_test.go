package ipsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

var snapshot = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}

// newFetcher follows a list of lines at address; what it logs is in the observer.
func newFetcher(t *testing.T, address string, timeout time.Duration) (*listFetcher, *observer.ObservedLogs) {
	t.Helper()
	source, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	return &listFetcher{
		list: newPublishedList(snapshot), source: source,
		format:   verify.List{Format: verify.ListLines},
		interval: 24 * time.Hour, client: newListClient(timeout), logger: zap.New(core),
	}, logs
}

func (l *publishedList) String() string { return fmt.Sprint(*l.ranges.Load()) }

func messages(logs *observer.ObservedLogs) (all []string) {
	for _, entry := range logs.TakeAll() {
		all = append(all, entry.Level.String()+": "+entry.Message)
	}
	return all
}

const (
	failed    = "warn: published address ranges were not refreshed; the previous ones stay in use"
	recovered = "info: published address ranges are refreshed again"
	changed   = "info: published address ranges changed"
)

func expectLog(t *testing.T, logs *observer.ObservedLogs, want ...string) {
	t.Helper()
	if got := messages(logs); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("logged %q: want %q", got, want)
	}
}

// TestListRefused: whatever is wrong with a list, the previous one stays, and
// is followed again once it is right.
func TestListRefused(t *testing.T) {
	plain := httptest.NewServer(answerText("203.0.113.9"))
	t.Cleanup(plain.Close)
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		err    string
	}{
		{"not found", answerStatus(404), "status 404"},
		{"our fault", answerStatus(500), "status 500"},
		{"no content", answerStatus(204), "status 204"},
		{"HTML", answerText("<!doctype html>"), "neither an address nor a CIDR"},
		{"empty", answerText(""), "no ranges"},
		{"too wide", answerText("203.0.113.9\n0.0.0.0/0"), "too wide"},
		{"too many", answerText(strings.Repeat("203.0.113.9\n", 10_001)), "more than 10000 ranges"},
		{"too large", answerText(strings.Repeat("# comment\n", 1<<20/10+1)), "more than 1048576 bytes"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "203.0.113.9\n")
		}, "unexpected EOF"},
		{"connection closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "203.0.113.9\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // returning would end the body properly
		}, "deadline exceeded"},
		{"redirected for ever", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "redirected too often"},
		{"redirected to plain HTTP", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) }, "to plain HTTP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var answer atomic.Pointer[http.HandlerFunc]
			answer.Store(&test.answer)
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }))
			t.Cleanup(server.Close)
			timeout := 10 * time.Second
			if test.name == "without end" {
				timeout = 300 * time.Millisecond
			}
			f, logs := newFetcher(t, server.URL, timeout)
			f.client.Transport.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig

			f.refresh(t.Context())
			if f.list.String() != "[192.0.2.0/24]" {
				t.Errorf("in use is %s", f.list)
			}
			if all := logs.All(); len(all) != 1 || !strings.Contains(fmt.Sprint(all[0].ContextMap()["error"]), test.err) {
				t.Errorf("logged %v: want an error with %q", all, test.err)
			}
			expectLog(t, logs, failed)
			f.refresh(t.Context())
			expectLog(t, logs)

			good := answerText("203.0.113.9\n198.51.100.0/24\n")
			answer.Store(&good)
			f.client.Timeout = 10 * time.Second
			f.refresh(t.Context())
			if f.list.String() != "[198.51.100.0/24 203.0.113.9/32]" {
				t.Errorf("in use is %s", f.list)
			}
			expectLog(t, logs, recovered, changed)
			f.refresh(t.Context())
			expectLog(t, logs)
		})
	}
}

func answerText(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func answerStatus(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			fmt.Fprint(w, "203.0.113.9")
		}
	}
}

// transport answers without a network, so that the test's clock can run ahead.
type transport func(r *http.Request) (string, error)

func (answer transport) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := answer(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// TestListInterval: the list is fetched soon after the start, on the interval,
// and sooner after a failure; those that share it do not each fetch it.
func TestListInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu     sync.Mutex
			asked  []time.Time
			outage error
		)
		f, logs := newFetcher(t, "https://user:secret@example.com/list?token=secret", defaultListTimeout)
		f.client.Transport = transport(func(r *http.Request) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Now())
			if r.Header.Get("User-Agent") != "caddy-webhooks" {
				t.Errorf("User-Agent is %q", r.Header.Get("User-Agent"))
			}
			return "203.0.113.9", outage
		})
		second := *f // of another endpoint, with another interval
		second.interval = 30 * 24 * time.Hour
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{}, 2)
		for _, f := range []*listFetcher{f, &second} {
			go func() { f.run(ctx); ended <- struct{}{} }()
		}

		between := func(what string, since time.Time, least, most time.Duration, next time.Time) {
			t.Helper()
			if d := next.Sub(since); d < least || d > most {
				t.Errorf("%s after %s: want %s to %s", what, d, least, most)
			}
		}
		pass := func(d time.Duration) []time.Time {
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(asked)
		}
		fail := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			outage = err
		}
		fetches := pass(2 * time.Second)
		if len(fetches) != 1 || f.list.String() != "[203.0.113.9/32]" {
			t.Fatalf("fetched %d times, in use is %s", len(fetches), f.list)
		}
		between("the first fetch", start, firstListFetch, firstListFetch, fetches[0])
		expectLog(t, logs, changed)

		fetches = pass(27 * time.Hour)
		if len(fetches) != 2 {
			t.Fatalf("fetched %d times in a day: want 2", len(fetches))
		}
		between("the second fetch", fetches[0], 24*time.Hour, 27*time.Hour, fetches[1])

		fail(errors.New("no route"))
		fetches = pass(28 * time.Hour)
		if len(fetches) < 5 {
			t.Fatalf("fetched %d times: want more in an outage", len(fetches))
		}
		for i := 3; i < len(fetches); i++ {
			between("a retry", fetches[i-1], listRetry, listRetry*11/10, fetches[i])
		}
		for _, entry := range logs.All() {
			if strings.Contains(fmt.Sprint(entry.Message, entry.ContextMap()), "secret") {
				t.Errorf("the log tells the secret: %v", entry)
			}
		}
		expectLog(t, logs, failed)
		if f.list.String() != "[203.0.113.9/32]" {
			t.Errorf("in use is %s", f.list)
		}

		fail(nil)
		fetches = pass(time.Hour)
		expectLog(t, logs, recovered)
		before := len(fetches)
		fetches = pass(48 * time.Hour)
		if n := len(fetches) - before; n < 1 || n > 2 {
			t.Errorf("fetched %d times in two days", n)
		}
		cancel()
		<-ended
		<-ended
	})
}

// TestListFetchCancelled: the end of a config is no failure of the provider's.
func TestListFetchCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, logs := newFetcher(t, "https://example.com/", defaultListTimeout)
		f.client.Transport = transport(func(r *http.Request) (string, error) {
			<-r.Context().Done()
			return "", r.Context().Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.run(ctx); close(done) }()
		time.Sleep(firstListFetch + time.Second) // in the middle of the fetch
		cancel()
		<-done
		expectLog(t, logs)
		if f.list.failing || !f.list.tried.IsZero() || len(f.list.turn) != 1 {
			t.Error("the list counts as tried, or nobody can fetch it any more")
		}
	})
}
