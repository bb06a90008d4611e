package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var listTests = map[string]func(*suite){
	"ListFilters":    testListFilters,
	"ListPages":      testListPages,
	"ListRare":       testListRare,
	"ListUnderChurn": testListUnderChurn,
	"ListCursor":     testListCursor,
}

func testListFilters(x *suite) {
	start := x.Now().Truncate(time.Millisecond)
	make1 := func(endpoint, destination, kind, id string) *retrystore.Delivery {
		x.Helper()
		e := x.event()
		e.Endpoint, e.EventType, e.EventID = endpoint, kind, id
		e.ReceivedAt = start.Add(time.Duration(x.made) * time.Second).UTC()
		r, err := x.submit("", e, x.target(destination, 10))
		x.check(err)
		return r.Deliveries[0]
	}
	a := make1("shop", "app", "paid", "1")
	b := make1("shop", "audit", "paid", "2")
	c := make1("git", "app", "push", "3")
	d := make1("git", "ci", "push", "1")
	x.retry(b, 5)
	due := x.in(5)
	x.kill(c)
	x.check(x.store.Release(x.Context(), d))

	at := func(d *retrystore.Delivery) time.Time { return d.Event.ReceivedAt }
	states := func(s ...retrystore.State) []retrystore.State { return s }
	for _, test := range []struct {
		name   string
		filter retrystore.Filter
		want   []*retrystore.Delivery
	}{
		{"all", retrystore.Filter{}, []*retrystore.Delivery{d, c, b, a}},
		{"leased", retrystore.Filter{States: states(retrystore.Leased)}, []*retrystore.Delivery{a}},
		{"pending", retrystore.Filter{States: states(retrystore.Pending)}, []*retrystore.Delivery{d, b}},
		{"two states", retrystore.Filter{States: states(retrystore.Dead, retrystore.Leased)}, []*retrystore.Delivery{c, a}},
		{"endpoint", retrystore.Filter{Endpoint: "git"}, []*retrystore.Delivery{d, c}},
		{"destination", retrystore.Filter{Destination: "app"}, []*retrystore.Delivery{c, a}},
		{"type", retrystore.Filter{EventType: "push"}, []*retrystore.Delivery{d, c}},
		{"event id", retrystore.Filter{EventID: "1"}, []*retrystore.Delivery{d, a}},
		{"since", retrystore.Filter{Since: at(b)}, []*retrystore.Delivery{d, c, b}},
		{"until", retrystore.Filter{Until: at(b)}, []*retrystore.Delivery{a}},
		{"window", retrystore.Filter{Since: at(b), Until: at(d)}, []*retrystore.Delivery{c, b}},
		{"together", retrystore.Filter{Endpoint: "git", EventID: "1", States: states(retrystore.Pending)}, []*retrystore.Delivery{d}},
		{"nothing", retrystore.Filter{Endpoint: "git", EventType: "paid"}, nil},
	} {
		for _, limit := range []int{1, 3, 1000} {
			if got := x.all(test.filter, limit); !slices.Equal(ids(got), ids(test.want)) {
				x.Errorf("%s, %d a page: listed %v, want %v", test.name, limit, ids(got), ids(test.want))
			}
		}
	}
	got := x.all(retrystore.Filter{EventID: "2"}, 10)[0]
	want := *b.Event
	want.Header, want.Body = nil, nil
	x.wantEvent(got.Event, &want)
	if got.State != retrystore.Pending || got.Attempts != 1 || got.LastStatus != 503 || got.LastError != "unavailable" ||
		!x.near(got.NextAttemptAt, due) || got.History != nil || got.Priority != 5 {
		x.Errorf("listed %+v", *got)
	}
	if got := x.all(retrystore.Filter{EventID: "3"}, 10)[0]; got.Reason != "max_attempts" {
		x.Errorf("listed %+v", *got)
	}
}

func testListPages(x *suite) {
	var want []string
	for range 10 {
		for _, d := range x.accept(x.target("a", 0), x.target("b", 0), x.target("c", 0)) {
			want = append(want, d.ID)
		}
	}
	for _, limit := range []int{1, 2, 7, 29, 30, 31} {
		got := ids(x.all(retrystore.Filter{}, limit))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			x.Errorf("pages of %d: %d deliveries, want each of %d once", limit, len(got), len(want))
		}
	}
}

