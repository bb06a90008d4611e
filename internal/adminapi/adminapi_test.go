package adminapi

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/doctor"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// TestOrphansRemedy: the call that the doctor gives for orphans is one that the admin API takes.
func TestOrphansRemedy(t *testing.T) {
	orphans := retrystore.Stats{Lanes: []retrystore.LaneStats{{Lane: retrystore.Lane{Endpoint: "a", Destination: "b c"}, Pending: 1}}}
	config := &lanes.Config{Breakers: func() map[retrystore.Lane]forward.BreakerState { return nil }}
	checks := doctor.Diagnose(doctor.Facts{Config: config, Store: doctor.Store{Stats: orphans}, MaxPending: 1, MaxStored: 1})
	i := slices.IndexFunc(checks, func(c api.Check) bool { return c.Name == "orphans" })
	if i < 0 {
		t.Fatalf("no orphans in %+v", checks)
	}
	_, body, found := strings.Cut(checks[i].Fix, "-d '")
	body, _, ended := strings.Cut(body, "'")
	if !found || !ended {
		t.Fatal(checks[i].Fix)
	}
	_, filter, err := readBulk(httptest.NewRequest(http.MethodPost, "/webhooks/purge", strings.NewReader(body)))
	if err != nil || filter.Endpoint != "a" || filter.Destination != "b c" || len(filter.States) == 0 {
		t.Errorf("filter %+v, error %v", filter, err)
	}
}

// TestEmptyRate: a bulk call with an empty rate does nothing.
func TestEmptyRate(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/purge", strings.NewReader(`{"filter":{"state":"dead"},"rate":""}`))
	if _, _, err := readBulk(r); err == nil || !strings.Contains(err.Error(), "rate is empty") {
		t.Errorf("error is %v", err)
	}
	for _, body := range []string{`{"filter":{"state":"dead"}}`, `{"filter":{"state":"dead"},"rate":"5/s"}`} {
		if _, _, err := readBulk(httptest.NewRequest(http.MethodPost, "/webhooks/purge", strings.NewReader(body))); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}
