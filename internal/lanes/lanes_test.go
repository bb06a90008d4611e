package lanes

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func lane(endpoint, destination string) retrystore.Lane {
	return retrystore.Lane{Endpoint: endpoint, Destination: destination}
}

// TestStatsMerged: a destination is listed if the config has it or the store does, with its breaker if it has one.
func TestStatsMerged(t *testing.T) {
	var came traffic.Log
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.FixedZone("elsewhere", 3600))
	c := &Config{
		Endpoints: []Endpoint{
			{Name: "github", Provider: "github", Destinations: []string{"idle", "app"}, Traffic: came.Watch("github", nil, now)},
			{Name: "stripe", Provider: "stripe", Traffic: came.Watch("stripe", nil, now)},
		},
		Breakers: func() map[retrystore.Lane]forward.BreakerState {
			return map[retrystore.Lane]forward.BreakerState{
				lane("github", "idle"): {State: "closed"},
				lane("github", "app"):  {State: "open", Until: now},
			}
		},
	}
	got, err := json.Marshal(c.Stats(retrystore.Stats{
		Lanes: []retrystore.LaneStats{
			{Lane: lane("github", "app"), Pending: 4, Retrying: 3, Leased: 2, Dead: 1, OldestPending: now},
			{Lane: lane("gone", "app"), Dead: 5},
		},
		Endpoints: retrystore.EndpointBytes(map[string]int64{"github": 10, "gone": 20}),
		Keys:      -1,
		Bytes:     7,
	}))
	want := `{"destinations":[` +
		`{"endpoint":"github","destination":"app","configured":true,"pending":4,"retrying":3,"leased":2,"dead":1,"oldest_pending_at":"2026-01-02T11:00:00Z","breaker":"open","breaker_until":"2026-01-02T11:00:00Z"},` +
		`{"endpoint":"github","destination":"idle","configured":true,"pending":0,"retrying":0,"leased":0,"dead":0,"breaker":"closed"},` +
		`{"endpoint":"gone","destination":"app","configured":false,"pending":0,"retrying":0,"leased":0,"dead":5}],` +
		`"stored":[{"endpoint":"github","bytes":10},{"endpoint":"gone","bytes":20},{"endpoint":"stripe","bytes":0}],` +
		`"event_keys":-1,"store_bytes":7}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
	if !c.Has(lane("github", "app")) || c.Has(lane("gone", "app")) || c.Has(lane("stripe", "app")) || !c.HasEndpoint("stripe") || c.HasEndpoint("gone") {
		t.Error("it is mistaken about what is configured")
	}
}

// TestNothing: lists without entries are lists in JSON too, never null.
func TestNothing(t *testing.T) {
	c := &Config{Breakers: func() map[retrystore.Lane]forward.BreakerState { return nil }}
	for _, test := range []struct {
		of   any
		want string
	}{
		{c.Stats(retrystore.Stats{}), `{"destinations":[],"stored":[],"event_keys":0,"store_bytes":0}`},
		{c.View(), `{"endpoints":[]}`},
		{(&Config{Endpoints: []Endpoint{{Name: "a", Provider: "b"}}}).View(), `{"endpoints":[{"name":"a","provider":"b","destinations":[]}]}`},
	} {
		if got, err := json.Marshal(test.of); err != nil || string(got) != test.want {
			t.Errorf("%v, %s, want %s", err, got, test.want)
		}
	}
}

// TestCounter counts attempts by lane, whatever else is told.
func TestCounter(t *testing.T) {
	var c Counter
	c.Clear()
	app := &retrystore.Delivery{Lane: lane("github", "app")}
	for _, state := range []retrystore.State{retrystore.Delivered, retrystore.Pending, retrystore.Dead} {
		c.Attempted(app, retrystore.Settlement{State: state})
	}
	c.Settled(app, retrystore.Settlement{State: retrystore.Dead})
	c.LeaseLost(app)
	if all := c.All(); len(all) != 1 || all[app.Lane] != (Attempts{Delivered: 1, Failed: 2}) {
		t.Errorf("counted %+v", all)
	}
	if c.Clear(); len(c.All()) != 0 {
		t.Errorf("after clearing: %+v", c.All())
	}
}
