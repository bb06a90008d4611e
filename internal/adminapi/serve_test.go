package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// ask calls the API and decodes what it answers. The code is that of the answer, or of the error.
func ask(run *Running, method, path, body string, answer any) (code int, err error) {
	recorder := httptest.NewRecorder()
	r := httptest.NewRequest(method, "/webhooks/"+path, strings.NewReader(body))
	err = Serve(recorder, r, func() (*Running, error) { return run, nil })
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Status, err
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(recorder.Body.Bytes(), answer)
	}
	return recorder.Code, err
}

// failing is a store whose Get answers an error.
type failing struct {
	retrystore.Inspector
	err error
}

func (s failing) Get(context.Context, string) (*retrystore.Delivery, error) { return nil, s.err }

// TestStatuses: callers tell what they may do about an error by its status.
func TestStatuses(t *testing.T) {
	for err, want := range map[error]int{
		retrystore.ErrNotFound:                            404,
		retrystore.ErrState:                               409,
		retrystore.ErrCursor:                              400,
		retrystore.ErrUnavailable:                         503,
		retrystore.ErrClosed:                              503,
		errors.New("disk is on fire"):                     500,
		&Error{http.StatusTeapot, errors.New("a teapot")}: 418,
	} {
		run, _ := running(t, failing{err: fmt.Errorf("get: %w", err)})
		if code, got := ask(run, http.MethodGet, "deliveries/1", "", nil); code != want || !errors.Is(got, err) {
			t.Errorf("%v: answered %d, %v, want %d", err, code, got, want)
		}
	}
}

// TestRefusedBeforeAnythingRuns: what no route has is refused without a config.
func TestRefusedBeforeAnythingRuns(t *testing.T) {
	notRunning := errors.New("nothing runs")
	for _, test := range []struct {
		method, path string
		code         int
		allow        string
	}{
		{"GET", "nothing", 404, ""},
		{"GET", "deliveries/1/nothing", 404, ""},
		{"GET", "deliveries/1/replay/more", 404, ""},
		{"POST", "stats", 405, "GET"},
		{"PATCH", "deliveries/1", 405, "DELETE, GET"},
		{"GET", "stats", 0, ""},
	} {
		w := httptest.NewRecorder()
		err := Serve(w, httptest.NewRequest(test.method, "/webhooks/"+test.path, nil), func() (*Running, error) { return nil, notRunning })
		known, ok := errors.AsType[*Error](err)
		if ok != (test.code != 0) || ok && known.Status != test.code || !ok && !errors.Is(err, notRunning) || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s: %v, Allow is %q", test.method, test.path, err, w.Header().Get("Allow"))
		}
	}
}

// listing is a store with one page, whose events can be read or not.
type listing struct {
	retrystore.Inspector
	page   []*retrystore.Delivery
	events map[string]*retrystore.Delivery
	fails  error
}

func (s listing) List(context.Context, retrystore.Filter, string, int) (retrystore.Page, error) {
	return retrystore.Page{Deliveries: s.page}, nil
}

func (s listing) Get(_ context.Context, id string) (*retrystore.Delivery, error) {
	if s.fails != nil {
		return nil, s.fails
	}
	if d, ok := s.events[id]; ok {
		return d, nil
	}
	return nil, retrystore.ErrNotFound
}

// TestListHidesErrors: an error that was stored may quote a secret. It is shown without it, or not at all.
func TestListHidesErrors(t *testing.T) {
	const secret = "whsec_0123456789abcdef"
	delivery := func(id, text string) *retrystore.Delivery {
		return &retrystore.Delivery{ID: id, Lane: retrystore.Lane{Endpoint: "github"}, Event: new(retrystore.Event), LastError: text}
	}
	store := listing{
		page:   []*retrystore.Delivery{delivery("here", "says "+secret), delivery("gone", "says "+secret), delivery("fine", "")},
		events: map[string]*retrystore.Delivery{"here": delivery("here", "")},
	}
	run, _ := running(t, store)
	run.Hides = func(string) redact.Hidden { return redact.Hidden{Values: redact.NewValues([]string{secret})} }
	var list api.List
	if code, err := ask(run, http.MethodGet, "deliveries", "", &list); code != 200 || err != nil || len(list.Deliveries) != 3 {
		t.Fatalf("answered %d, %v: %+v", code, err, list)
	}
	here, gone, fine := list.Deliveries[0].LastError, list.Deliveries[1].LastError, list.Deliveries[2].LastError
	if !strings.HasPrefix(here, "says ") || strings.Contains(here, secret) || gone != redact.Masked || fine != "" {
		t.Errorf("the errors: %q, %q and %q", here, gone, fine)
	}
	store.fails = retrystore.ErrUnavailable
	run.Store = store
	if code, _ := ask(run, http.MethodGet, "deliveries", "", &list); code != 503 {
		t.Errorf("with a store that fails: answered %d, want 503", code)
	}
}
