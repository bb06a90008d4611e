package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// testRetainList: filters select, and pages merge what is kept with what is open.
func testRetainList(x *suite) {
	x.retain(retrystore.Retention{Count: 1000})
	start := x.Now().Truncate(time.Millisecond)
	var want []string // newest first
	kept := 0
	for i := range 60 {
		e := x.event()
		e.ReceivedAt = start.Add(time.Duration(i) * time.Second).UTC()
		e.EventType = fmt.Sprint("type", i%3)
		r, err := x.submit("", e, x.target("a", 10), x.target("b", 10))
		x.check(err)
		for j, d := range r.Deliveries {
			want = append(want, d.ID)
			if i%4 != 0 || j == 0 {
				x.delivered(d)
				kept++
			}
		}
	}
	x.settled()
	slices.Reverse(want)
	for _, limit := range []int{1, 7, 1000} {
		if got := ids(x.all(retrystore.Filter{}, limit)); !slices.Equal(got, want) {
			x.Fatalf("pages of %d: listed %d, want %d in their order", limit, len(got), len(want))
		}
	}
	for name, test := range map[string]struct {
		filter retrystore.Filter
		want   int
	}{
		"delivered":      {retrystore.Filter{States: []retrystore.State{retrystore.Delivered}}, kept},
		"leased":         {retrystore.Filter{States: []retrystore.State{retrystore.Leased}}, 15},
		"destination":    {retrystore.Filter{Destination: "a"}, 60},
		"endpoint":       {retrystore.Filter{Endpoint: "shop"}, 120},
		"other endpoint": {retrystore.Filter{Endpoint: "git"}, 0},
		"type":           {retrystore.Filter{EventType: "type1"}, 40},
		"event":          {retrystore.Filter{EventID: "evt_2"}, 2},
		"window":         {retrystore.Filter{Since: start.Add(10 * time.Second), Until: start.Add(20 * time.Second)}, 20},
		"together": {retrystore.Filter{States: []retrystore.State{retrystore.Delivered}, Destination: "b", Since: start.Add(10 * time.Second),
			Until: start.Add(20 * time.Second)}, 8},
	} {
		for _, limit := range []int{3, 1000} {
			if got := x.all(test.filter, limit); len(got) != test.want {
				x.Errorf("%s, %d a page: listed %d, want %d", name, limit, len(got), test.want)
			}
		}
	}
	d := x.all(retrystore.Filter{EventID: "evt_2", Destination: "a"}, 1)[0]
	if d.State != retrystore.Delivered || d.Attempts != 1 || d.LastStatus != 200 || d.Event.Body != nil || d.Event.Header != nil ||
		d.History != nil || d.Event.EventType != "type1" || d.Lane != (retrystore.Lane{Endpoint: "shop", Destination: "a"}) {
		x.Errorf("listed %+v", *d)
	}
}

// testRetainTrimmedList pages through while the oldest go and new ones come.
func testRetainTrimmedList(x *suite) {
	parts := max(x.PendingParts, 1)
	x.retain(retrystore.Retention{Count: 20 * parts})
	for range 30 * parts {
		x.pass("")
	}
	x.settled()
	newest := ids(x.history())[0]
	seen := x.pageThrough(func() { x.pass("") })
	if seen[newest] != 1 {
		x.Errorf("the newest was listed %d times, want once", seen[newest])
	}
}

// testRetainDisturbsNobody: counts, bounds and lanes are as if nothing were kept.
func testRetainDisturbsNobody(x *suite) {
	x.retain(retrystore.Retention{Count: 1000})
	for i := range 20 {
		r, err := x.store.Accept(x.Context(), &retrystore.Submission{
			Key: key(fmt.Sprint("k", i)), KeyTTL: 100 * x.Unit, Event: x.event(), MaxPending: 1, Targets: []retrystore.Target{x.target(lane.Destination, 10)},
		})
		x.check(err)
		x.delivered(r.Deliveries[0])
		x.wantDuplicate(fmt.Sprint("k", i), retrystore.Delivered)
	}
	x.settled()
	s, err := x.store.Stats(x.Context())
	x.check(err)
	if len(s.Lanes) != 0 {
		x.Errorf("stats count %+v", s.Lanes)
	}
	if s.Keys != 20 && !x.NoKeyCount {
		x.Errorf("%d keys, want 20", s.Keys)
	}
	c, err := x.store.Claim(x.Context(), retrystore.ClaimRequest{Lane: lane, Max: 10, MaxRetries: 10, Lease: x.Unit})
	x.check(err)
	if len(c.Deliveries) != 0 || !c.Next.IsZero() {
		x.Errorf("claimed %+v", c)
	}
	x.reopen()
	if s, err := x.store.Stats(x.Context()); err != nil || len(s.Lanes) != 0 {
		x.Errorf("stats after opening again: %+v, %v", s.Lanes, err)
	}
	for i := range 20 {
		x.wantDuplicate(fmt.Sprint("k", i), retrystore.Delivered)
	}
}