// testListRare selects few of many, which a store may look at in other ways than one by one.
func testListRare(x *suite) {
	const many = 300
	long := strings.Repeat("d", 800)
	want := make(map[string][]string)
	for i := range many {
		e := x.event()
		e.EventType = fmt.Sprint("type", i%100)
		targets := []retrystore.Target{x.target("app", 0), x.target(long, 0)}
		switch {
		case i%60 == 11: // dead below
			targets[0].Lease, targets[1].Lease = 20*x.Unit, 20*x.Unit
		case i%50 == 7:
			targets[0].Lease = 20 * x.Unit
		case i%50 == 8:
			targets[0].Lease = x.Unit // lapses
		case i%50 == 9:
			targets[1].Lease = 20 * x.Unit // delivered below
		}
		r, err := x.submit(fmt.Sprint(i), e, targets...)
		x.check(err)
		for n, d := range r.Deliveries {
			note := func(names ...string) {
				for _, name := range names {
					want[name] = append(want[name], d.ID)
				}
			}
			note("all")
			if i%100 == 57 {
				note("type57")
			}
			if i == 123 {
				note("event123")
			}
			switch {
			case i%60 == 11:
				note("dead")
				x.kill(d)
			case i%50 == 7 && n == 0:
				note("leased")
			case i%50 == 9 && n == 1:
				x.delivered(d)
				note("delivered")
			default:
				note("pending")
			}
		}
	}
	x.advance(2)
	for name, f := range map[string]retrystore.Filter{
		"all":       {},
		"leased":    {States: []retrystore.State{retrystore.Leased}},
		"pending":   {States: []retrystore.State{retrystore.Pending}},
		"dead":      {States: []retrystore.State{retrystore.Dead}},
		"delivered": {States: []retrystore.State{retrystore.Delivered}},
		"type57":    {EventType: "type57"},
		"event123":  {EventID: "evt_124"}, // they count from 1
	} {
		slices.Sort(want[name])
		for _, limit := range []int{1, 7, 1000} {
			got := ids(x.all(f, limit))
			slices.Sort(got)
			if !slices.Equal(got, want[name]) {
				x.Errorf("%s, %d a page: %d deliveries, want %d", name, limit, len(got), len(want[name]))
			}
		}
	}
}

// testListUnderChurn pages through while deliveries come and go: those that are
// there all the time are seen exactly once.
func testListUnderChurn(x *suite) {
	var stay, leave []*retrystore.Delivery
	for range 20 {
		stay, leave = append(stay, x.acceptOne()), append(leave, x.acceptOne())
	}
	seen := x.pageThrough(func() {
		x.acceptOne()
		if len(leave) > 1 {
			// One from either end, so that cursors lose what they point at.
			x.check(x.store.Delete(x.Context(), leave[0].ID))
			x.check(x.store.Delete(x.Context(), leave[len(leave)-1].ID))
			leave = leave[1 : len(leave)-1]
		}
	})
	for _, d := range stay {
		if seen[d.ID] != 1 {
			x.Errorf("delivery %s was listed %d times, want once", d.ID, seen[d.ID])
		}
	}
}

// pageThrough lists everything, three a page, calls between after each page but
// the last, and counts how often each delivery was seen, which must not be twice.
func (x *suite) pageThrough(between func()) (seen map[string]int) {
	seen = make(map[string]int)
	for cursor := ""; ; between() {
		p, err := x.store.List(x.Context(), retrystore.Filter{}, cursor, 3)
		x.check(err)
		for _, d := range p.Deliveries {
			if seen[d.ID]++; seen[d.ID] > 1 {
				x.Errorf("delivery %s was listed %d times", d.ID, seen[d.ID])
			}
		}
		if cursor = p.Next; cursor == "" {
			return seen
		}
	}
}

func testListCursor(x *suite) {
	x.acceptOne()
	for _, cursor := range []string{"?", "nonsense", "AAAA", "\x00"} {
		_, err := x.store.List(x.Context(), retrystore.Filter{}, cursor, 10)
		x.wantErr(err, retrystore.ErrCursor)
	}
	for _, limit := range []int{-1, 0, 100_000} {
		if _, err := x.store.List(x.Context(), retrystore.Filter{}, "", limit); err != nil {
			x.Errorf("limit %d: %v, want it brought into bounds", limit, err)
		}
	}
}
